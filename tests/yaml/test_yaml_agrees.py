"""yaml.c against PyYAML: both read the same tree, or ours refuses in words; never a wrong value.

PyYAML has YAML 1.1's types, so scalars are compared as text, and our types with the core schema
of YAML 1.2, written here a second time. Documents come from seeded generators: YAML_SEED picks
others, YAML_ROUNDS makes more of them.
"""

import json
import os
import random
import re
import subprocess
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SOURCES = ["yaml", "yaml_scalar", "json", "value", "text", "mem", "buf", "err", "log", "file"]
SEED = os.environ.get("YAML_SEED", "porter")
ROUNDS = int(os.environ.get("YAML_ROUNDS", "1500"))

NULL = re.compile(r"(null|Null|NULL|~|)\Z")
BOOL = re.compile(r"(true|True|TRUE|false|False|FALSE)\Z")
NUMBER = re.compile(
    r"([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"
    r"|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN)\Z"
)


class Dump:
    """The driver: one process for all texts."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, text):
        data = text.encode() if isinstance(text, str) else text
        self.process.stdin.write(b"%d\n" % len(data) + data)
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the driver died of {data!r}"
        return json.loads(line)


@pytest.fixture(scope="session")
def dump(tmp_path_factory):
    program = tmp_path_factory.mktemp("yaml") / "dump"
    command = [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-g", "-O1", f"-I{ROOT}"]
    command += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command += [HERE / "dump.c", *(ROOT / f"{name}.c" for name in SOURCES), "-o", program]
    subprocess.run(command, check=True)
    driver = Dump(program)
    yield driver
    driver.process.stdin.close()
    assert driver.process.wait(timeout=60) == 0


def type_of(node):
    if node.style is not None:
        return "string"
    for name, pattern in (("null", NULL), ("bool", BOOL), ("number", NUMBER)):
        if pattern.match(node.value):
            return name
    return "string"


def as_text(value):
    """PyYAML leaves the escapes of surrogates as they are."""
    pairs = value.encode("utf-16-le", "surrogatepass")
    return pairs.decode("utf-16-le", "replace")


def theirs_of(node):
    if isinstance(node, yaml.MappingNode):
        # A key is text whatever it looks like.
        return ("map", [(as_text(key.value), theirs_of(value)) for key, value in node.value])
    if isinstance(node, yaml.SequenceNode):
        return ("list", [theirs_of(value) for value in node.value])
    return (type_of(node), as_text(node.value))


def theirs(text):
    """The tree as PyYAML reads it; None where it does not."""
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
        return theirs_of(node) if node is not None else ("null", "")
    except (yaml.YAMLError, AttributeError, ValueError, OverflowError, UnicodeDecodeError):
        return None


def ours_of(tree):
    if "map" in tree:
        parts = [ours_of(part) for part in tree["map"]]
        return ("map", [(key[1], value) for key, value in zip(parts[::2], parts[1::2])])
    if "list" in tree:
        return ("list", [ours_of(part) for part in tree["list"]])
    return (tree["type"], bytes.fromhex(tree["text"]).decode())


# They end lines in YAML 1.1, and are characters in JSON's strings and YAML 1.2; ours has them in
# double quotes only. So what is read with them must also be read with another in their place.
SEPARATORS = re.compile("[\x85\u2028\u2029]")


def check(dump, text, must_read=False):
    """Returns whether ours read it."""
    answer = dump.read(text)
    if "ok" in answer and SEPARATORS.search(text):
        text = SEPARATORS.sub("x", text)
        answer = dump.read(text)
    want = theirs(text)
    if "refused" in answer:
        assert re.match(r"line [0-9]+: \S", answer["refused"]), answer
        may = not must_read or SEPARATORS.search(text)
        assert may or want is None, f"{text!r}: {answer['refused']}"
        return False
    if want is not None:
        assert ours_of(answer["ok"]) == want, repr(text)
    else:
        assert is_newer(text), f"PyYAML refuses {text!r}, ours reads {answer['ok']}"
    return True


def is_newer(text):
    """What YAML 1.2 has and PyYAML has not: tabs that separate, a question mark in flow plain
    scalars, a line end behind a key in {}, characters that JSON has but YAML 1.1 has not, an end
    where nothing began."""
    text = text.replace("\r", "\n")
    in_flow = re.search(r"[\[{](.|\n)*(\?|\n\s*:)", text)
    return bool(in_flow or re.search(r"[\t\x7f-\x9f]|\A\ufeff?(\s|#.*)*\.\.\.", text))


KEYS = ["clusters", "cluster", "server", "name", "current-context", "kind", "apiVersion", "user",
        "client-key-data", "x", "a b", "1", "true", "null", "~", "k8s.io/a", "é", "-x", "a#b"]
VALUES = ["", "v1", "https://10.0.0.1:6443", "arn:aws:eks:eu-west-1:1:cluster/a", "a: b", "a #b",
          "null", "~", "yes", "on", "0755", "1_000", "12:30:45", "1e3", ".inf", "0x1F", "true",
          "- a", "[a]", "{a", "'", '"', "\\", "it's", " lead", "trail ", "two\nlines", "a\n\nb\n",
          "\n", "\n lead\nless\n", "tab\there", "ü€😀", "%x", "@x", "`x", "&x", "*x", "!x", "|", ">",
          "# x", "---", "...", "a" * 120, "word " * 40, "-----BEGIN CERTIFICATE-----\nMIIB\n--\n",
          "\x7f", "\x00\x1f", "line\u2028sep", "\ufeffbom"]


def tree_of(rnd, others=(None, True, 7, -1.5), depth=0):
    kind = rnd.random()
    if depth > 3 or kind < 0.4:
        return rnd.choice(others) if others and rnd.random() < 0.1 else rnd.choice(VALUES)
    if kind < 0.8:
        keys = rnd.sample(KEYS, rnd.randrange(5))
        return {key: tree_of(rnd, others, depth + 1) for key in keys}
    return [tree_of(rnd, others, depth + 1) for _ in range(rnd.randrange(4))]


def written_by_pyyaml(rnd):
    style = rnd.choice([None, None, None, '"', "'", "|", ">"])
    return yaml.safe_dump(
        tree_of(rnd, others=()) if style else tree_of(rnd),  # it would write tags
        default_style=style,
        default_flow_style=rnd.choice([None, True, False, False]),
        indent=rnd.choice([None, 2, 4, 8]),
        width=rnd.choice([None, 20, 10_000]),
        allow_unicode=rnd.random() < 0.5,
        explicit_start=rnd.random() < 0.3,
        explicit_end=rnd.random() < 0.3,
        sort_keys=False,
    )


def with_breaks(rnd, text):
    return text.replace("\n", rnd.choice(["\n", "\n", "\r\n", "\r"]))


def scalar_lines(rnd, indent):
    """A scalar in any style, its further lines indented by about `indent`."""
    pad = " " * max(0, indent + rnd.choice([0, 0, 0, 1, 2, -1]))
    word = lambda: rnd.choice(["a", "b c", "x:y", "x#y", "-", "é", "'", '"', "1", "", " ", "#z"])
    lines = [word() for _ in range(rnd.choice([1, 1, 1, 2, 3, 4]))]
    style = rnd.randrange(5)
    if style < 2:
        return ("\n" + pad).join(lines)
    if style == 2:
        return '"' + ("\n" + pad).join(rnd.choice(["", "\\", "\\n", " "]) + w.replace('"', "\\x41")
                                       for w in lines) + '"'
    if style == 3:
        return "'" + ("\n" + pad).join(w.replace("'", "''") for w in lines) + "'"
    head = rnd.choice("|>") + rnd.choice(["", "-", "+", "1", "2", "-2", "2+", "4", " #c", "#c"])
    return head + "".join("\n" + (rnd.choice(["", pad, pad + " "]) if not w else pad + w)
                          for w in lines)


def flow_of(rnd, depth=0):
    gap = lambda: rnd.choice(["", " ", " ", "\n ", " #c\n", "\n"])
    if depth > 2 or rnd.random() < 0.4:
        return rnd.choice(["a", "b c", "x:y", '"q"', "'s'", "", "1", "a?b", "-", "-1", "http://x"])
    items = [flow_of(rnd, depth + 1) for _ in range(rnd.randrange(4))]
    if rnd.random() < 0.5:
        return "[" + ",".join(gap() + item + gap() for item in items) + gap() + "]"
    keys = rnd.sample(["a", "b", '"c"', "'d'", "e f"], len(items))
    pairs = [gap() + key + rnd.choice([": ", ":", " : ", ""]) + item + gap()
             for key, item in zip(keys, items)]
    return "{" + ",".join(pairs) + "}"


def block_of(rnd, indent=0, depth=0):
    """Lines of a block collection, at `indent` or (rarely) near it."""
    lines, listed = [], rnd.random() < 0.4
    for key in rnd.sample(["a", "b", "c d", '"e"', "'f'", "g "], rnd.randrange(1, 4)):
        pad = " " * (indent + rnd.choice([0] * 20 + [1, 2]))
        lead = pad + ("-" if listed else key + ":")
        kind = rnd.random()
        if kind < 0.5 or depth > 3:
            lines.append(lead + rnd.choice([" ", " ", "  "]) + scalar_lines(rnd, indent + 2))
        elif kind < 0.6:
            lines.append(lead + " " + flow_of(rnd))
        elif kind < 0.7 and listed:
            inner = block_of(rnd, indent + 2, depth + 1)
            lines.append(lead + " " + inner.lstrip(" "))
        else:
            deeper = indent + rnd.choice([2, 2, 4, 1, 0])
            lines.append(lead + "\n" + block_of(rnd, deeper, depth + 1))
        if rnd.random() < 0.15:
            lines.append(rnd.choice(["", "# c", "  # c", "   ", "---", "..."]))
    return "\n".join(lines)


def document_of(rnd):
    head = rnd.choice([""] * 6 + ["---\n", "--- ", "# c\n", "\n", "\ufeff", "\ufeff---\n"])
    body = block_of(rnd) if rnd.random() < 0.8 else flow_of(rnd)
    return head + body + rnd.choice(["\n", "\n", "", "\n...\n", "\n---\n", "\n\n# c"])


PIECES = ["a", "b", "a: ", "b:", "- ", "-", ":", ": ", " ", "  ", "\n", "\n", "\n  ", "\n ", "\t",
          "#", " # c", "|", ">", "|-\n  ", ">+\n ", '"', '"', "'", "''", "\\", "\\n", "\\\n", "[",
          "]", "{", "}", ",", ", ", "---", "\n---\n", "\n...\n", "?", "? ", "&", "*", "!", "%", "@",
          "<<: ", "~", "1", "é", "\u2028", "\x85", "\r", "\ufeff", "x y", "\\u00e4", "\\x4", "=\n"]


def pieces_of(rnd):
    return "".join(rnd.choice(PIECES) for _ in range(rnd.randrange(1, 14)))


def mutated(rnd, text):
    for _ in range(rnd.randrange(1, 4)):
        at = rnd.randrange(len(text) + 1)
        cut = at + rnd.choice([0, 0, 1, 1, 2, 5])
        text = text[:at] + rnd.choice(PIECES + [""] * 20) + text[cut:]
    return text


@pytest.mark.parametrize("part", range(4))
def test_reads_what_pyyaml_writes(dump, part):
    rnd = random.Random(f"{SEED} written {part}")
    for _ in range(ROUNDS):
        check(dump, with_breaks(rnd, written_by_pyyaml(rnd)), must_read=True)


@pytest.mark.parametrize("make", [document_of, pieces_of])
def test_reads_made_up_texts_alike_or_refuses_them(dump, make):
    rnd = random.Random(f"{SEED} {make.__name__}")
    rounds = 4 * ROUNDS
    read = sum(check(dump, with_breaks(rnd, make(rnd))) for _ in range(rounds))
    assert read > rounds / 20, "the generator makes too little that can be read"


@pytest.mark.parametrize("make", [written_by_pyyaml, document_of])
def test_reads_damaged_texts_alike_or_refuses_them(dump, make):
    rnd = random.Random(f"{SEED} damaged {make.__name__}")
    rounds = 4 * ROUNDS
    read = sum(check(dump, with_breaks(rnd, mutated(rnd, make(rnd)))) for _ in range(rounds))
    assert read > rounds / 20, "too little can be read"


def kubeconfigs():
    return sorted((HERE.parent / "unit" / "kubeconfigs").glob("*.yaml"))


@pytest.mark.parametrize("file", kubeconfigs(), ids=lambda file: file.name)
def test_reads_kubeconfigs_alike(dump, file):
    text = file.read_text()
    assert check(dump, text, must_read=True)
    rnd = random.Random(f"{SEED} {file.name}")
    for _ in range(ROUNDS // 10):
        check(dump, mutated(rnd, text))


def test_reads_every_json_text(dump):
    rnd = random.Random(f"{SEED} json")
    for _ in range(ROUNDS):
        tree = {"": tree_of(rnd)}  # PyYAML writes an empty key as a complex one
        text = json.dumps(tree, indent=rnd.choice([None, 1, "\t"]), ensure_ascii=rnd.random() < 0.5)
        answer = dump.read(rnd.choice(["", " ", "\n\t"]) + text)
        assert "ok" in answer, (text, answer)
        assert plain(ours_of(answer["ok"])) == tree, text


def plain(tree):
    kind, value = tree
    if kind == "map":
        return {key: plain(part) for key, part in value}
    if kind == "list":
        return [plain(part) for part in value]
    return value if kind == "string" else json.loads(value)
