"""As many forwards as there may be, names as long as they may be, in every size; and sizes that change."""
import os
import time

import pytest

from .picture import expect
from .terminal import DOWN, END, HOME, PAGE_DOWN, PAGE_UP, UP
from .test_pictures import all_states
from .world import LONG, LONGEST

NAMES = [("production", "default", LONG, "service", 80, 18080),
         ("production", "default", "api-gateway", "service", 80, 18081),
         ("staging", "default", LONGEST, "pod", 8080, 18082)]


def many(n):
    """Of a cluster that is not there."""
    return [("nowhere", "default", f"service-{i:04}", "service", 80, 40000 + i) for i in range(1, n + 1)]


def set_aside(porter):
    """So many ports would be in the way of others: they get an address of their own."""
    n = os.getpid()
    for i, (_, fields) in enumerate(section for section in porter.sections if section[0].startswith("forward ")):
        fields |= {"local_address": f"127.{100 + n % 150}.{100 + n // 150 % 150}.{100 + n // 22500 % 150}",
                   "local_port": 9000 + i}


def show_many(show, n, *size):
    terminal = show(*size, forwards=many(n), more=set_aside if n > 10 else None, settings={"reconnect_delay": "1h"})
    terminal.shows("service-0001")
    return terminal


@pytest.mark.parametrize("n", [1, 10, 60, 1000])
def test_many(show, n):
    terminal = show_many(show, n, 80, 24)
    expect(terminal, f"many-{n}")
    terminal.type(END)
    expect(terminal, f"many-{n}-end")


def test_scrolling(show):
    terminal = show_many(show, 60, 80, 24)  # 18 of them at a time
    for key, row, first in [
            (PAGE_DOWN, 19, 2), (PAGE_DOWN, 37, 20), (UP, 36, 20), (UP * 16, 20, 20), ("k", 19, 19), (PAGE_UP, 1, 1),
            ("j", 2, 1), (b"\x1bOB", 3, 1), (DOWN * 15, 18, 1), (DOWN, 19, 2), (END, 60, 43), (DOWN, 60, 43),
            (PAGE_DOWN, 60, 43), (PAGE_UP, 42, 42), (HOME, 1, 1), (UP, 1, 1), (PAGE_UP, 1, 1), (b"\x1b[4~", 60, 43),
            (b"\x1b[1~", 1, 1)]:
        terminal.type(key)
        terminal.selects(f"service-{row:04}")
        terminal.shows(f"{row}/60")
        terminal.until(lambda: f"service-{first:04}" in terminal.lines()[4], f"service-{first:04} is the first")


def test_what_is_selected_stays_in_sight(show):
    terminal = show_many(show, 60, 80, 24)
    terminal.type(PAGE_DOWN, PAGE_DOWN)
    for columns, rows in [(80, 10), (80, 5), (300, 60), (20, 6), (80, 24)]:
        terminal.resize(columns, rows)
        terminal.selects("service-0037")
    terminal.shows("37/60")


@pytest.mark.parametrize("columns, rows", [(40, 30), (80, 24), (250, 20)])
def test_long_names(show, columns, rows):
    expect(show(columns, rows, forwards=NAMES), f"names-{columns}x{rows}")


def test_names_are_never_cut(show):
    terminal = show(300, 40, forwards=NAMES)
    terminal.shows("3 Active")
    for columns in [*range(20, 120, 7), 62, 63, 64, 78, 79, 80, 120, 252, 253, 254, 268, 269, 270, 300, 500]:
        terminal.resize(columns, 40)
        terminal.until(lambda: has_names(terminal), f"all of the names in {columns} columns")
        for key in (DOWN, DOWN, HOME):
            terminal.type(key)
            terminal.until(lambda: is_whole(terminal), f"one row is selected in {columns} columns")


def has_names(terminal):
    """All of each, with its state."""
    text = "".join("".join(terminal.lines()).split())
    return LONG in text and LONGEST in text and "api-gateway" in text and text.count("🟢Active") == 3


def is_whole(terminal):
    """What is selected is one row of the table, whole."""
    rows = [row for row in terminal.rows() if any(cell.reverse for cell in row)]
    text = "".join("".join(cell.data for cell in row) for row in rows)
    return all(cell.reverse for row in rows for cell in row) and text.count("🟢 Active") == 1


@pytest.mark.parametrize("pane, picture", [("", "states-120x40"), ("?", "help-120x40")])
def test_a_hundred_sizes(show, pane, picture):
    terminal = all_states(show, 120, 40)
    terminal.type(pane)
    for i in range(100):
        terminal.resize(20 + i * 37 % 231, 5 + i * 17 % 56)
        time.sleep(0.02)
    terminal.resize(120, 40)
    expect(terminal, picture)


def test_the_least_size(show):
    terminal = all_states(show, 80, 24)
    terminal.shows("1 Starting  1 Stopped")
    terminal.resize(20, 5)
    expect(terminal, "states-20x5")
    terminal.type(END)
    expect(terminal, "states-20x5-end")
    for keys, picture in [("?", "help-20x5"), (b"?" + HOME + b"\r", "details-20x5"), ("/xyz", "filter-20x5")]:
        terminal.type(keys)
        expect(terminal, picture)


def test_the_greatest_size(show):
    expect(all_states(show, 500, 200), "states-500x200")


def test_sizes_beyond_those(show):
    terminal = all_states(show, 600, 250)
    for columns, rows in [(1, 1), (2, 1), (1, 3), (3, 2), (7, 4), (600, 1), (1, 250)]:
        terminal.resize(columns, rows)
        for keys in (DOWN, "\r", "?", b"/x\x1b", "l", HOME, b"\x1b"):
            terminal.type(keys)
            time.sleep(0.01)
    terminal.resize(80, 24)
    terminal.shows("nanoporter")
