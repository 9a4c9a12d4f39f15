#!/usr/bin/env python3
"""The rules of the house that no compiler knows.

Layers: a file includes headers of its own layer or lower ones only, by the
table in the Makefile.  Doors: a library is included in the rooms behind its
door only.  Functions: none over 60 lines.  Every file opens with a comment, and
stands in README's map.
"""
import re
import statistics
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
LONGEST = 60
TLS = {"pem", "pki", "tls", "x509"}
DOORS = {  # what matches stands in these rooms only
    r"#include <bearssl": TLS | {"hash"},
    r'#include "(pem|pki|x509)\.h"': TLS,
    r"#include <ini\.h>": {"inifile"},
    r"^\t.*\bepoll_ctl\(": {"loop"},
}
WORDS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
COMMENTED = {".c", ".h", ".py", ".sh"}
COMMENT = ("/*", "//", "#", '"""')
BUILT = {".git", "build", "porter", "porter.log"}
NOT_WRITTEN = {"corpus", "go.sum", "__pycache__", ".pytest_cache", ".hypothesis"}
OUTSIDE = {"musl"}  # of the layers: has no header and is not linked into tests


def text(path):
    return path.read_text(encoding="utf-8", errors="replace")


def layers():
    """{module: layer} from the Makefile's table."""
    table = re.findall(r"^L(\d) = (.*)$", text(TOP / "Makefile").replace("\\\n", ""), re.M)
    return {module: int(n) for n, modules in table for module in modules.split()}


def sources():
    return [p for folder in (".", "tests/unit", "tests/fuzz") for p in sorted((TOP / folder).glob("*.[ch]"))]


def everything():
    """Every file that people write."""
    return [p for p in sorted(TOP.rglob("*")) if p.is_file() and not NOT_WRITTEN & set(p.parts)
            and p.relative_to(TOP).parts[0] not in BUILT]


def module_of(path):
    """Whose room a file is, or tests: spdy for spdy.c, test_spdy.c and fuzz_spdy.c."""
    return re.sub(r"^(test|fuzz)_", "", path.stem) if path.parent != TOP else path.stem


def check_layers(path, layer):
    module = module_of(path)
    if module in OUTSIDE or path.parent != TOP and module == path.stem:
        return
    if module not in layer:
        yield 1, f"{module} stands in no layer of the Makefile"
        return
    for n, line in enumerate(text(path).splitlines(), 1):
        found = re.match(r'#include "(\w+)\.h"', line)
        if found and layer.get(found[1], -1) > layer[module]:
            yield n, f"layer {layer[module]} includes {found[1]}.h of layer {layer[found[1]]}"


def check_doors(path, _):
    for pattern, rooms in DOORS.items():
        for n, line in enumerate(text(path).splitlines(), 1):
            if re.search(pattern, line) and module_of(path) not in rooms:
                yield n, f"{line.strip()}: only in {', '.join(sorted(rooms))}"


def functions(path):
    """(line, length) of each function: from its opening brace to its closing one, without the
    rows of its tables."""
    start = rows = table = 0
    for n, line in enumerate(text(path).splitlines(), 1):
        if line == "{":
            start, rows, table = n, 0, 0
        elif line == "}" and start:
            yield start, n - start - rows
            start = 0
        elif re.match(r"\t.*\] = \{$", line):
            table = n
        elif line == "\t};" and table:
            rows, table = rows + n - table - 1, 0


def check_functions(path, _):
    for n, length in functions(path):
        if length > LONGEST:
            yield n, f"a function of {length} lines"


def check_opening(path):
    lines = text(path).splitlines() or [""]
    script = lines[0].startswith("#!")
    first = lines[1 if script else 0] if len(lines) > script else ""
    if (script or path.suffix in COMMENTED) and not first.startswith(COMMENT):
        yield 1, "does not open with a comment"


def check_map(layer):
    """README's map names every room once, under its layer."""
    told, here = {}, None
    for row in re.findall(r"^\|(.*?)\|(.*?)\|", text(TOP / "README.md"), re.M):
        here = int(row[0].split()[0]) if re.match(r" \d ", row[0]) else here
        told |= {module: here for module in re.findall(r"`(\w+)\.[ch]`", row[1])}
    for module in sorted(layer.keys() | told.keys()):
        if layer.get(module) != told.get(module):
            yield f"the map has {module} in layer {told.get(module)}, the Makefile in {layer.get(module)}"


def check_words(path):
    for n, line in enumerate(text(path).splitlines(), 1):
        if found := WORDS.search(line):
            yield n, f"{found[0]}: do it or drop it"


def check_headers(path):
    """A header compiles alone."""
    if path.suffix == ".h":
        done = subprocess.run(["gcc", "-std=c11", "-D_GNU_SOURCE", f"-I{TOP}", "-fsyntax-only", "-x", "c", "-"],
                              input=f'#include "{path}"\n', capture_output=True, text=True)
        if done.returncode:
            yield 1, "does not compile alone: " + done.stderr.strip()


def main():
    layer = layers()
    found = [(p, *f) for p in sources() for check in (check_layers, check_doors, check_functions)
             for f in check(p, layer)]
    found += [(p, *f) for p in sources() for f in check_headers(p)]
    found += [(p, *f) for p in everything() for check in (check_opening, check_words) for f in check(p)]
    found += [(TOP / "README.md", 1, f) for f in check_map(layer)]
    found += [(TOP / "Makefile", 1, f"{m} has no file") for m in layer if not list(TOP.glob(f"{m}.[ch]"))]
    for path, n, message in sorted(found):
        print(f"{path.relative_to(TOP)}:{n}: {message}")
    lengths = sorted(length for p in TOP.glob("*.c") for _, length in functions(p))
    print(f"{len(lengths)} functions: median {statistics.median(lengths):g} lines, "
          f"90th percentile {lengths[len(lengths) * 9 // 10]}, longest {lengths[-1]}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
