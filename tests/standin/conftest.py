"""Fixtures of tests that have a stand-in of their own, to do with as they like."""
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "cluster"))

from rig.kube import Namespace  # noqa: E402
from rig.fixtures import *  # noqa: E402, F403
from standin.client import Standin  # noqa: E402
from standin.scene import Scene, Shared  # noqa: E402


@pytest.fixture
def new_standin(request, tmp_path):
    """A function that starts one; it ends with the test, and must not have met what it does not understand."""
    made = []

    def make(name="one", **how):
        made.append(Standin(tmp_path / name, **how))
        return made[-1]
    yield make
    for standin in made:
        standin.stop()
    assert "".join(standin.log() for standin in made) == ""


@pytest.fixture
def standin(new_standin):
    return new_standin()


@pytest.fixture
def new_namespace():
    """A function that makes a namespace in a cluster, which ends with the stand-in."""
    return Namespace


@pytest.fixture
def cluster(standin):
    return standin.cluster


@pytest.fixture
def porter(new_porter, cluster):
    """A Porter that knows the stand-in as cluster one, and looks often."""
    porter = new_porter(check_interval="300ms", reconnect_delay="300ms")
    porter.cluster("one", cluster.kubeconfig())
    return porter


# ---- scene.py ----

@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("standins")
    shared = Shared(Standin(folder / "one"), Standin(folder / "two", "rsa"))
    yield shared
    shared.stop()


@pytest.fixture
def new_scene(shared, new_porter):
    """A function that makes a scene."""
    made = []

    def make(**how):
        made.append(Scene(shared, new_porter, **how))
        return made[-1]
    yield make
    for scene in made:
        scene.stop()


@pytest.fixture
def scene(new_scene):
    return new_scene()
