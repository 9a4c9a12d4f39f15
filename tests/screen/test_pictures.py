"""Whole screens, cell by cell: the five states in every size, and as little as a terminal can do."""
import pytest

from .picture import expect
from .terminal import ALTERNATE, END, HOME
from .world import FORWARDS, REPORTS

SIZES = [(40, 10), (80, 24), (120, 40), (250, 60)]
C = {"LC_ALL": "C"}


def all_states(show, columns, rows, *options, **env):
    """The program with a forward in each state."""
    terminal = show(columns, rows, *options, **env)
    terminal.shows("Press 'q'")
    terminal.type(END, " ", HOME)
    return terminal


@pytest.mark.parametrize("columns, rows", SIZES)
def test_all_states(show, columns, rows):
    expect(all_states(show, columns, rows), f"states-{columns}x{rows}")


@pytest.mark.parametrize("columns, rows, options, env", [
    *[(*size, [], C) for size in SIZES],
    (80, 24, ["-ascii"], {}),
    (80, 24, [], {"LC_ALL": "", "LC_CTYPE": "POSIX", "LANG": "de_DE.UTF-8"}),
    (80, 24, [], {"LC_ALL": ""}),
])
def test_all_states_in_ascii(show, columns, rows, options, env):
    expect(all_states(show, columns, rows, *options, **env), f"states-ascii-{columns}x{rows}")


@pytest.mark.parametrize("env", [{"LC_ALL": "", "LANG": "de_DE.utf8"}, {"NO_COLOR": ""}])
def test_what_else_is_a_terminal_with_all_there_is(show, env):
    expect(all_states(show, 80, 24, **env), "states-80x24")


def test_no_colour(show):
    expect(all_states(show, 80, 24, NO_COLOR="1"), "states-no-colour-80x24")


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_without_a_screen_has_lines(show, term):
    terminal = show(250, 24, TERM=term)
    terminal.shows("production/api-gateway Active: checked 0s ago", "staging/backend-api Failed: pod not found")
    assert not terminal.has(ALTERNATE) and terminal.cursor()


def test_help(show):
    terminal = show(80, 24)
    terminal.type("?")
    expect(terminal, "help-80x24")
    terminal.resize(40, 10)
    expect(terminal, "help-40x10")


def test_details(show):
    terminal = show(80, 30)
    terminal.shows("Active  ")
    terminal.type(" ")
    terminal.shows("1 Stopped")
    terminal.type(" ")
    terminal.shows("2 Active")
    terminal.type("\r")
    expect(terminal, "details-80x30")


@pytest.mark.parametrize("columns, rows", [(40, 10), (80, 24)])
def test_details_of_an_error_that_is_long(show, columns, rows):
    terminal = show(columns, rows, forwards=[REPORTS])
    terminal.shows("🔴 Failed")
    terminal.type("\r")
    expect(terminal, f"error-{columns}x{rows}")
    terminal.type(END)
    expect(terminal, f"error-{columns}x{rows}-end")


CLUSTERS = ["東京", "Ko\u0308ln", "café", "ﷺ🚢"]


@pytest.mark.parametrize("options, picture", [([], "clusters-80x24"), (["-ascii"], "clusters-ascii-80x24")])
def test_names_beyond_ascii(show, world, options, picture):
    """Wide characters, marks, and what takes more room than a terminal gives it: columns stay columns."""
    def name_clusters(porter):
        for name in CLUSTERS:
            porter.cluster(name, world.kubeconfig)
    terminal = show(80, 24, *options, more=name_clusters,
                    forwards=[(name, "web", f"pod-{i}", "pod", 80, 18080 + i) for i, name in enumerate(CLUSTERS)])
    terminal.shows("4 Failed")
    expect(terminal, picture)
