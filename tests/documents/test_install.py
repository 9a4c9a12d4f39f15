"""`make install` and `make uninstall`: what is there, and that it is as it was."""
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PORTER = Path(os.environ.get("PORTER", ROOT / "porter")).resolve()

PLACES = {
    "bin/porter": "porter",
    "bin/yaml2ini": "yaml2ini",
    "share/bash-completion/completions/porter": "completion/porter.bash",
    "share/doc/porter/porter.ini.example": "porter.ini.example",
    "share/doc/porter/status.schema.json": "status.schema.json",
    "share/fish/vendor_completions.d/porter.fish": "completion/porter.fish",
    "share/man/man1/porter.1": "porter.1",
    "share/systemd/user/porter.service": None,  # names the program's place
    "share/zsh/site-functions/_porter": "completion/_porter",
}


@pytest.fixture
def tree(tmp_path):
    """The sources, with the program as if it had just been built."""
    tree = tmp_path / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", "build", "tests", "porter", "*.[ch]"))
    shutil.copy(PORTER, tree / "porter")
    return tree


def make(tree, *words):
    plain = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    subprocess.run(["make", "-s", "-o", "all", *words], cwd=tree, env=plain, check=True, timeout=60)


def files(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()}


@pytest.mark.parametrize("prefix", [None, "/home/me/.local"])
def test_everything_is_in_its_place(tree, tmp_path, prefix):
    root = tmp_path / "root"
    words = [f"DESTDIR={root}", *([f"PREFIX={prefix}"] if prefix else [])]
    prefix = prefix or "/usr/local"
    make(tree, "install", *words)
    here = root / prefix[1:]
    assert {f"{prefix[1:]}/{place}" for place in PLACES} == files(root)
    for place, source in PLACES.items():
        mode = stat.S_IMODE((here / place).stat().st_mode)
        assert mode == (0o755 if place.startswith("bin/") else 0o644), place
        if source:
            assert (here / place).read_bytes() == (tree / source).read_bytes()
    unit = (here / "share/systemd/user/porter.service").read_text()
    assert re.search(rf"^ExecStart={re.escape(prefix)}/bin/porter ", unit, re.M)
    (here / "bin/other").touch()
    make(tree, "uninstall", *words)
    assert files(root) == {f"{prefix[1:]}/bin/other"}
