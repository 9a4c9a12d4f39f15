"""Fixtures of every test that runs the program beside clusters, real ones or
stand-ins.  A conftest imports all of them, and adds the clusters."""
import pytest

from .kube import Namespace
from .porter import BINARY, Porter
from .started import Starter


@pytest.fixture
def new_namespace():
    """A function that makes a namespace in a cluster; its pods end with the test."""
    made = []

    def make(cluster, name=None):
        made.append(Namespace(cluster, name))
        return made[-1]
    yield make
    for namespace in made:
        namespace.end()


@pytest.fixture
def namespace(new_namespace, cluster):
    return new_namespace(cluster)


@pytest.fixture
def new_porter(request, tmp_path):
    """A function that makes a Porter with some settings; stopped, in good order, with the test."""
    assert BINARY.exists(), f"{BINARY} is missing: run make first, or set PORTER"
    request.node.porters, request.node.failed = [], False  # it may have been run before

    def make(**settings):
        folder = tmp_path / f"porter-{len(request.node.porters)}"
        folder.mkdir()
        request.node.porters.append(Porter(folder, **settings))
        return request.node.porters[-1]
    yield make
    for porter in request.node.porters:
        if porter.process:
            porter.kill() if request.node.failed else porter.stop()


@pytest.fixture
def starter(tmp_path):
    """A Starter; all that it has started ends with the test, and what is left of that."""
    starter = Starter(tmp_path)
    yield starter
    starter.end()
    for one in starter.started:  # shown where the test has failed
        print(one.process.args, one.process.returncode, one.out(), one.err(), sep="\n")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        item.failed = True
        for porter in getattr(item, "porters", []):
            report.sections.append((f"porter in {porter.folder.name}", porter.told()))


def pytest_terminal_summary(terminalreporter):
    """Why those failed that were run again."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.section(f"first try of {report.nodeid}")
        terminalreporter.line(report.longreprtext)
        for title, text in report.sections:
            terminalreporter.section(title, "-")
            terminalreporter.line(text)
