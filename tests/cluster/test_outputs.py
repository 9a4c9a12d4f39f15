"""Outputs that nobody reads, that are gone or full: forwarding goes on, and what is
written later is whole and says what is missing."""
import fcntl
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from rig import apps
from rig.porter import BINARY
from rig.waiting import LIMIT, until

DEAD = 150  # forwards to clusters where nobody listens: each reload has all of them tell something new
ROUNDS = 8  # what is told in these is more than the pipe takes, and what waits for it (out.h)
PIPE = 4096  # bytes that the kernel keeps for a reader
LOST = re.compile(r"\.\.\. (\d+) lines? lost: the reader is too slow")
STATE = re.compile(r"\S+ (?:INFO|WARN|ERROR): forward (active|reconnecting|failed)(?: dropped=\d+)? forward=(\S+) .*")


class Noisy:
    """A Porter with one forward that serves, and many that tell something with each round()."""

    def __init__(self, porter, namespace):
        namespace.pod("web")
        self.porter, self.rounds = porter, 0
        self.kubeconfig = porter.folder / "dead.kubeconfig"
        self.good = porter.section("cluster one")["kubeconfig"].read_text()
        self.write()
        porter.cluster("dead", self.kubeconfig)
        self.port = porter.forward("one", namespace.name, "web", 7007, type="pod")
        for i in range(DEAD):
            porter.forward("dead", "nowhere", f"a-pod-of-quite-some-name-{i:03}", 7007, type="pod")

    def write(self):
        """Another address where nobody listens."""
        self.rounds += 1
        self.kubeconfig.touch(0o600)
        self.kubeconfig.write_text(re.sub(r"server: .*", f"server: https://127.0.0.1:{self.rounds}", self.good))

    def start(self, **how):
        self.porter.start(**how)
        assert self.porter.wait_echo(self.port) == b"hello"

    def round(self):
        """Has them tell, and returns while they do: when connections have been carried."""
        self.write()
        self.porter.process.send_signal(signal.SIGHUP)
        self.goes_on()

    def whole_round(self):
        """Returns when the log has what all have told."""
        before = len(states(self.porter.log()))
        self.round()
        self.porter.until(lambda: len(states(self.porter.log())) >= before + DEAD, "all have told")

    def goes_on(self):
        for _ in range(3):
            assert apps.echo(self.port) == b"hello"


@pytest.fixture
def noisy(namespace, porter):
    return Noisy(porter, namespace)


class Pipe:
    """One that nobody reads before read(); small."""

    def __init__(self):
        self.reads, self.writes = os.pipe()
        fcntl.fcntl(self.writes, fcntl.F_SETPIPE_SZ, PIPE)

    def waiting(self):
        """How many bytes there are to read."""
        size = bytearray(4)
        fcntl.ioctl(self.reads, 0x541B, size)  # FIONREAD
        return int.from_bytes(size, "little")

    def read(self):
        """A reader that goes on to the end."""
        return subprocess.Popen(["cat"], stdin=self.reads, stdout=subprocess.PIPE, text=True)

    def close(self):
        for fd in (self.reads, self.writes):
            if fd is not None:
                os.close(fd)


@pytest.fixture
def pipe():
    pipe = Pipe()
    yield pipe
    pipe.close()


def states(lines):
    """(forward, state) of each state that the log tells."""
    found = [STATE.fullmatch(line) for line in lines]
    return [(match[2], match[1].capitalize()) for match in found if match]


# ---- stdout ----

def test_nobody_reads_stdout_then_somebody_does(noisy, pipe):
    """The log has each change, too: so it is known which lines there should be."""
    noisy.start(stdout=pipe.writes, stderr=subprocess.DEVNULL)
    porter = noisy.porter
    for _ in range(ROUNDS):
        noisy.whole_round()
    assert pipe.waiting() > PIPE // 2
    noisy.goes_on()
    reader = pipe.read()
    os.close(pipe.writes)
    pipe.writes = None
    told = []

    def read_to(words):
        while words not in (line := reader.stdout.readline()):
            told.append(line)
        told.append(line)
    read_to(" lost: ")
    noisy.round()
    read_to(f"-{DEAD - 1:03} ")
    porter.stop()
    told += reader.communicate()[0].splitlines(True)
    compare(told, states(porter.log()))


def compare(told, logged):
    """Each line is whole, in its place, or counted among those that are lost."""
    at = 0
    for line in told:
        if lost := LOST.fullmatch(line.rstrip("\n")):
            at += int(lost[1])
        else:
            assert re.fullmatch(r"\S+ (Active|Reconnecting|Failed): .*\n", line), line
            assert tuple(line.split(":")[0].split()) == logged[at], (line, at)
            at += 1
    assert at == len(logged)


@pytest.mark.parametrize("how", ["closed", "gone"])
def test_there_is_no_stdout(noisy, pipe, how):
    """Not from the start, or its reader is gone.  Nothing of it comes into other files."""
    if how == "gone":
        os.close(pipe.reads)
        pipe.reads = None
    by = ["sh", "-c", 'exec "$@" >&-', "sh"] if how == "closed" else []
    noisy.start(by=by, stdout=pipe.writes, stderr=subprocess.DEVNULL)
    for _ in range(3):
        noisy.whole_round()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\S+Z (INFO|WARN|ERROR): ", line) for line in noisy.porter.log())


def test_all_standard_descriptors_are_closed(noisy):
    noisy.start(by=["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"])
    noisy.whole_round()
    porter = noisy.porter
    standard = [os.readlink(f"/proc/{porter.process.pid}/fd/{fd}") for fd in range(3)]
    assert standard == [os.devnull] * 3
    assert porter.lines == []


def test_a_full_disk_for_stdout(noisy, tmp_path):
    """/dev/full tells that there is no room, each time."""
    with open("/dev/full", "w") as full:
        noisy.start(stdout=full, stderr=subprocess.DEVNULL)
        noisy.round()


# ---- stderr as the log ----

def test_nobody_reads_the_log_on_stderr_then_somebody_does(noisy, pipe):
    porter = noisy.porter
    noisy.start(command=[BINARY, "-config", porter.config, "-headless", "-log", ""], stdout=subprocess.DEVNULL,
                stderr=pipe.writes)
    os.close(pipe.writes)
    pipe.writes = None
    for _ in range(3):
        noisy.round()
    assert pipe.waiting() > PIPE // 2
    reader = pipe.read()
    until(lambda: (noisy.round(), pipe.waiting() == 0)[1], "all is read")
    noisy.round()
    porter.stop()
    lines = reader.communicate()[0].splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\S+Z (INFO|WARN|ERROR): ", line) for line in lines)
    assert [line for line in lines if re.search(r" dropped=\d+", line)]


# ---- the log file ----

TMPFS = 'mkdir -p logs && mount -t tmpfs -o size=16k tmpfs logs && exec "$@"'


@pytest.mark.skipif(subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode, reason="may not mount")
def test_a_full_disk_for_the_log_and_then_there_is_room(noisy):
    """The mount is the program's own, and ends with it."""
    porter = noisy.porter
    noisy.start(command=[BINARY, "-config", porter.config, "-headless", "-log", "logs/porter.log"],
                by=["unshare", "-m", "sh", "-c", TMPFS, "sh"])
    logs = Path(f"/proc/{porter.process.pid}/root{porter.folder}/logs")
    porter.log_file = logs / "porter.log"
    porter.until(lambda: (noisy.round(), os.statvfs(logs).f_bavail == 0)[1], "the disk is full")
    noisy.round()
    before = porter.log()
    assert not [line for line in before if " dropped=" in line]
    os.truncate(porter.log_file, 0)
    noisy.round()
    dropped, = porter.until(lambda: porter.logged(" dropped="), "it is told what is missing")
    assert re.match(r"\d{4}-\d\d-\d\dT\S+Z (INFO|WARN|ERROR): .* dropped=[1-9]\d* ", dropped)


def test_a_log_file_that_is_removed_is_made_anew(noisy):
    noisy.start()
    noisy.porter.log_file.unlink()
    noisy.whole_round()


def test_a_log_file_that_was_moved_away_is_written_until_the_signal(namespace, porter):
    """As logrotate does it; each connection is a line."""
    namespace.pod("web")
    port = porter.forward("one", namespace.name, "web", 7007, type="pod")
    porter.start(options=["-verbose"])
    porter.wait_echo(port)
    porter.until(lambda: porter.logged("connection closed"), "the first is told")
    old = porter.log_file.rename(porter.folder / "porter.log.1")
    apps.echo(port)
    porter.until(lambda: old.read_text().count("connection closed") == 2, "the old one has it")
    assert not porter.log_file.exists()
    porter.process.send_signal(signal.SIGUSR1)
    porter.until(porter.log_file.exists, "the new file")
    apps.echo(port)
    porter.until(lambda: porter.logged("connection closed"), "the new one has it")
    assert old.read_text().count("connection closed") == 2


def test_each_line_as_json(noisy):
    porter = noisy.porter
    noisy.start(options=["-log-format", "json", "-verbose"])
    noisy.round()
    porter.until(lambda: porter.logged("connection closed"), "a connection is told")
    porter.stop()
    lines = [json.loads(line) for line in porter.log()]
    assert all(list(line)[:3] == ["time", "level", "msg"] for line in lines)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in lines)
    assert {line["level"] for line in lines} <= {"debug", "info", "warn", "error"}
    active, = (line for line in lines if line["msg"] == "forward active")
    assert (active["forward"], active["local_port"], active["remote_port"]) == ("one/web", noisy.port, 7007)


def test_without_a_log_file_lines_go_to_stderr(noisy):
    """The default's place cannot be written: that stops nothing."""
    porter = noisy.porter
    porter.log_file.mkdir()
    noisy.start(command=[BINARY, "-config", porter.config, "-headless"])
    warned, = (line for line in porter.lines if "WARN: the log file cannot be written: lines go to stderr" in line)
    assert "file=porter.log" in warned
    noisy.round()
    porter.until(lambda: len(states(line.rstrip("\n") for line in porter.lines)) >= DEAD, "lines are on stderr")


@pytest.mark.parametrize("place", ["", "nowhere/porter.log"])
def test_a_log_that_was_asked_for_must_be_there(noisy, place):
    """A folder, or nothing."""
    porter = noisy.porter
    porter.config.write_text(porter.ini())
    path = porter.folder / place
    done = subprocess.run([BINARY, "-config", porter.config, "-headless", "-log", path], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=LIMIT)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"Error: cannot write the log file '{path}': ")
