"""Configurations, and the many ways to write one in YAML: block and flow, every kind of scalar,
comments, and keys that porter does not have.  All choices are `draw`'s, hypothesis's."""
import re

import yaml
from hypothesis import strategies as st

SECRET = "hunter2"
NAMES = ["prod", "staging 2", "a:b", "é ü", "it's", 'say "x"', "x#y", "50%", "-x", "null", "~", "123", "[x", "{", "*",
         "arn:aws:eks:eu-west-1:1:cluster/a", "a;b", "a  b", "@x", "=y", "# c", "true", "0x1F", "1.5", "?", "a\\b", "|",
         "- a", ": a", "<<", "𝄞", "a: b", "a #b", "'", "key: value", "2001-01-01", "---", "x" * 41, "%YAML", "!t", "&a"]
PATHS = ["/home/user/.kube/config", "~/.kube/config", "k.yaml", "/a b/c", "/a:b", "/é", "a\\b", "/x" * 400,
         "/a 'b' \"c\"", "/a#b", "/a,b", "/[a]", "/words " * 30 + "end"]
SERVICES = ["api", "api-gateway", "postgres-primary-0", "a.b.c", "null", "123", "1e3", "x" * 63, "true", "0"]
PLAIN = re.compile(r"[A-Za-z0-9/~.][^\x00-\x1f\x7f-\xa0]*[^\s:]\Z|[A-Za-z0-9]\Z")
NULLS = re.compile(r"(null|Null|NULL|~)?\Z")


class Plain(str):
    """A scalar that only means the same without quotes."""


@st.composite
def forwards(draw, ports):
    pairs = [("namespace", draw(st.sampled_from(["default", "kube-system", "0123", "no"]))),
             ("service", draw(st.sampled_from(SERVICES))), ("type", draw(st.sampled_from(["service", "pod"]))),
             ("local_port", Plain(next(ports))), ("remote_port", Plain(draw(st.integers(1, 65535))))]
    return draw(with_unknown(pairs))


@st.composite
def with_unknown(draw, pairs):
    pairs = list(draw(st.permutations(pairs)))
    if draw(st.integers(0, 9)) == 0:
        more = draw(st.sampled_from([("password", SECRET), ("database", [SECRET, {"a": SECRET}]),
                                     ("x", SECRET + "\nb\n")]))
        unknown = draw(st.sampled_from([("db_backup", {"name": "x", more[0]: more[1]}), more, ("Name", None)]))
        pairs.insert(draw(st.integers(0, len(pairs))), unknown)
    return dict(pairs)


@st.composite
def configs(draw):
    ports = map(str, draw(st.lists(st.integers(1, 65535), min_size=9, max_size=9, unique=True)))
    clusters = []
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)):
        pairs = [("name", name), ("kubeconfig", draw(st.sampled_from(PATHS))),
                 ("forwards", [draw(forwards(ports)) for _ in range(draw(st.integers(1, 3)))])]
        if draw(st.booleans()):
            pairs.append(("context", draw(st.sampled_from([*NAMES, None, ""]))))
        clusters.append(draw(with_unknown(pairs)))
    pairs = [("clusters", clusters)]
    for name in ("check_interval", "reconnect_delay"):
        if draw(st.booleans()):
            pairs.append((name, draw(st.sampled_from(["10s", "1m30s", "1.5h", "500ms", "10000us", ".5s", None, "0s"]))))
    return draw(with_unknown(pairs))


class Writer:
    def __init__(self, draw):
        self.draw = draw
        self.comments, self.maybe = [], set()  # that must, and that may be kept
        self.in_block = False  # an indented line would belong to a block scalar
        self.mark = 0  # how many of them stand before the last scalar
        self.count = 0
        self.inside = self.behind = False  # an entry that is left out: no comment is kept

    def one_of(self, *choices):
        return self.draw(st.sampled_from(choices))

    def comment(self):
        self.count += 1
        text = f"c{self.count} {self.one_of('', 'a: b', '; x = y', '[forward z]', '- é', '#', 'it s')}".rstrip()
        if self.inside or self.behind:
            return f"# {SECRET}"
        self.comments.append(text)
        return self.one_of("# ", "#") + text

    def between(self, rarely=8):
        """Lines before an entry."""
        lines = ""
        while self.draw(st.integers(0, rarely)) == 0:
            indent = self.one_of(None, 0, 0, 2, 4, 7)
            if indent is None:
                lines += self.one_of("", " ")
            else:
                lines += " " * (0 if self.in_block else indent) + self.comment()
            lines += "\n"
        return lines

    def scalar(self, value, flow=False, key=False):
        if value is None:
            return self.one_of("~", "null") if flow or key else self.one_of("", "~", "null", "Null")
        plain = PLAIN.match(value) and not NULLS.match(value) and ": " not in value and " #" not in value
        plain = plain and not (flow and re.search(r"[][{},?]", value))
        if isinstance(value, Plain) or plain and self.draw(st.integers(0, 2)):
            return value
        if "\n" not in value and self.draw(st.booleans()):
            return "'" + value.replace("'", "''") + "'"
        return '"' + self.escaped(value, key) + '"'

    def escaped(self, value, key):
        escape = self.draw(st.sets(st.sampled_from(sorted(set(value))))) if value and self.draw(st.booleans()) else ()
        text = ""
        for c in value:
            if c in '"\\\n' or c in escape:
                text += self.one_of(f"\\U{ord(c):08x}", *[f"\\u{ord(c):04X}"] * (ord(c) < 65536),
                                    *[f"\\x{ord(c):02x}"] * (ord(c) < 256), *["\\" + c] * (c in '"\\/'))
            else:
                text += c
        if not key and len(text) > 4 and "\\" not in text and self.draw(st.integers(0, 5)) == 0:
            return text[:2] + "\\\n      \\" * (text[2] == " ") + "\\\n    " * (text[2] != " ") + text[2:]
        return text

    def block_scalar(self, value, indent):
        if not value or "\n" in value or value[0] == " " or self.draw(st.integers(0, 9)):
            return None
        self.in_block = True
        return self.one_of("|-", ">-") + "\n" + " " * (indent + self.one_of(1, 2, 4)) + value

    def gap(self):
        gap = self.one_of("", "", "", " ", " ", "\n ", "\n\n   ", "#")
        return " " + self.comment() + "\n  " if gap == "#" else gap

    def flow(self, value):
        if isinstance(value, dict):
            text = "{" + self.gap()
            for n, (key, item) in enumerate(value.items()):
                text += self.one_of(", ", ",\n  ") + self.gap() if n else ""
                was = self.enter(key)
                text += self.scalar(key, True, True) + self.one_of(":", " :") + " " + self.gap() + self.flow(item)
                self.leave(key, was)
                text += self.gap()
            self.behind = False
            return text + "}"
        if isinstance(value, list):
            text = "["
            for n, item in enumerate(value):
                text += ("," if n else "") + self.gap()
                self.behind = False
                text += self.flow(item) + self.gap()
            return text + self.one_of("", ",") * bool(value) + self.gap() + "]"
        text = self.scalar(value, True)
        self.mark = len(self.comments)
        return text

    KNOWN = {"name", "kubeconfig", "context", "forwards", "namespace", "service", "type", "local_port", "remote_port",
             "clusters", "check_interval", "reconnect_delay"}

    def enter(self, key):
        was = self.inside
        self.inside = was or key not in self.KNOWN
        self.behind = self.in_block = False
        if self.inside:
            self.maybe |= {*self.comments[self.mark:]}
            del self.comments[self.mark:]
        return was

    def leave(self, key, was):
        self.inside = was
        self.behind |= key not in self.KNOWN

    def tail(self):
        gap = self.one_of("", "", "", " ", "#", "  #")
        return f" {gap[:-1]}{self.comment()}" if gap.endswith("#") else gap

    def value(self, item, indent, in_map):
        """Behind a key or a dash that is indented by `indent`."""
        if isinstance(item, (dict, list)):
            if not item or self.draw(st.integers(0, 4)) == 0:
                return " " + self.flow(item) + self.tail() + "\n"
            least = 0 if in_map and isinstance(item, list) else 1
            return self.tail() + "\n" + self.between() + self.block(item, indent + self.one_of(least, 1, 2, 2, 4))
        block = self.block_scalar(item, indent) if item and not isinstance(item, Plain) else None
        text = self.one_of(" ", "  ") + (block or self.scalar(item) + self.tail()) + "\n"
        self.mark = len(self.comments) if item is not None else self.mark
        return text

    def block(self, value, indent):
        lines, pad = "", " " * indent
        if isinstance(value, list):
            for item in value:
                lines += self.between() + pad + "-"
                self.behind = False
                if isinstance(item, dict) and item and self.draw(st.integers(0, 3)):
                    gap = self.one_of(1, 1, 1, 2, 3)
                    lines += " " * gap + self.pairs(item, indent + 1 + gap, True)
                else:
                    lines += self.value(item, indent, False)
            return lines
        return self.pairs(value, indent, False)

    def pairs(self, value, indent, compact):
        lines = ""
        for key, item in value.items():
            first = compact and not lines
            lines += "" if first else self.between() + " " * indent
            was = self.enter(key)
            lines += self.scalar(key, key=True) + self.one_of(":", ":", " :")
            lines += self.value(item, indent, True)
            self.leave(key, was)
        return lines

    def document(self, value):
        text = self.between(2) + (self.block(value, self.one_of(0, 0, 0, 2)) if self.draw(st.integers(0, 5))
                                  else self.flow(value) + "\n")
        if self.draw(st.integers(0, 5)) == 0:
            text = self.one_of("# start\n", "") + "---\n" + text + self.one_of("", "...\n")
        text = text.replace("\n", self.one_of("\n", "\n", "\r\n"))
        return self.one_of("", "", "\ufeff") + text.rstrip("\n") * 1 + self.one_of("\n", "", "\n\n# end")


@st.composite
def documents(draw):
    """(text, comments that must be kept, comments that may)"""
    writer = Writer(draw)
    text = writer.document(draw(configs()))
    return text, writer.comments, writer.maybe


@st.composite
def dumped(draw):
    """As PyYAML writes it."""
    style = draw(st.sampled_from([None, None, "'", '"', "|", ">"]))

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data):
            return True

    Dumper.add_representer(str, lambda d, s: d.represent_scalar("tag:yaml.org,2002:str", s, style=style))
    Dumper.add_representer(Plain, lambda d, s: d.represent_int(int(s)))
    value = draw(configs())
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=draw(st.booleans()),
                     default_flow_style=draw(st.sampled_from([None, True, False, False])),
                     indent=draw(st.sampled_from([None, 2, 4, 8])), width=draw(st.sampled_from([None, 20, 10_000])),
                     explicit_start=draw(st.booleans()), explicit_end=draw(st.booleans()),
                     line_break=draw(st.sampled_from([None, "\r\n"])))


PIECES = ["a", "b: ", "- ", "-", ":", ": ", " ", "  ", "\n", "\n", "\n  ", "\n- ", "\t", "#", " # c", "|", ">",
          "|-\n  ", ">+\n ", '"', "'", "''", "\\", "\\n", "\\\n", "[", "]", "{", "}", ",", ", ", "---", "\n---\n",
          "\n...\n", "? ", "&a ", "*a", "!", "%", "@", "<<: ", "~", "1", "é", "\u2028", "\x85", "\r", "\ufeff", "x y",
          "\\u00e4", "\\x4", "=\n", " ;", "; ", "\x00", "\x7f", "null", "name: x\n", "\xa0", "\u202e", "0", "\ud800"]


@st.composite
def damaged(draw):
    text = draw(st.one_of(documents().map(lambda d: d[0]), dumped()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        cut = at + draw(st.sampled_from([0, 0, 1, 1, 2, 5]))
        text = text[:at] + draw(st.sampled_from(PIECES + [""] * 20)) + text[cut:]
    return text


LINES = ["clusters:", "name: a", "kubeconfig: /k", "forwards:", "namespace: n", "service: s", "type: pod",
         "local_port: 1", "remote_port: 2", "context: x", "check_interval: 10s", "db_backup:", "# c", "", "[", "]", "{",
         "}", "{namespace: n, service: s, type: pod, local_port: 3, remote_port: 4}", "a: |", "b: >-", "x", '"', "---"]


@st.composite
def scattered(draw):
    """Right lines in wrong places."""
    text = ""
    for n, line in enumerate(["clusters:", "- name: a", "  kubeconfig: /k", "  forwards:", "  - namespace: n",
                              "    service: s", "    type: pod", "    local_port: 1", "    remote_port: 2"]):
        if n and draw(st.integers(0, 7)) == 0:
            text += " " * draw(st.integers(0, 6)) + draw(st.sampled_from(["", "", "- "])) + \
                draw(st.sampled_from(LINES)) + "\n"
        text += " " * draw(st.sampled_from([0] * 40 + [1, 2])) + line + "\n"
    return text
