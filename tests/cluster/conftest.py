"""Fixtures.  The clusters are started outside, by tests/cluster/run, so that
parallel workers share them: see rig/__init__.py for what stands where."""
import os
from pathlib import Path

import pytest

from rig.cluster import Cluster
from rig.kube import Namespace
from rig.porter import BINARY, Porter


@pytest.fixture(scope="session")
def clusters():
    """Both clusters: one (EC keys) and two (RSA keys)."""
    folder = os.environ.get("PORTER_CLUSTERS")
    if not folder:
        pytest.exit("these tests need their clusters: start them with tests/cluster/run", 4)
    return [Cluster(Path(folder) / name) for name in ("one", "two")]


@pytest.fixture(scope="session")
def cluster(clusters):
    return clusters[0]


@pytest.fixture
def new_namespace():
    """A function that makes a namespace in a cluster; its pods end with the test."""
    made = []

    def make(cluster):
        made.append(Namespace(cluster))
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
    request.node.porters = []

    def make(**settings):
        folder = tmp_path / f"porter-{len(request.node.porters)}"
        folder.mkdir()
        request.node.porters.append(Porter(folder, **settings))
        return request.node.porters[-1]
    yield make
    failed = getattr(request.node, "failed", False)
    for porter in request.node.porters:
        if porter.process:
            porter.kill() if failed else porter.stop()


@pytest.fixture
def porter(new_porter, clusters, tmp_path):
    """A Porter that knows both clusters, as a developer."""
    porter = new_porter()
    for c in clusters:
        porter.cluster(c.name, c.kubeconfig("developer", tmp_path))
    return porter


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        item.failed = True
        for porter in getattr(item, "porters", []):
            report.sections.append((f"porter in {porter.folder.name}", porter.told()))
