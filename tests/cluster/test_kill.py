"""kill -9, which no program sees coming: nothing of it is in the way of the next start."""
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from rig import apps
from rig.porter import BINARY
from rig.waiting import LIMIT, until

CONNECTIONS = 40


def is_there(pid):
    """As a process that runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def probed(namespace, porter):
    """A Porter, not started, with a forward whose probe takes its time; and its port."""
    namespace.pod("web")
    porter.section("porter")["check_interval"] = "200ms"
    return porter, porter.forward("one", namespace.name, "web", 7007, type="pod", probe="exec sleep 100")


def connections(porter, port):
    """Connections that are carried, each with bytes that nobody has read."""
    made = [porter.wait(apps.connect, port) for _ in range(CONNECTIONS)]
    for s in made:
        assert apps.echo_on(s) == b"hello"
        s.sendall(b"unread")
    return made


def test_killed_in_the_middle_the_next_start_has_all_ports(probed):
    porter, port = probed
    for _ in range(3):
        porter.start()
        made = connections(porter, port)
        probe, = porter.until(lambda: children(porter.process.pid), "the probe runs")
        porter.kill()
        until(lambda: not is_there(probe), "the probe is gone, too")
        for s in made:
            s.close()
    porter.start()
    assert porter.wait_echo(port) == b"hello"


@pytest.fixture
def detached():
    """A function that starts a Porter in the background, and returns its pid; it is killed behind the test."""
    pids = []

    def start(porter):
        porter.config.write_text(porter.ini())
        done = subprocess.run([BINARY, "-config", porter.config, "-headless", "-detach", "-log", porter.log_file],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
        said = re.fullmatch(r"porter runs in the background: pid (\d+), log (.*)\n", done.stdout)
        assert (done.returncode, done.stderr, said and said[2]) == (0, "", str(porter.log_file))
        pids.append(int(said[1]))
        return pids[-1]
    yield start
    for pid in pids:
        if is_there(pid):
            os.kill(pid, signal.SIGKILL)


def test_killed_in_the_background_the_next_start_has_all_ports(probed, detached):
    porter, port = probed
    porter.section("forward f1")["probe"] = "exec sleep 0.3"  # until it is over, it is not Active
    for _ in range(3):
        pid = detached(porter)
        made = [apps.connect(port) for _ in range(CONNECTIONS)]
        assert {apps.echo_on(s) for s in made} == {b"hello"}
        probe, *_ = until(lambda: children(pid), "the probe runs")
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_there(pid) and not is_there(probe), "both are gone")
    assert is_there(detached(porter))
    assert apps.echo(port) == b"hello"
