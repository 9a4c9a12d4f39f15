"""Every key, and what comes of it."""
import os
import socket
import time

import pytest

from rig import apps
from rig.porter import attempt
from rig.waiting import free_port

from .picture import expect, look
from .terminal import ALTERNATE, BACKSPACE, DOWN, END, ENTER, ESC, HOME, PAGE_UP, UP
from .world import FORWARDS

CTRL_C, CTRL_Z = b"\x03", b"\x1a"
ACTIVE = FORWARDS[:1]


def its_port(terminal, called):
    return next(port for port, name in terminal.ports.items() if name == called)


def serves(terminal, called):
    return attempt(apps.http_get, its_port(terminal, called))


@pytest.mark.parametrize("key", ["q", CTRL_C, ESC], ids=["q", "Ctrl+C", "Esc"])
@pytest.mark.parametrize("pane", ["", "\r", "?", "l"], ids=["table", "details", "help", "log"])
def test_quit(show, key, pane):
    terminal = show(forwards=ACTIVE)
    terminal.shows("1 Active")
    terminal.type(pane)
    if pane:
        terminal.shows("Esc: back")
        if key == ESC:
            terminal.type(ESC)
            terminal.shows("Cluster")
    terminal.type(key)
    assert terminal.porter.process.wait(60) == 0
    terminal.reader.join()
    assert not terminal.has(ALTERNATE) and terminal.cursor()
    assert terminal.porter.logged("stopping reason=\"a key\"")


def test_esc_leaves_one_thing_at_a_time(show):
    terminal = show()
    terminal.shows(FORWARDS[-1][2])
    terminal.type("/web\r")
    terminal.shows("Filter: web   Esc: clear")
    terminal.type("?")
    terminal.shows("Keys")
    terminal.type("/")  # a prompt is the table's
    terminal.shows("/web", "Cluster")
    terminal.type(ESC)
    terminal.hides("/web")
    terminal.shows("api-gateway", "/: filter")
    terminal.type("/web\rl")
    terminal.shows("Log: ")
    terminal.type(ESC)
    terminal.shows("Filter: web   Esc: clear")
    terminal.type(ESC)
    terminal.shows("api-gateway", "/: filter")
    terminal.type("a")
    terminal.shows("Add to staging/web:")
    terminal.type(ESC)
    terminal.hides("Add to")
    terminal.type(ESC)
    assert terminal.porter.process.wait(60) == 0


def test_a_sequence_in_two_parts_is_no_esc(show):
    terminal = show()
    terminal.shows(FORWARDS[-1][2])
    swift = False
    while not swift:
        terminal.type("?")
        terminal.shows("Keys")
        began = time.monotonic()
        terminal.type(ESC)
        while terminal.unread():
            time.sleep(0.001)
        terminal.type("[B")
        swift = time.monotonic() - began < 0.04  # or it may have been an Esc
        if not swift:
            terminal.type("?")
    terminal.type("?")
    terminal.shows("Cluster")
    terminal.type(DOWN)
    terminal.selects("postgres-primary-0")  # so the other one has moved nothing here


def test_ctrl_z_stops_nothing(show):
    terminal = show(forwards=ACTIVE)
    terminal.shows("1 Active")
    terminal.type(CTRL_Z, "?")
    terminal.shows("Keys")
    assert serves(terminal, 18080)


def test_filter(show):
    terminal = show()
    terminal.shows(FORWARDS[-1][2])
    for typed, shown in [("w", {"api-gateway", "frontend-service", "backend-api", "search"}),
                         ("eb", {"frontend-service", "backend-api", "search"}),
                         (BACKSPACE * 2 + b"ebx", set()),
                         (BACKSPACE * 9 + b"FAILED", {"backend-api"}),
                         (b"\x15:9200", {"search"}),
                         (b"\x15databases", {"postgres-primary-0"}),
                         (b"\x15k", {"backend-api"})]:
        terminal.type("/" if typed == "w" else "", typed)
        terminal.until(lambda: services(terminal) == shown, f"those that {typed} fits")
        if not shown:
            terminal.shows("No forward matches the filter.")
    assert terminal.cursor() == (2, 23)
    terminal.type(b"\x15o", DOWN)  # production, and more
    terminal.selects("postgres-primary-0")
    terminal.type(ENTER)
    terminal.shows("Filter: o   Esc: clear")
    terminal.until(lambda: not terminal.cursor(), "no cursor")
    expect(terminal, "filter-80x24")
    terminal.type(ESC)
    terminal.until(lambda: services(terminal) == {f[2] for f in FORWARDS}, "all of them")
    terminal.selects("postgres-primary-0")


def services(terminal):
    return {f[2] for f in FORWARDS if terminal.line(f" {f[2]} ")}


def test_reconnect(show, world):
    terminal = show(forwards=FORWARDS[:4], settings={"reconnect_delay": "1h"})
    terminal.shows("2 Active", "1 Failed", "retry in 3")
    hits, tunnels = world.down.hits(), world.standin.asked("tunnel")
    terminal.type("r")
    terminal.shows("production/api-gateway is connected anew")
    terminal.until(lambda: world.standin.asked("tunnel") > tunnels, "a new tunnel")
    assert world.down.hits() == hits
    terminal.type(DOWN * 2)
    terminal.hides("is connected anew")
    terminal.type("\rr")
    terminal.shows("staging/frontend-service is connected anew", "Events")
    terminal.until(lambda: world.down.hits() > hits, "another try")


def test_stop_and_start(show):
    terminal = show(forwards=FORWARDS[:2])
    terminal.shows("2 Active")
    assert serves(terminal, 18080)
    terminal.type(" ")
    terminal.shows("1 Active", "1 Stopped")
    with pytest.raises(ConnectionRefusedError):
        apps.connect(its_port(terminal, 18080))
    terminal.type("r")
    terminal.shows("production/api-gateway is stopped: space starts it")
    terminal.type("\r")
    terminal.shows("Events", "Stopped")
    terminal.type(" ")
    terminal.until(lambda: "Active" in terminal.line("Status"), "it is Active")
    assert serves(terminal, 18080)


def test_a_port_that_was_taken_meanwhile(show):
    terminal = show(forwards=ACTIVE)
    terminal.shows("1 Active")
    terminal.type(" ")
    terminal.shows("1 Stopped")
    port = its_port(terminal, 18080)
    with socket.create_server(("127.0.0.1", port)):
        terminal.type(" ")
        terminal.shows(f"port {port} is in use by non-nanoporter process: ", f"(PID: {os.getpid()})")
        assert terminal.line("1 Stopped")
        bad = next(row for row in terminal.rows() if "".join(cell.data for cell in row).startswith("port "))
        assert look(bad[0]) == "r"
    terminal.type(" ")
    terminal.shows("1 Active")
    terminal.hides("is in use")


def test_reload(show, world):
    terminal = show(forwards=FORWARDS[:2])
    terminal.shows("2 Active")
    terminal.porter.drop("forward api-gateway")
    terminal.porter.forward("staging", "web", "another-pod", 80, "pod")
    terminal.porter.write()
    terminal.type("R")
    terminal.shows("reloaded: 1 kept, 1 added, 0 changed, 1 removed", "another-pod", "pod not found")
    terminal.hides("api-gateway")
    terminal.selects("postgres-primary-0")
    with open(terminal.porter.config, "a") as config:
        config.write("tpye = service\nlocal_prot = 1\n")
    terminal.type("R")
    terminal.shows("unknown key 'tpye' in [forward f3] (", "unknown key 'local_prot'")
    assert terminal.line("another-pod") and terminal.line("1 Active")
    terminal.type(HOME)
    terminal.hides("unknown key")


def test_log(show):
    terminal = show(100, 20, "-verbose", forwards=[*FORWARDS[:1], FORWARDS[3]])
    terminal.shows("1 Active", "1 Failed")
    terminal.type("l")
    terminal.shows("Log: porter.log", "INFO  started version=", "ERROR forward failed forward=staging/backend-api")
    for words, mark in [("INFO", "g"), ("ERROR", "r")]:
        row = next(row for row in terminal.rows() if words in "".join(cell.data for cell in row[:15]))
        assert {look(cell) for cell in row[:8]} == {mark} and look(row[15]) == "."
    talk(terminal, range(20))
    assert {look(cell) for cell in terminal.rows()[16]} <= {"f", " "}
    terminal.type(PAGE_UP)
    terminal.hides(said(19))
    terminal.type(HOME)
    terminal.shows("INFO  started version=")
    before = terminal.lines()[:18]
    apps.http_get(its_port(terminal, 18080), "/")
    terminal.until(lambda: len(terminal.porter.logged("connection closed")) == 21, "one line more")
    terminal.type(DOWN, UP)
    terminal.shows("16/")
    assert terminal.lines()[:18] == before
    terminal.type(END)
    talk(terminal, range(21, 23))
    terminal.type("l")
    terminal.shows("Cluster")


def talk(terminal, numbers):
    """A connection for each number, and its line in the log, which is shown at the end of the pane."""
    for n in numbers:
        apps.http_get(its_port(terminal, 18080), "/" + "x" * n)
    terminal.until(lambda: said(n) in terminal.lines()[17], f"the line of connection {n}")


def said(n):
    """What the log has of it: the bytes of the request."""
    return f" up={68 + n} "


def test_a_prompt_is_edited(show):
    terminal = show(80, 24, forwards=ACTIVE)
    terminal.shows("1 Active")
    terminal.type("a")
    label = "Add to production/default: "
    for keys, text, cursor in [
            ("svc/b 8080", "svc/b 8080", 10), (b"\x1b[D" * 5 + b"\x7fapi", "svc/api 8080", 7),
            (END, "svc/api 8080", 12), (b"\x17", "svc/api", 8), (HOME, "svc/api", 0),
            (b"\x1b[3~" * 4 + b"\x1b[C", "api", 1), (b"\x0b", "a", 1), ("é東", "aé東", 4), (BACKSPACE, "aé", 2),
            (b"\x01\x1b[C\x15", "é", 0), (b"\x05\x15", "", 0), ("x" * 70, "x" * 52, 52)]:
        terminal.type(keys)
        terminal.until(lambda: terminal.lines()[23] == (label + text).rstrip() and
                       terminal.cursor() == (len(label) + cursor, 23), f"{text!r} with the cursor at {cursor}")
    terminal.resize(24, 12)
    terminal.until(lambda: terminal.lines()[11] == "> " + 21 * "x", "as much as fits")


WRITTEN = """
[forward legacy-billing]
cluster = production
namespace = default
service = legacy-billing
type = service
local_port = {}
remote_port = 80

[forward postgres-primary-0]
cluster = production
namespace = databases
service = postgres-primary-0
type = pod
local_port = {}
remote_port = 5432
"""


def test_add_and_write(show, world):
    terminal = show(forwards=ACTIVE)
    port, other = free_port(), free_port()
    terminal.shows("1 Active")
    terminal.type("a")
    terminal.shows("Add to production/default:")
    assert terminal.cursor() == (27, 23)
    terminal.type(f"svc/legacy-billing {port}:", ENTER)
    terminal.shows("the remote port in '%d:' must be" % port)
    terminal.type("80", ENTER)
    terminal.shows("added; w writes it to the file", "2 Active", "legacy-billing")
    assert attempt(apps.http_get, port)
    terminal.type("a", f"-n databases pod/postgres-primary-0 {other}:5432", ENTER)
    terminal.shows("3 Active")
    before = terminal.porter.config.read_text()
    terminal.type("w")
    terminal.shows("[forward legacy-billing], [forward postgres-primary-0] written to")
    written = terminal.porter.config.read_text()
    assert written.startswith(before)
    assert written[len(before):] == WRITTEN.format(port, other)
    terminal.type("w")
    terminal.shows("nothing was added that is not in a file")
    assert terminal.porter.config.read_text() == written
    terminal.type("R")
    terminal.shows("reloaded: 3 kept, 0 added, 0 changed, 0 removed")
