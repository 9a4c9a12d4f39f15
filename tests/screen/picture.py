"""What is on the screen, cell by cell, beside a text in expected/: its lines, and below
them, cell by cell, how each looks.

    PORTER_SCREENS=write pytest tests/screen    writes the texts anew: look at what git says of them

What differs from run to run is masked by something as wide: seconds and the like by N,
local ports by those that the test calls them.
"""
import difflib
import os
import re
import time
from pathlib import Path

EXPECTED = Path(__file__).resolve().parent / "expected"
WRITES = os.environ.get("PORTER_SCREENS") == "write"
SETTLED_S = 3  # unchanged for so long, it is what is to be written

LEGEND = "how it looks: . plain, b bold, f faint, g green, y yellow, r red and bold; capitals (# for .): selected"
LOOKS = {("default", False, False): ".", ("default", True, False): "b", ("default", False, True): "f",
         ("green", False, False): "g", ("brown", False, False): "y", ("red", True, False): "r"}  # brown: pyte's yellow
MASKS = [(re.compile(pattern), mask) for pattern, mask in (
    (r"(?<=checked )\d+|(?<=retry in )\d+|(?<=attempt )\d+", lambda found: "N" * len(found[0])),
    (r"(?<=Round trip   )\d+ ms", "N ms"),
    (r" +\d+ ms", lambda found: "N ms".rjust(len(found[0]))),
    (r"127(\.\d{3}){3}", "127.nnn.nnn.nnn"),
    (r"\d\d:\d\d:\d\d", "HH:MM:SS"))]


def look(cell):
    """The mark of a cell; a blank one that looks like nothing has a blank."""
    mark = LOOKS.get((cell.fg, cell.bold, cell.italics), "?") if cell.bg == "default" else "?"
    if cell.reverse:
        return "#" if mark == "." else mark.upper()
    return " " if mark == "." and cell.data == " " else mark


def masked(line, ports):
    line = re.sub(r"\d{5}", lambda found: str(ports.get(int(found[0]), found[0])), line)
    for pattern, mask in MASKS:
        line = pattern.sub(mask, line)
    return line.rstrip()


def picture(terminal):
    """The lines of what an expected text has."""
    rows = terminal.rows()
    lines = [masked("".join(cell.data for cell in row), terminal.ports) for row in rows]
    marks = ["".join(look(cell) for cell in row).rstrip() for row in rows]
    cursor = terminal.cursor()
    return [f"{len(rows[0])}x{len(rows)}, " + (f"cursor at {cursor[0]},{cursor[1]}" if cursor else "no cursor"),
            *lines, f"---- {LEGEND}", *marks]


def write(terminal, path):
    last, since = None, 0
    while time.monotonic() < since + SETTLED_S or not last:
        now = picture(terminal)
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.1)
    path.write_text("\n".join(last) + "\n")


def expect(terminal, name):
    """Waits until the screen is as expected/NAME.txt has it."""
    path = EXPECTED / f"{name}.txt"
    if WRITES:
        write(terminal, path)
    wanted = path.read_text().splitlines()
    try:
        terminal.until(lambda: picture(terminal) == wanted, f"it looks like {path.name}")
    except AssertionError as e:
        differ = difflib.unified_diff(wanted, picture(terminal), path.name, "the screen", n=1, lineterm="")
        raise AssertionError("\n".join([str(e), *differ])) from None
