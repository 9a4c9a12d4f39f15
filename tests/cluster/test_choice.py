"""Some forwards of a configuration only: by their names, or by their profiles."""
import subprocess

import pytest

from rig import apps
from rig.porter import BINARY
from rig.waiting import LIMIT


@pytest.fixture
def shop(namespace, porter):
    """A Porter with three forwards, not started, and their ports; two have profiles."""
    namespace.pod("web")
    profiles = {"api": "dev, ci", "db": "dev", "web": None}
    ports = {name: porter.forward("one", namespace.name, "web", 7007, type="pod", name=name,
                                  **{"profile": profile} if profile else {}) for name, profile in profiles.items()}
    return porter, ports


def answer(port):
    """An echo, or "closed" where nothing listens: a moment behind the log's line of a reload."""
    try:
        return apps.echo(port)
    except ConnectionRefusedError:
        return "closed"


def started(porter, ports):
    """The names of those that serve; the others' ports are closed."""
    answers = {name: porter.wait(answer, port) for name, port in ports.items()}
    assert set(answers.values()) <= {b"hello", "closed"}
    return {name for name, said in answers.items() if said != "closed"}


@pytest.mark.parametrize("options, names", [
    ([], {"api", "db", "web"}), (["api", "web"], {"api", "web"}), (["-profile", "dev"], {"api", "db"}),
    (["-profile", "ci"], {"api"}), (["-profile=ci,dev"], {"api", "db"}), (["-profile", "ci", "web"], {"api", "web"})])
def test_those_that_are_meant_are_started_and_no_others(shop, options, names):
    porter, ports = shop
    porter.start(options=options)
    porter.until(lambda: porter.logged("INFO: started"), "it has begun")
    assert started(porter, ports) == names
    assert porter.logged(f" forwards={len(names)}")


@pytest.mark.parametrize("options, words", [
    (["app"], "Error: no forward is called 'app'"), (["api", "dbs"], "Error: no forward is called 'dbs'"),
    (["-profile", "prod"], "Error: no forward has the profile 'prod'")])
def test_what_no_forward_has_is_told_and_nothing_is_started(shop, options, words):
    porter, _ = shop
    porter.config.write_text(porter.ini())
    done = subprocess.run([BINARY, "-config", porter.config, "-headless", *options], cwd=porter.folder,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(words)
    for name in ("api", "db", "web") if options[0] != "-profile" else ("ci", "dev"):
        assert name in done.stderr


def test_a_reload_keeps_to_the_choice(namespace, shop):
    """A local port may be used twice where one of the two is not meant."""
    porter, ports = shop
    porter.start(options=["-profile", "dev"])
    assert porter.wait_echo(ports["db"]) == b"hello"
    flow = apps.Flow(apps.connect(ports["db"]), block=1024, pause=0.02)
    ports["new"] = porter.forward("one", namespace.name, "web", 7007, type="pod", name="new", profile="dev")
    porter.section("forward web")["local_port"] = ports["db"]
    porter.section("forward api")["profile"] = "ci"
    assert porter.reload().endswith("reloaded kept=1 added=1 changed=0 removed=1")
    assert started(porter, ports) == {"db", "new"}
    porter.drop("forward db", "forward new")
    said = porter.reload()
    assert "ERROR: configuration not reloaded" in said and "'dev'" in said
    flow.goes_on()
    assert flow.end() > 0
