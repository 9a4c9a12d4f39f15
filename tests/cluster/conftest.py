"""Fixtures.  The clusters are started outside, by tests/cluster/run or
tests/standin/up, so that parallel workers share them: see rig/__init__.py for
what stands where."""
import os
from pathlib import Path

import pytest

from rig.cluster import Cluster
from rig.fixtures import *  # noqa: F403
from rig.island import Island
from rig.relay import Relay


def pytest_configure(config):
    config.addinivalue_line("markers", "real(why): makes sense with real clusters only, not with stand-ins")


@pytest.fixture(scope="session")
def clusters():
    """Both clusters: one (EC keys) and two (RSA keys)."""
    folder = os.environ.get("PORTER_CLUSTERS")
    if not folder:
        pytest.exit("these tests need their clusters: start them with tests/cluster/run or tests/standin/up", 4)
    return [Cluster(Path(folder) / name) for name in ("one", "two")]


@pytest.fixture(scope="session")
def cluster(clusters):
    return clusters[0]


@pytest.fixture
def porter(new_porter, clusters, tmp_path):
    """A Porter that knows both clusters, as a developer."""
    porter = new_porter()
    for c in clusters:
        porter.cluster(c.name, c.kubeconfig("developer", tmp_path))
    return porter


@pytest.fixture
def new_relay():
    """A function that makes a Relay."""
    made = []

    def make(*args, **how):
        made.append(Relay(*args, **how))
        return made[-1]
    yield make
    for relay in made:
        relay.close()


@pytest.fixture
def reading(new_relay, new_porter, tmp_path):
    """A function that makes a relay that reads along, and a Porter that reaches a cluster through it."""
    def make(cluster, user="developer", **settings):
        relay, porter = new_relay(cluster.port, reads=cluster), new_porter(**settings)
        porter.cluster(cluster.name, cluster.kubeconfig(user, tmp_path, server=f"https://127.0.0.1:{relay.port}"))
        return relay, porter
    return make


@pytest.fixture
def island():
    reason = Island.impossible()
    if reason:
        pytest.skip(reason)
    island = Island()
    yield island
    island.end()
