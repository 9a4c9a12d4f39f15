"""kubeconfig.c against kubectl: of the same files, merged, both make the same context; and what kubectl refuses, ours
refuses, too, but for a name that occurs twice and is not needed.

kubectl is what PATH has, or tests/bench/kubectl has fetched; without it these tests are skipped."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
UNIT = ROOT / "tests" / "unit"
ROOMS = ["base64", "buf", "entry", "err", "file", "json", "kubeconfig", "kubefiles", "kubeuser", "log", "mem", "text",
         "value", "yaml", "yaml_scalar"]
CACHE = Path(os.environ.get("PORTER_CLUSTER_CACHE") or
             Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "porter-cluster")
EXAMPLES = int(os.environ.get("KUBECONFIG_EXAMPLES", "60"))
TEXTS = ["server", "proxy-url", "tls-server-name", "token", "username", "password", "as", "as-uid"]
PEMS = ["certificate-authority", "client-certificate", "client-key"]
EXEC = ["apiVersion", "installHint", "interactiveMode"]


def kubectls():
    found = [CACHE / "kubectl-1.35", shutil.which("kubectl")]
    return next((str(p) for p in found if p and Path(p).exists()), None)


KUBECTL = kubectls()
pytestmark = pytest.mark.skipif(not KUBECTL, reason="there is no kubectl")


@pytest.fixture(scope="session")
def dump(tmp_path_factory):
    program = tmp_path_factory.mktemp("kubeconfig") / "dump"
    subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-g", "-O1", f"-I{ROOT}",
                    "-fsanitize=address,undefined", "-fno-sanitize-recover=all", HERE / "dump.c",
                    *(ROOT / f"{room}.c" for room in ROOMS), "-o", program], check=True)
    return program


def run(command, variable, folder):
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)} | ({"KUBECONFIG": variable} if variable else {})
    return subprocess.run([str(word) for word in command], env=env, cwd=folder, capture_output=True, text=True)


def named(lists, kind, name):
    return next((item[kind] for item in lists.get(kind + "s") or [] if item["name"] == name), {})


def theirs(folder, variable, file, context):
    """What kubectl shows of one context, in the shape of dump.c; or its refusal as text."""
    command = [KUBECTL, "config", "view", "--raw", "--flatten", "--minify", "-o", "json"]
    command += ["--kubeconfig", file] if file else []
    command += ["--context", context] if context else []
    done = run(command, variable, folder)
    if done.returncode:
        return done.stderr
    view = json.loads(done.stdout)
    name = view["current-context"]
    context = named(view, "context", name)
    whole = named(view, "cluster", context["cluster"]) | named(view, "user", context.get("user"))
    shown = {key: whole.get(key) or None for key in TEXTS}
    shown |= {key: base64.b64decode(whole.get(key + "-data", "")).decode() or None for key in PEMS}
    shown |= {"context": name, "namespace": context.get("namespace") or "default",
              "tokenFile": os.path.basename(whole.get("tokenFile", "")), "as-groups": whole.get("as-groups") or [],
              "as-user-extra": sorted([k, v] for k, vs in (whole.get("as-user-extra") or {}).items() for v in vs),
              "insecure-skip-tls-verify": int(whole.get("insecure-skip-tls-verify", False))}
    others = any(shown[key] for key in ("token", "tokenFile", "username", "client-certificate"))
    return shown | ({} if others else exec_of(whole))


def exec_of(whole):
    plugin = whole.get("exec")
    if not plugin:
        return {}
    extensions = {e["name"]: e["extension"] for e in whole.get("extensions") or []}
    return {key: plugin.get(key) or None for key in EXEC} | {
        "command": os.path.basename(plugin["command"]), "args": plugin.get("args") or [],
        "env": [f"{e['name']}={e['value']}" for e in plugin.get("env") or []],
        "provideClusterInfo": int(plugin["provideClusterInfo"]),
        "extension": extensions.get("client.authentication.k8s.io/exec")}


def ours(dump, folder, variable, file, context):
    done = run([dump, file or "", context or ""], variable, folder)
    if done.returncode:
        assert done.returncode == 1, done.stderr
        return done.stderr
    seen = json.loads(done.stdout)
    for key in ("tokenFile", "command"):  # paths are absolute, which kubectl does not show
        path = seen.get(key) or ""
        assert "/" not in path or path.startswith(str(folder.resolve())), path
        seen |= {key: os.path.basename(path)} if key in seen else {}
    seen["as-user-extra"].sort()
    if seen.get("extension"):
        seen["extension"] = json.loads(seen["extension"])
    return seen


def check(dump, folder, variable=None, file=None, context=None):
    want, got = theirs(folder, variable, file, context), ours(dump, folder, variable, file, context)
    if isinstance(want, dict) or "duplicate name" not in want:
        assert isinstance(want, str) and isinstance(got, str) or got == want, (got, want)
    return isinstance(got, dict)


@pytest.mark.parametrize("name", sorted(p.name for p in (UNIT / "kubeconfigs").glob("*.yaml")))
def test_reads_what_tools_write(dump, name):
    view = run([KUBECTL, "config", "view", "-o", "json", "--kubeconfig", UNIT / "kubeconfigs" / name], None, ROOT)
    for context in json.loads(view.stdout)["contexts"]:
        assert check(dump, ROOT, file=UNIT / "kubeconfigs" / name, context=context["name"])


words = st.text("ab.-/: é#'\"", max_size=4)
names = st.sampled_from(["a", "b", "c"])
data = words.filter(bool).map(lambda text: base64.b64encode(text.encode()).decode())
paths = st.sampled_from(["pem", "d/../pem", "./d/pem"])


def maps(required=(), **optional):
    return st.fixed_dictionaries(dict(required), optional={k.replace("_", "-"): v for k, v in optional.items()})


def either(key, more):
    """A map with the key's data, its file, or neither."""
    return st.one_of(more, more.flatmap(lambda m: data.map(lambda d: m | {key + "-data": d})),
                     more.flatmap(lambda m: paths.map(lambda p: m | {key: p})))


clusters = maps({"server": words.map(lambda w: f"https://h/{w.replace('#', '').strip()}".replace(" ", ""))},
                tls_server_name=words, proxy_url=st.sampled_from(["", "http://p", "socks5://u:p@p:1"]),
                extensions=st.just([{"name": "client.authentication.k8s.io/exec", "extension": {"a": [1, "b", None]}}]))
plugins = maps({"apiVersion": st.just("client.authentication.k8s.io/v1"),
                "command": st.sampled_from(["login", "./login", "d/login"]),
                "interactiveMode": st.sampled_from(["Never", "IfAvailable", "Always"])},
               args=st.lists(words, max_size=3), installHint=words, provideClusterInfo=st.booleans(),
               env=st.lists(maps({"name": st.sampled_from("AB"), "value": words}), max_size=2))
acting = maps(**{"as": words.filter(bool)}).flatmap(lambda m: maps(
    as_uid=words, as_groups=st.lists(words, max_size=2),
    as_user_extra=st.dictionaries(names, st.lists(words, max_size=2), max_size=2)).map(lambda n: m | n if m else m))
ways = st.one_of(maps(token=words, tokenFile=paths), maps(username=words, password=words), maps(exec=plugins),
                 st.fixed_dictionaries({"client-certificate-data": data, "client-key": paths}))
users = st.tuples(ways, acting).map(lambda both: both[0] | both[1])
contexts = maps({"cluster": names, "user": names}, namespace=st.sampled_from(["", "n", "shop"]))


def lists(kind, entries):
    items = st.lists(st.tuples(names, entries), max_size=4, unique_by=lambda item: item[0])
    twice = st.lists(st.tuples(names, entries), max_size=2)
    return st.one_of(items, items, items, twice).map(lambda found: [{"name": n, kind: e} for n, e in found])


files = st.one_of(
    st.none(), st.just(""), st.just("# nothing\n"),
    *[maps({"clusters": lists("cluster", either("certificate-authority", clusters)),
            "users": lists("user", users), "contexts": lists("context", contexts)},
           **{"current-context": st.one_of(st.just(""), names), "kind": st.just("Config")}).map(json.dumps)] * 5)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(first=files, second=files, third=files, context=st.one_of(st.none(), names), alone=st.booleans())
def test_merges_files_alike(dump, first, second, third, context, alone):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "d").mkdir()
        for path, text in (("pem", "top"), ("d/pem", "below"), ("one", first), ("d/two", second), ("three", third)):
            if text is not None:
                (folder / path).write_text(text)
        (folder / "d" / "d").symlink_to(".")
        variable = f"{folder}/one::d/two:{folder}/three:{folder}/one"
        check(dump, folder, variable, folder / "one" if alone else None, context)
