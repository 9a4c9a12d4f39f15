"""Texts of others that would do something to a terminal: wherever they come from, they are shown, and do nothing."""
import json
import shlex

import pytest

from rig.plugin import Plugin
from standin import web

from .terminal import DOWN, ENTER, ESC, HOME
from .wire import Wire

LINE = ("owned \x1b[2J\x1b[31m\x1b[?1049l\x1b]0;title\x07\x1bc\x1b(0\x9b7m\x90q\x9c\x0e\x0f\x08\x7f"
        "\u202eright\u2066to\u200fleft\u2028line\ufeff\u200b\u0301")
LONG = LINE + "\r\n\tmore " + 10000 * "y" + "\x00"
BAD = b"\xff\xfe \xc3( \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x82 \xc0\x80 \x9b31m"  # no UTF-8
STATES = {"🟢", "🟡", "🔴", "⚪", "⚫"}
SIZES = [(250, 60), (80, 24), (40, 16), (500, 200)]


def script(folder, name, words, line):
    """A program that says words, with what else is in the line."""
    (folder / f"{name}.words").write_bytes(words + b"\n")
    (folder / name).write_text(f"#!/bin/sh\ncat {shlex.quote(str(folder / name))}.words {line}\nexit 1\n")
    (folder / name).chmod(0o755)
    return folder / name


@pytest.fixture
def hostile(request, new_porter, world, tmp_path):
    """The program, each of whose forwards but the first gets words from somebody else."""
    standin, there = world.standin, "default"
    bad, much = LINE.encode() + BAD, 10000 * b"y"
    status = json.dumps(web.Refusal(403, "OWNED", "Forbidden").status).encode().replace(b"OWNED", LINE[:6].encode() + BAD)
    faults = [standin.fault("status", path="/services/by-message", code=403, message=LONG),
              standin.fault("status", path="/services/by-bytes", code=403, hex=status.hex()),
              standin.fault("status", path="/services/by-no-json", code=500, hex=(bad + much).hex()),
              standin.fault("status", where="tunnel", pod="by-tunnel", code=403, message=LONG)]
    world.default.pod("by-tunnel")
    world.default.pod("by-probe")
    porter = new_porter(check_interval="300ms", reconnect_delay="1s", tunnels="1")
    usual = world.standin.cluster.kubeconfig(folder=tmp_path)
    plugin = Plugin(tmp_path / "plugin", script(tmp_path, "login", bad + much, ">&2"))
    porter.cluster("production", usual)
    porter.cluster("plugin", standin.cluster.kubeconfig(user="blind", folder=tmp_path, login=plugin.login()))
    porter.cluster("proxy", usual, proxy_command=script(tmp_path, "proxy", much + b"\n" + bad, ">&2"))
    porter.forward("production", there, "api-gateway", 80)
    porter.forward("production", there, "by-message", 80)
    porter.forward("production", there, "by-tunnel", 8080, "pod")
    porter.forward("production", there, "by-probe", 8080, "pod", probe=f"exec {script(tmp_path, 'probe', bad + much, '')}")
    porter.forward("plugin", there, "by-plugin", 80)
    porter.forward("proxy", there, "by-proxy", 80)
    for name in SILENT:
        porter.forward("production", there, name, 80)
    wire = Wire(*SIZES[0])
    wire.start(porter)
    yield wire
    porter.kill() if request.node.failed else porter.stop()
    wire.close()
    for fault in faults:
        fault.end()


def column(wire, head):
    """What stands below a head, row by row, from its first cell on."""
    rows = wire.rows()
    for y, row in enumerate(rows):
        at = "".join(cell.data or " " for cell in row).find(head)
        if at >= 0:
            return [row[at].data for row in rows[y + 2:-1]]  # below the rule, above the foot
    return []


NAMES = ["message", "tunnel", "probe", "plugin", "proxy", "bytes", "no-json"]
SILENT = ("by-bytes", "by-no-json")  # what is no JSON has no words for people


def is_in_shape(wire):
    """A state, and nothing else, is in each row where states are, for each forward."""
    states = [s for s in column(wire, "Status") if s != " "]
    return len(states) == 1 + len(NAMES) and set(states) <= STATES


def test_words_of_others_do_nothing(hostile):
    names = [f"by-{name}" for name in NAMES]
    hostile.shows("1 Active", "owned", *names)
    for columns, rows in SIZES:
        hostile.resize(columns, rows)
        hostile.until(lambda: is_in_shape(hostile), "it is in shape")
    hostile.resize(*SIZES[0])
    for i, name in enumerate(names, 1):
        hostile.type(HOME, DOWN * i, ENTER)
        hostile.shows("Section", f"service {name}" if name not in ("by-tunnel", "by-probe") else f"pod {name}")
        hostile.shows("Why", "server answered with HTTP status" if name in SILENT else "owned")
        hostile.type(ESC)
        hostile.shows("Enter: details")
    hostile.type("l")
    hostile.shows("Esc: back", "by-message")
    assert hostile.harms() == set()
