#!/usr/bin/env python3
"""widths.c against Python's copy of the Unicode database.  Run as a program, it prints the table.

Code points that no character has yet join the range around them: what will come among emoji will
be one.
"""
import ctypes
import os
import subprocess
import sys
import textwrap
import unicodedata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
VERSION = "14.0.0"
KINDS = ["GONE", "MARK", "NARROW", "WIDE"]  # as in widths.h
SELECTORS = [range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)]
HANGUL = [range(0x1160, 0x1200), range(0xD7B0, 0xD800)]  # drawn into the syllable before them
SOFT_HYPHEN = 0xAD  # terminals show it
COLUMNS = 92


def kind(code):
    """Of an assigned code point; None of others."""
    category = unicodedata.category(chr(code))
    if category in ("Cn", "Cs"):
        return None
    if category == "Cf" and code != SOFT_HYPHEN or any(code in r for r in SELECTORS):
        return "GONE"
    if category in ("Mn", "Me") or any(code in r for r in HANGUL):
        return "MARK"
    return "WIDE" if unicodedata.east_asian_width(chr(code)) in "WF" else "NARROW"


def ranges():
    """[(first, last, kind)] of all that are not narrow."""
    found = []
    for code in range(sys.maxunicode + 1):
        what = kind(code)
        if what and found and found[-1][2] == what:
            found[-1][1] = code
        elif what:
            found.append([code, code, what])
    return [r for r in found if r[2] != "NARROW"]


@pytest.mark.skipif(unicodedata.unidata_version != VERSION, reason="a database of another version")
def test_each_assigned_code_point(tmp_path):
    library = tmp_path / "widths.so"
    command = [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-shared", "-fPIC", f"-I{ROOT}"]
    subprocess.run([*command, ROOT / "widths.c", "-o", library], check=True)
    width_of = ctypes.CDLL(str(library)).width_of
    differ = [f"U+{code:04X}" for code in range(sys.maxunicode + 1)
              if kind(code) not in (None, KINDS[width_of(code)])]
    assert not differ


def main():
    rows = " ".join(f"{{0x{first:x},_0x{last:x},_{what}}}," for first, last, what in ranges())
    for row in textwrap.wrap(rows, COLUMNS):
        print("\t" + row.replace("_", " "))


if __name__ == "__main__":
    main()
