"""Fixtures of tests of the screen."""
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "cluster"))

from rig.fixtures import *  # noqa: E402, F403
from screen.terminal import Terminal  # noqa: E402
from screen.world import FORWARDS, World  # noqa: E402


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    yield world
    world.stop()


@pytest.fixture
def show(request, new_porter, world):
    """A function that starts the program at a terminal of that size; its Porter, before that,
    may be given more to do by `more`.  Its local ports are called as in .ports."""
    made = []

    def make(columns=80, rows=24, *options, forwards=FORWARDS, more=None, settings={}, **env):
        porter = new_porter(**{"check_interval": "1s", "reconnect_delay": "9s", "tunnels": "1", **settings})
        terminal = Terminal(columns, rows)
        terminal.ports = world.configure(porter, forwards)
        if more:
            more(porter)
        made.append(terminal)
        return terminal.start(porter, *options, **env)
    yield make
    for terminal in made:
        terminal.porter.kill() if request.node.failed else terminal.porter.stop()
        terminal.close()
