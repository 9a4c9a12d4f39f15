"""yaml2ini: what it writes, to the byte, what it refuses, in which words, and with which status."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from converter import ALL, AWKS, LIMIT, SCRIPT, convert

PORTER = Path(os.environ.get("PORTER", "porter")).resolve()
MADE = "; Made by yaml2ini from stdin.\n"
LEFT_OUT = "is left out, and what is in it, with the comments behind it: porter has no such key here\n"
RELATIVE = ("note: porter takes this path from the folder of porter.ini; "
            "nanoporter took it from where it was started\n")

SEED = """\
# Global settings
check_interval: 10s  # How often to check port-forward health
reconnect_delay: 5s  # Delay before attempting reconnect

clusters:
  - name: production
    kubeconfig: /home/user/.kube/config
    context: prod-context  # Optional
    
    forwards:
      - namespace: default
        service: api-gateway
        type: service  # "service" or "pod"
        local_port: 8080
        remote_port: 80
      
      - namespace: databases
        service: postgres-primary-0
        type: pod
        local_port: 5432
        remote_port: 5432

  - name: staging
    kubeconfig: /home/user/.kube/staging-config
    
    forwards:
      - namespace: web
        service: frontend
        type: service
        local_port: 3000
        remote_port: 3000
"""
SEED_INI = """
; Global settings
[porter]
check_interval = 10s ; How often to check port-forward health
reconnect_delay = 5s ; Delay before attempting reconnect

[cluster production]
kubeconfig = /home/user/.kube/config
context = prod-context ; Optional

[forward api-gateway]
cluster = production
namespace = default
service = api-gateway
type = service ; "service" or "pod"
local_port = 8080
remote_port = 80

[forward postgres-primary-0]
cluster = production
namespace = databases
service = postgres-primary-0
type = pod
local_port = 5432
remote_port = 5432

[cluster staging]
kubeconfig = /home/user/.kube/staging-config

[forward frontend]
cluster = staging
namespace = web
service = frontend
type = service
local_port = 3000
remote_port = 3000
"""
SMALL = """
[cluster a]
kubeconfig = /k

[forward s]
cluster = a
namespace = n
service = s
type = pod
local_port = 1
remote_port = 2
"""
FORWARDS = "forwards: [{namespace: n, service: s, type: pod, local_port: 1, remote_port: 2}]"


def forward(label, cluster, service="s", port=1, namespace="n"):
    return (f"\n[forward {label}]\ncluster = {cluster}\nnamespace = {namespace}\nservice = {service}\ntype = pod\n"
            f"local_port = {port}\nremote_port = 2\n")


def cluster(name, *services, first=1, path="/k"):
    rows = [f"  - {{namespace: n, service: {s}, type: pod, local_port: {first + i}, remote_port: 2}}\n"
            for i, s in enumerate(services)]
    return f"- name: {name}\n  kubeconfig: {path}\n  forwards:\n{''.join(rows)}"


CASES = {
    "the example of its README": (SEED, SEED_INI),
    "CRLF and a byte order mark": ("\ufeff" + SEED.replace("\n", "\r\n"), SEED_INI),
    "markers of one document": (f"---\n{SEED}...\n", SEED_INI),
    "flow style, over several lines": (
        f'{{"clusters":[{{name: "\\x6A",context:,kubeconfig: \'/k\',\n{FORWARDS},\n}}]}}', SMALL.replace(" a", " j")),
    "lists as deep as their key, any order, quotes": (
        "'clusters':\n-\n      forwards:\n      - remote_port : 2\n        local_port: 1\n        \"type\": 'pod'\n"
        "        service: \"\\x73\"\n        namespace: >-\n          n\n\n      kubeconfig: |-\n         /k\n"
        "      name: \"\\u0061\"",
        "\n[cluster a]\nkubeconfig = /k\n\n[forward s]\ncluster = a\nremote_port = 2\nlocal_port = 1\ntype = pod\n"
        "service = s\nnamespace = n\n"),
    "lines that go on": (
        f"clusters:\n- name:\n    two\n    words\n  context: \"a\n\n    b\\\n    c\"\n  kubeconfig: /k\n  {FORWARDS}"
        .replace("\n\n    b", "\n    b"),
        "\n[cluster two words]\ncontext = a bc\nkubeconfig = /k\n" + forward("s", "two words")),
    "block scalars of one line": (
        "clusters:\n- name: |-\n    a\n   \n    \n  kubeconfig: >-  # c\n      /k\n      l\n  context: |\n"
        f"  {FORWARDS}",
        SMALL.replace("/k", "/k l").replace("\nkub", "\n; c\nkub")),
    "what is null is left out, and a text that looks so is not": (
        "check_interval:\nreconnect_delay: ~\nclusters:\n"
        f"- {{name: 'null', kubeconfig: /k, context: Null, {FORWARDS}}}\n"
        f"- {{name: \"~\", kubeconfig: /k, context: '', {FORWARDS.replace(': 1', ': 3')}}}",
        "\n[cluster null]\nkubeconfig = /k\n" + forward("null-s", "null") +
        "\n[cluster ~]\nkubeconfig = /k\n" + forward("~-s", "~", port=3)),
    "what is not text in YAML is in nanoporter": (
        "clusters:\n" + cluster("0x10", "1e3").replace("/k", "1.50").replace("  f", "  context: true\n  f"),
        "\n[cluster 0x10]\nkubeconfig = 1.50\ncontext = true\n" + forward("1e3", "0x10", "1e3"),
        f"stdin:3: {RELATIVE}"),
    "what INI has no quotes for": (
        "clusters:\n- name: 'a;b # \"c\" é'\n  kubeconfig: \"/a: [b]={c}\"\n"
        f"  context: arn:aws:eks:x:1:cluster/y;z\n  {FORWARDS}",
        "\n[cluster a;b # \"c\" é]\nkubeconfig = /a: [b]={c}\ncontext = arn:aws:eks:x:1:cluster/y;z\n" +
        forward("s", 'a;b # "c" é')),
    "labels": (
        "clusters:\n" + cluster("x y", "s", "s", "t") + cluster("z", "s", "z-s", "x" * 63, first=4),
        "\n[cluster x y]\nkubeconfig = /k\n" + forward("x y-s", "x y") + forward("x y-s-2", "x y", port=2) +
        forward("t", "x y", "t", 3) + "\n[cluster z]\nkubeconfig = /k\n" + forward("z-s", "z", port=4) +
        forward("z-s-2", "z", "z-s", 5) + forward("x" * 41, "z", "x" * 63, 6)),
    "labels that are cut": (
        "clusters:\n" + cluster("é" * 20, "s") + cluster("b", "s", "c" * 50, "c" * 49, first=2),
        f"\n[cluster {'é' * 20}]\nkubeconfig = /k\n" + forward("é" * 20 + "-", "é" * 20) +
        "\n[cluster b]\nkubeconfig = /k\n" + forward("b-s", "b", port=2) + forward("c" * 41, "b", "c" * 50, 3) +
        forward("c" * 39 + "-2", "b", "c" * 49, 4)),
    "comments": (
        "#!x\n# [forward x]\n\n  # ; a = b\nclusters: # of us\n  # all\n  - # one\n    name: a # A\n"
        "    kubeconfig: /k #K; k\n    # now\n    forwards: # here\n#      - old\n      - # s\n        namespace: n\n"
        "        service: s\n        # is a\n        type: # which\n          pod\n        local_port: 1\n"
        "        remote_port: 2 \n        # behind\n# the end",
        "\n;!x\n; [forward x]\n; ; a = b\n; of us\n; all\n; one\n[cluster a] ; A\nkubeconfig = /k ;K; k\n\n; now\n"
        "; here\n;      - old\n[forward s]\ncluster = a\n; s\nnamespace = n\nservice = s\n; is a\n; which\ntype = pod\n"
        "local_port = 1\nremote_port = 2\n\n; behind\n; the end\n"),
    "comments in flow style": (
        "{ # a\n  clusters: [ # b\n    {name: a, # c\n     kubeconfig: /k,\n     forwards: [\n      # d\n"
        "      {namespace: n, service: s, type: pod, local_port: 1, remote_port: 2}, # e\n    ]} # f\n  ]} # g",
        "\n; g\n; a\n; b\n; f\n[cluster a] ; c\nkubeconfig = /k\n\n; d\n[forward s] ; e\ncluster = a\nnamespace = n\n"
        "service = s\ntype = pod\nlocal_port = 1\nremote_port = 2\n"),
    "settings that stand last": (
        f"clusters: [{{name: a, kubeconfig: /k, {FORWARDS}}}]\n# often\ncheck_interval: 1m30s\n# soon\n"
        "reconnect_delay: \".5s\"",
        "\n; often\n[porter]\ncheck_interval = 1m30s\n; soon\nreconnect_delay = .5s\n" + SMALL),
    "a duration of 0 stood for the default": (
        f"check_interval: 0s # c\nreconnect_delay: 0h0m\nclusters: [{{name: a, kubeconfig: /k, {FORWARDS}}}]",
        SMALL.replace("\n[c", "\n; c\n[c"),
        "stdin:1: note: check_interval of 0 meant 10s, and is left out, as that is the default\n"
        "stdin:2: note: reconnect_delay of 0 meant 5s, and is left out, as that is the default\n"),
    "both letters that Go takes for micro": (
        f"check_interval: 10000\u00b5s\nreconnect_delay: 2\u03bcs\nclusters: [{{name: a, kubeconfig: /k, {FORWARDS}}}]",
        "\n[porter]\ncheck_interval = 10000\u00b5s\nreconnect_delay = 2\u03bcs\n" + SMALL),
    "a path in the home folder": (
        "clusters:\n" + cluster("a", "s").replace("/k", "~/k"), SMALL.replace("/k", "~/k"),
        "stdin:3: note: porter takes '~/' for the home folder, which nanoporter did not\n"),
    "a service that looks like a number, and its port": (
        "clusters:\n" + cluster("a", "007", first=65535),
        "\n[cluster a]\nkubeconfig = /k\n" + forward("007", "a", "007", 65535)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_writes(case):
    text, ini, told = (*case, "")[:3]
    assert convert(text) == (0, MADE + ini, told)


def test_names_keys_that_porter_does_not_have_and_nothing_in_them():
    text = (f"log: /x\nclusters:\n- db_backup: {{password: hunter2}} # hunter2\n  name: a\n  kubeconfig: /k\n"
            "  forwards:\n"
            f"  - namespace: n\n    service: s\n    # hunter2\n    db_backup: # hunter2\n      'pass: word': |\n"
            f"        hunter2\n\n      # hunter2\n    #hunter2\n    type: pod # kept\n    Local_Port: \"hunter2\n"
            f"      hunter2\"\n    local_port: 1\n    remote_port: 2\n    \"{'x' * 120}\": [hunter2,\n"
            f"     # hunter2\n     ]\n"
            f"\"\\e[2J\\u202e\": 1")
    assert convert(text) == (2, MADE + SMALL.replace("pod\n", "pod ; kept\n"), "".join(
        f"stdin:{line}: '{name}' {LEFT_OUT}" for line, name in
        [(1, "log"), (24, "?[2J???"), (3, "db_backup"), (10, "db_backup"), (17, "Local_Port"), (21, "x" * 80 + "...")]))


CHECKED = {
    "": "1: no clusters configured; there is nothing to forward",
    "# nothing": "1: no clusters configured; there is nothing to forward",
    "clusters:\n  # none\n": "1: no clusters configured; there is nothing to forward",
    "---\n...": "1: no clusters configured; there is nothing to forward",
    "clusters: []": "1: no clusters configured; there is nothing to forward",
    "clusters: a": "1: clusters must be a list, not a text; see to the indentation",
    "- a": "1: the settings must be a map, not a list; see to the indentation",
    "clusters: [a]": "1: the cluster entry must be a map, not a text; see to the indentation",
    f"clusters: [{{name: [a], kubeconfig: /k, {FORWARDS}}}]":
        "1: name must be a text, not a list; see to the indentation\n"
        "1: cluster at index 0 has no name; write name: NAME",
    "clusters:\n-\n": "2: cluster at index 0 has no name; write name: NAME\n"
                      "2: cluster '?' has no kubeconfig path; write kubeconfig: PATH\n"
                      "2: cluster '?' has no port-forwards configured; write some, or take it out",
    "clusters:\n" + cluster("a", "s") + cluster("a", "t", first=2):
        "6: duplicate cluster name: a; the first is in line 2",
    "clusters:\n- {name: a, kubeconfig: /k, forwards: [~]}":
        "2: forward in cluster 'a' has no namespace; write namespace: NAME\n"
        "2: forward in cluster 'a' has no service/pod name; write service: NAME\n"
        "2: forward in cluster 'a' has no type; write type: service or type: pod\n"
        "2: forward in cluster 'a' has no remote_port; write remote_port: NUMBER\n"
        "2: forward in cluster 'a' has no local_port; write local_port: NUMBER",
    "clusters:\n" + cluster("a", "s", "t").replace("2, r", "1, r"):
        "6: local port 1 is used by both 'a/s' and 'a/t'; use another one",
    "clusters:\n" + cluster("a", "s").replace("pod", "svc"):
        "5: forward for 'n/s' in cluster 'a' has invalid type 'svc' (must be 'service' or 'pod')",
    "clusters:\n" + cluster("a", "s").replace(": n,", ": n.m,"):
        "5: namespace must be lower-case letters, digits and '-', 63 at most, not 'n.m'",
    "clusters:\n" + cluster("a", "my_db"):
        "5: service must be lower-case letters, digits and '-', 253 at most, not 'my_db'",
    "clusters:\n" + cluster("a", "x" * 64):
        f"5: service must be lower-case letters, digits and '-', 253 at most, not '{'x' * 64}'",
    "clusters:\n" + cluster("x" * 42, "s"):
        "2: name is longer than 41 bytes, as sections of porter.ini have room for; use a shorter one",
    "clusters:\n" + cluster("a]b", "s"): "2: name has ']' in it, which ends a section of porter.ini; use another name",
    "clusters:\n" + cluster("a", "s", path=f"/{'x' * 4083}"):
        "3: kubeconfig is longer than a line of porter.ini (4096 bytes); use a shorter one",
    "check_interval: 9ms\nreconnect_delay: -5s\nclusters:\n" + cluster("a", "s"):
        "1: check_interval must be a duration as 500ms, 10s or 1m30s, from 10ms to 24h, not '9ms'\n"
        "2: reconnect_delay must be a duration as 500ms, 10s or 1m30s, up to 24h, not '-5s'",
    "check_interval: 10\nreconnect_delay: ''\nclusters:\n" + cluster("a", "s"):
        "1: check_interval must be a duration as 500ms, 10s or 1m30s, from 10ms to 24h, not '10'\n"
        "2: reconnect_delay must be a duration as 500ms, 10s or 1m30s, up to 24h, not ''",
    "reconnect_delay: 24h1ns\nclusters:\n" + cluster("a", "s"):
        "1: reconnect_delay must be a duration as 500ms, 10s or 1m30s, up to 24h, not '24h1ns'",
    "clusters:\n" + cluster("a", "s").replace(": 1,", ": '1',"):
        "5: forward for 'n/s' in cluster 'a' has a text for local_port; write the number without quotes",
}
CHECKED |= {"clusters:\n" + cluster("a", "s").replace(": 1,", f": {port},"):
            f"5: forward for 'n/s' in cluster 'a' has invalid local_port: {port} (must be 1-65535, in decimal digits)"
            for port in ("0", "65536", "99999", "0x1F90", "0o17", "080", "8_080", "+80", "80.0", "8e3", "80 80")}
CHECKED |= {f"clusters: [{{name: a, kubeconfig: /k, context: {text}, {FORWARDS}}}]": f"1: context {why}"
            for text, why in [
                ('" a"', "begins or ends with a blank, which porter.ini cannot keep; use another one"),
                ("'a '", "begins or ends with a blank, which porter.ini cannot keep; use another one"),
                (";a", "has ' ;' in it, which begins a comment in porter.ini; use another one"),
                ("a ;b", "has ' ;' in it, which begins a comment in porter.ini; use another one"),
                ('"a\\nb"', "has a line end in it; write it in one line, and |- for |"),
                ('"a\\tb"', "has the control character U+0009 in it; take it out"),
                ('"a\\0b"', "has the control character U+0000 in it; take it out"),
                ('"a\\u0000"', "has the control character U+0000 in it; take it out"),
                ('"a\\x01"', "has the control character U+0001 in it; take it out"),
                ('"\\N"', "has the control character U+0085 in it; take it out"),
                ('"a\\L\\x41"', "has the control character U+2028 in it; take it out"),
                ('"\\u202Ea"', "has the control character U+202E in it; take it out")]}
CHECKED |= {f"clusters:\n- name: a\n  kubeconfig: /k\n  {FORWARDS}\n  context: {text}\n":
            "5: context has a line end in it; write it in one line, and |- for |"
            for text in ("|\n   a", "|+\n   a", "|-\n   a\n   b", "|-\n\n   a", ">-\n   a\n\n   b", ">-\n   a\n    b",
                         ">-\n   a\n   \tb", ">\n   a", "|+\n\n", "|-\n   a\n    ", "'a\n\n   b'", "a\n\n   b")}


@pytest.mark.parametrize("text", CHECKED)
def test_refuses_what_nanoporter_did_and_what_ini_cannot_hold(text):
    words = "".join(f"stdin:{line}\n" for line in CHECKED[text].split("\n"))
    assert convert(text) == (1, "", words)


SYNTAX = {
    "a: &x b": "1: anchors are not supported; write the value out",
    "a:\n- *x": "2: aliases are not supported; write the value out",
    "a: [!!str b]": "1: tags are not supported; leave it out",
    "%YAML 1.2\n---": "1: directives are not supported; leave it out, or put the text in quotes",
    "a: 1\n---\nb: 2": "2: a second document begins; keep one of them",
    "a: 1\n...\nb: 2": "3: this does not belong to what stands above; see to the indentation",
    "a:\tb": "1: a tab; only spaces can stand here",
    "a:\n\tb: c": "2: a tab; only spaces can stand here",
    "a: b\t# c": "1: a tab; only spaces can stand here",
    "a: 1\n'a': 2": "2: this key is there twice; keep one of them",
    "a: {b: 1, b: 2}": "1: this key is there twice; keep one of them",
    "a:\n  <<: {b: c}": "2: merge keys are not supported; write the keys out",
    "? a\n: b": "1: a key or a value is missing here; a text that begins so needs quotes",
    "[a]: b": "1: a key must be a text on one line; write it so",
    "a: 'b\nc: d": "1: a text in quotes is not closed; close it",
    "a: \"b\n---\n\"": "1: a text in quotes is not closed; close it",
    "\na: [b,\nc: d": "3: a key stands where an item should; write {key: value}",
    "\na: {b: 1,\nc: d": "2: a bracket is opened and not closed; close it",
    "a: [b [c]]": "1: ',' or ']' is missing; write it, or put the text in quotes",
    "a: [b, , c]": "1: a value is missing before ','; write it, or take out the comma",
    "a: ]": "1: this bracket was not opened; take it out, or put the text in quotes",
    "a: b: c": "1: a second ': ' in one line; put the value in quotes",
    "a: 'b' c": "1: there is text behind a value; put the whole in quotes",
    "a: - b": "1: a list needs a line of its own behind a key",
    "a: 1\n  b: 2": "2: a key must be a text on one line; write it so",
    "a:\n    b: 1\n  c: 2": "3: this does not belong to what stands above; see to the indentation",
    "a: 1\nb\n": "2: a key without ': '; see to the indentation, and to quotes above",
    "a: 'b'#c": "1: a comment needs a space before '#'",
    'a: "\\q"': "1: an escape that YAML does not have; a backslash in double quotes is written twice",
    'a: "\\ud800"': "1: an escape that YAML does not have; a backslash in double quotes is written twice",
    'a: "\\u00\n"': "1: an escape that YAML does not have; a backslash in double quotes is written twice",
    'a: "\\x4"': "1: an escape that YAML does not have; a backslash in double quotes is written twice",
    "a: @b": "1: a text that begins with '@' or '`' needs quotes",
    "a: [|]": "1: a text behind '|' or '>' cannot stand here; put it in quotes",
    "a: |2\n   b": "1: only + or - can stand behind '|' or '>'; put the text in quotes",
    "a: |\n   \n  b": "1: a blank line at the beginning is indented too far; take out its spaces",
    "a: [b?]": "1: '?' in [] or {}; put the text in quotes",
    "a" + ": {a" * 50: "1: this is nested too deeply; no such configuration is known",
    "a: \x1b": "1: the line has the control character U+001B in it; take it out",
    "a\rb": "1: the line has the control character U+000D in it; take it out",
    "# \x85": "1: the line has the control character U+0085 in it; take it out",
    b"a: \xff": "1: the line is not UTF-8; save the file as UTF-8",
    b"a: \xc0\x80": "1: the line is not UTF-8; save the file as UTF-8",
    b"a: \xe0\x80\x80": "1: the line is not UTF-8; save the file as UTF-8",
    b"a: \xed\xa0\x80": "1: the line is not UTF-8; save the file as UTF-8",
    b"a: 1\na: 80\x0080": "2: the line is not UTF-8; save the file as UTF-8",
    "a: b".encode("utf-16"): "1: the line is not UTF-8; save the file as UTF-8",
}


@pytest.mark.parametrize("text", SYNTAX)
def test_refuses_yaml_that_it_does_not_know(text):
    assert convert(text) == (1, "", f"stdin:{SYNTAX[text]}\n")


def test_help_goes_to_stdout_and_usage_to_stderr():
    status, text, told = convert("", "-h")
    assert (status, told) == (0, "") and text.startswith("usage: yaml2ini [config.yaml] >porter.ini\n")
    assert convert("", "--help") == (0, text, "")
    assert convert("", "a", "b") == (1, "", text) == convert("", "-x")


def test_reads_a_file_of_any_name(tmp_path):
    for name in ("config.yaml", "a=b.yaml", "a'b \"c\\n$x.yaml", "é.yaml"):
        (tmp_path / name).write_text(SEED)
        assert convert("", name, cwd=tmp_path) == (0, f"; Made by yaml2ini from {name}.\n" + SEED_INI, "")
    (tmp_path / "bad\nname = x").write_text("a: &b")
    assert convert("", "bad\nname = x", cwd=tmp_path)[2].startswith("bad?name = x:1: anchors ")


def test_says_what_it_cannot_read(tmp_path):
    told = "there is no such file, or it cannot be read\n"
    assert convert("", "nope.yaml", cwd=tmp_path) == (1, "", f"nope.yaml: {told}")
    assert convert("", ".", cwd=tmp_path) == (1, "", f".: {told}")


def test_reads_standard_input_for_a_dash():
    assert convert(SEED, "-") == (0, MADE + SEED_INI, "")


def test_an_awk_that_fails_is_no_partial_success():
    assert convert(SEED, awks=["false"])[:2] == (1, "")
    assert convert(SEED, awks=["awk --no-such-option"])[:2] == (1, "")


OUTPUTS = {"help": (["-h"], ""), "all": ([], SEED), "some": ([], "log: x\n" + SEED)}


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize("case", OUTPUTS)
@pytest.mark.parametrize("to", [">/dev/full", ">&-"])
def test_an_output_that_cannot_be_written_is_an_error(awk, case, to):
    arguments, text = OUTPUTS[case]
    done = subprocess.run(["sh", "-c", f'exec "$@" {to}', "sh", SCRIPT, *arguments], env={**os.environ, "AWK": awk},
                          input=text, stderr=subprocess.PIPE, text=True, timeout=LIMIT)
    told = f"stdin:1: 'log' {LEFT_OUT}" if case == "some" else ""
    assert (done.returncode, done.stderr) == (1, f"{told}the output cannot be written\n")


def test_the_locale_changes_nothing():
    text = "clusters:\n" + cluster("é" * 20, "s")
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    for awk in AWKS:
        done = subprocess.run([SCRIPT], env={**environment, "AWK": awk}, input=text.encode(), capture_output=True,
                              timeout=LIMIT)
        assert (0, MADE.encode() + CUT_LABEL.encode()) == (done.returncode, done.stdout), awk


CUT_LABEL = f"\n[cluster {'é' * 20}]\nkubeconfig = /k\n" + forward("s", "é" * 20)


@pytest.mark.parametrize("awk", ALL)
def test_all_tests_are_made_under(awk):
    if awk not in AWKS:
        pytest.skip(f"{awk} is not installed")
    assert convert(SEED, awks=[awk]) == (0, MADE + SEED_INI, "")


@pytest.mark.skipif(not shutil.which("gawk"), reason="gawk is not installed")
def test_is_posix_awk_and_clean_to_gawk():
    assert convert(SEED, awks=["gawk --posix"]) == (0, MADE + SEED_INI, "")
    status, _, told = convert(SEED, awks=["gawk --lint"])
    assert status == 0
    assert not [line for line in told.splitlines() if "(FILENAME=" not in line]  # the others are of the run


def test_porter_finds_nothing_wrong_with_it(tmp_path):
    (tmp_path / "config").write_text("")
    text = SEED.replace("/home/user/.kube/staging-config", "./config").replace("/home/user/.kube", str(tmp_path))
    _, ini, _ = convert(text.replace("web", "default").replace("frontend", "api-gateway"))
    (tmp_path / "porter.ini").write_text(ini + "[end]\n")
    done = subprocess.run([PORTER], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=LIMIT)
    end = ini.count("\n") + 1
    assert done.stderr.splitlines()[0] == f"Error: unknown section [end] (porter.ini:{end})"
    assert done.stderr.count("Error:") == 1
