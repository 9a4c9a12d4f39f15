"""What the tests of the converter share."""
import pytest

from converter import Reader


@pytest.fixture(scope="session")
def reader(tmp_path_factory):
    r = Reader(tmp_path_factory.mktemp("inifile"))
    yield r
    r.process.stdin.close()
    assert r.process.wait(timeout=60) == 0
