"""Fixtures of tests that need no cluster: porters whose API server nobody has started."""
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "cluster"))

from rig.fixtures import new_porter, pytest_runtest_makereport  # noqa: E402, F401
from rig.porter import BINARY, Porter  # noqa: E402

import holders  # noqa: E402

KUBECONFIG = """\
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{}"}}}}]
users: [{{name: u, user: {{token: t0ken}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
current-context: x
"""


def kubeconfig(folder, port=1):
    """A file for an API server at that port; at 1 nobody listens."""
    path = folder / "kubeconfig"
    path.touch(0o600)
    path.write_text(KUBECONFIG.format(port))
    return path


@pytest.fixture
def server():
    """An API server's port, where nobody may ask."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        s.setblocking(False)
        yield s
        with pytest.raises(BlockingIOError):
            s.accept()


@pytest.fixture
def porter(new_porter, tmp_path, server):  # noqa: F811
    """One that is to start nothing: its cluster must not be asked."""
    porter = new_porter()
    porter.cluster("prod", kubeconfig(tmp_path, server.getsockname()[1]))
    return porter


@pytest.fixture
def older(new_porter, tmp_path):  # noqa: F811
    """A function that starts a porter that has the forward prod/old; its local port is `port`."""
    def start(*options, **keys):
        older = new_porter(hold="2m")
        older.cluster("prod", kubeconfig(older.folder))
        older.port = older.forward("prod", "default", "old", 80, **keys)
        older.start(options=options)
        older.until(lambda: older.states("prod/old"), "it runs")
        return older
    return start


@pytest.fixture
def hold(tmp_path):
    """A function that starts one of holders.py's processes; it ends with the test, and must not have before."""
    made = []

    def start(kind, *args, **how):
        folder = tmp_path / f"holder-{len(made)}"
        folder.mkdir()
        made.append(kind(folder, *args, **how))
        return made[-1]
    yield start
    alive = [one.alive() for one in made]
    for one in made:
        one.end()
    assert all(alive)


@pytest.fixture
def quiet():
    """What runs a command in a network of its own, where only loopback is: there may be wildcards."""
    network = holders.Network()
    yield network.by
    network.end()


@pytest.fixture
def nobody():
    """A Porter that is another user's, in a folder of that one's; `by` has what starts it, `binary` is what."""
    if os.geteuid():
        pytest.skip("needs root")
    folder = Path(tempfile.mkdtemp(prefix="porter-nobody-"))
    porter = Porter(folder)
    porter.by, porter.binary = holders.BY_NOBODY, shutil.copy(BINARY, folder)
    porter.cluster("prod", kubeconfig(folder))
    for path in (folder, folder / "kubeconfig"):
        os.chown(path, holders.NOBODY, holders.NOBODY)
    yield porter
    porter.kill()
    shutil.rmtree(folder)
