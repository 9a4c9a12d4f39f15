"""What goes over the wire to the terminal: no more than has to, and nothing that waits for one that does not read."""
import fcntl
import os
import re
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from rig import apps
from rig.plugin import API
from rig.porter import BINARY, proc_field

from .terminal import DOWN, HOME
from .wire import Wire, may_be_alone
from .world import FORWARDS

ACTIVE, FAILED, STOPPED = FORWARDS[0], FORWARDS[3], FORWARDS[5]
SETTINGS = {"check_interval": "1h", "reconnect_delay": "1h", "tunnels": "1"}
APART = "127.0.0.9"  # ports there are nobody else's
ROW_BYTES = 64  # for a second that a row counts: a place, and what has changed there
QUIET_S, ONCE = 5, 3  # while nothing counts, it may wake up so often in so many seconds
FRAMES = 12
FREES = "quarantine_size_mb=0:thread_local_quarantine_size_kb=0"  # what is freed may be used again at once
ROOM = 256 << 10  # bytes of memory that may be needed more, however much there was to be shown


@pytest.fixture
def wire(request, new_porter, world):
    """A function that starts the program at a Wire, with these forwards and so many `of` one."""
    made = []

    def make(columns, rows, forwards=(), copies=0, of=ACTIVE, settings={}, more=None, alone=False, **env):
        porter = new_porter(**{**SETTINGS, **settings})
        wire = Wire(columns, rows, alone=alone)
        wire.ports = world.configure(porter, forwards)
        cluster, namespace, service, kind, remote, _ = of
        wire.copies = [porter.forward(cluster, namespace, service, remote, kind, f"copy-{i}", local_address=APART)
                       for i in range(copies)]
        if more:
            more(porter)
        made.append(wire)
        return wire.start(porter, **env)
    yield make
    for wire in made:
        wire.reads.set()
        wire.porter.kill() if request.node.failed else wire.porter.stop()
        wire.close()


def settled(wire):
    """Waits until nothing has come for as long as two frames are apart that only count, but what counts."""
    def quiet():
        before = len(wire.frames())
        time.sleep(1.5)
        return len(wire.frames()) - before <= 2
    wire.until(quiet, "it only counts")


# ---- no more than has to ----

def test_an_unchanged_table_is_its_seconds(wire):
    """Only digits are sent, and where they belong: nobody else's column, and no second before it is over."""
    wire = wire(100, 24, copies=6)
    wire.shows("6 Active")
    settled(wire)
    since, began, before = len(wire.said), time.monotonic(), wire.lines()
    wire.until(lambda: len(wire.frames(since)) >= FRAMES, "the seconds go on")
    frames = wire.frames(since)
    assert len(frames) <= time.monotonic() - began + 2
    assert max(map(len, frames)) <= 6 * ROW_BYTES, frames
    texts = {re.sub(rb"\x1b\[(\d+;\d+H|[0;7]+m)", b"", frame) for frame in frames}
    assert all(re.fullmatch(rb"[0-9hms ago]*", text) for text in texts), texts
    info = wire.line("Info").index("Info")
    assert [line[:info] for line in wire.lines()] == [line[:info] for line in before]
    wire.is_the_same_anew()


@pytest.mark.skipif(not may_be_alone(), reason="needs network namespaces")
def test_where_nothing_counts_nothing_happens(wire, world, tmp_path):
    """Neither bytes nor wake-ups: one forward has failed, the other is stopped.  In a network of its own, where
    nobody asks it anything."""
    login = {"exec": {"apiVersion": API, "command": "/nowhere", "interactiveMode": "Never"}}

    def more(porter):
        porter.cluster("locked", world.standin.cluster.kubeconfig(folder=tmp_path, login=login))
        porter.forward("locked", *FAILED[1:3], 80, "pod")
    wire = wire(80, 24, [STOPPED], more=more, alone=True)
    wire.shows("1 Failed", "1 Reconnecting")
    wire.type(" ")
    wire.shows("1 Failed", "1 Stopped")
    settled(wire)
    said, woken = len(wire.said), wire.porter.wake_ups()
    time.sleep(QUIET_S)
    assert bytes(wire.said[said:]) == b""
    assert wire.porter.wake_ups() - woken <= ONCE


# ---- a terminal that does not read ----

def unread(wire):
    """How many bytes wait in the terminal."""
    return struct.unpack("i", fcntl.ioctl(wire.master, termios.FIONREAD, bytes(4)))[0]


def fill(wire):
    """Has it draw, until nothing more fits in."""
    wire.reads.clear()
    amounts = [0]
    while len(amounts) < 10 or len(set(amounts[-10:])) > 1 or not amounts[-1]:
        draw(wire, 1)
        amounts.append(unread(wire))
        assert len(amounts) < 2000


def draw(wire, n):
    """Gives it something else to show, n times: the help, and then the table again."""
    for _ in range(2 * n):
        wire.type("?")
        wire.until(lambda: not wire.unread(), "the key is read")
        time.sleep(0.06)  # a frame's


def asked(wire, *options):
    return subprocess.run([BINARY, *options, "-config", wire.porter.config], stdout=subprocess.PIPE, text=True)


def test_one_that_does_not_read_holds_up_nothing(wire, world):
    """Forwards go on, whoever asks gets an answer, memory stays as it is; and then the newest is seen."""
    wire = wire(500, 200, [ACTIVE, STOPPED], 100, FAILED, {"check_interval": "1s"}, ASAN_OPTIONS=FREES)
    wire.shows("2 Active", "100 Failed")
    one = next(iter(wire.ports))
    fill(wire)
    stuck, memory = unread(wire), rss(wire)
    assert apps.http_get(one) == "api-gateway-7d9f"
    draw(wire, 50)
    print(rss(wire)-memory, stuck)
    assert rss(wire) - memory < ROOM and unread(wire) == stuck
    assert [apps.http_get(one) for _ in range(50)] == ["api-gateway-7d9f"] * 50
    assert ACTIVE[2] in asked(wire, "-status").stdout
    assert asked(wire, "-disable", STOPPED[2]).returncode == 0
    wire.reads.set()
    wire.shows("1 Active", "1 Stopped")
    wire.is_the_same_anew()


def rss(wire):
    return proc_field(Path(f"/proc/{wire.porter.process.pid}/status"), "VmRSS") * 1024
