"""The screen in a real tmux; and that the terminal is as it was before, whichever way the program ends."""
import os
import signal
import subprocess
from contextlib import suppress

import pytest

from rig.porter import BINARY
from rig.waiting import until

from .picture import expect
from .terminal import DOWN, ESC, HOME
from .tmux import Tmux
from .world import FORWARDS

SETTINGS = {"check_interval": "1s", "reconnect_delay": "9s", "tunnels": "1"}
AT_FIRST = "what was there before"


@pytest.fixture
def tmux(tmp_path):
    tmux = Tmux(tmp_path)
    yield tmux
    tmux.close()
    if tmux.porter:
        until(lambda: not runs(tmux.pid()), "the program ends with its terminal")


@pytest.fixture
def porter(new_porter, world):
    """A Porter with a forward in each state, for a shell to start."""
    porter = new_porter(**SETTINGS)
    porter.ports = world.configure(porter)
    return porter


def runs(pid):
    return os.path.exists(f"/proc/{pid}")


def status(porter):
    """Whether it answers."""
    asked = subprocess.run([BINARY, "-status", "-config", porter.config], stdout=subprocess.PIPE, text=True)
    return asked.returncode == 0 and FORWARDS[0][2] in asked.stdout


@pytest.mark.parametrize("columns, rows", [(40, 10), (80, 24), (120, 40), (250, 60)])
def test_all_states(tmux, porter, columns, rows):
    """It is resized while it is seen, and shows what pyte shows."""
    tmux.start(porter).shows(FORWARDS[-1][2])
    tmux.resize(columns, rows)
    tmux.type(DOWN * 5, " ", HOME)
    tmux.ports = porter.ports
    expect(tmux, f"states-{columns}x{rows}")


# ---- it ends ----

def key(keys):
    return lambda tmux: tmux.type(keys)


def by(number):
    return lambda tmux: os.kill(tmux.pid(), number)


def take_over(tmux):
    other = tmux.porter.start(options=["-on-conflict", "takeover"])
    other.until(lambda: other.lines, "the other has begun")


WAYS = {  # status, what is left to be read
    "q": (key("q"), 0, []),
    "Esc": (key(ESC), 0, []),
    "Ctrl+C": (key(b"\x03"), 0, []),
    "SIGTERM": (by(signal.SIGTERM), 0, []),
    "SIGINT": (by(signal.SIGINT), 0, []),
    "SIGQUIT": (by(signal.SIGQUIT), 131, ["Quit"]),
    "SIGSEGV": (by(signal.SIGSEGV), 139, ["Segmentation fault"]),
    "SIGABRT": (by(signal.SIGABRT), 134, ["Aborted"]),
    "SIGBUS": (by(signal.SIGBUS), 135, ["Bus error"]),
    "another porter": (take_over, 6, ["Error: another nanoporter instance has taken over (PID: *"]),
}


def begin(tmux):
    """A shell that has said something; returns what is to be seen, and stty's words."""
    tmux.enter(f"ulimit -c 0; clear; echo {AT_FIRST}; stty -a >before")
    tmux.sees(f"{AT_FIRST}$")
    tmux.sees(r"\$ *$")
    return tmux.lines()


def is_as_before(tmux, lines, number, said):
    """That it has ended with that status, and all is as it was, but for what was said."""
    tmux.sees(f"ended with {number}$")
    tmux.enter("stty -a >after; echo compared")
    tmux.sees("compared$")
    assert (tmux.folder / "after").read_text() == (tmux.folder / "before").read_text()
    assert tmux.modes() == {mode: "1" if mode in ("cursor_flag", "wrap_flag") else "0" for mode in tmux.modes()}
    assert not any("\x1b" in line for line in tmux.styled())  # nothing is bold, reversed, coloured
    now = [line for line in tmux.lines() if line]
    assert now[0] == AT_FIRST == lines[0] and now[1].startswith("$ ./run")
    told = now[2:now.index(f"ended with {number}")]
    assert len(told) == len(said), now
    assert all(line.startswith(words.rstrip("*")) for line, words in zip(told, said)), now


@pytest.mark.parametrize("way", WAYS)
def test_the_terminal_is_as_before(tmux, porter, way):
    end, number, said = WAYS[way]
    lines = begin(tmux)
    tmux.start(porter).shows("1 Failed", "3 Active")
    assert tmux.modes()["alternate_on"] == "1" and tmux.cursor() is None
    end(tmux)
    is_as_before(tmux, lines, number, said)


def test_it_is_so_where_it_was_not_ready_in_time(tmux, porter):
    lines = begin(tmux)
    tmux.start(porter, "-wait", "8s").shows("1 Failed", "3 Active")
    is_as_before(tmux, lines, 5, [
        "Error: 'staging/frontend-service' is not Active in time: the stand-in answers 503",
        "Error: 'staging/backend-api' is not Active in time: pod not found",
        "Error: 'staging/search' is not Active in time: Starting"])


# ---- the terminal ends ----

def test_it_ends_with_its_terminal(tmux, porter):
    tmux.start(porter).shows("3 Active")
    tmux.ask("kill-session")
    until(lambda: not runs(tmux.pid()), "the program ends")
    assert porter.logged("stopping")


@pytest.mark.parametrize("before, options", [("", ["-headless"]), ("trap '' HUP; ", [])])
def test_it_goes_on_where_it_is_told_to(tmux, porter, before, options):
    tmux.start(porter, *options, before=before).shows("Active")
    pid = tmux.pid()
    try:
        tmux.ask("kill-session")
        until(lambda: os.readlink(f"/proc/{pid}/fd/0").endswith("(deleted)"), "the terminal is gone")
        assert status(porter)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
