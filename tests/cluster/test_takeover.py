"""A porter that starts where an older one of the same user has its ports: the older one gives way, and nobody who
connects notices; where that cannot be, it goes on as if nothing had happened."""
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from rig import apps
from rig.porter import BINARY, attempt
from rig.waiting import LIMIT, free_port, until

ROUNDS = 50
CROWD = 10
MANY = 200  # forwards: their sockets are more than go with one message
LARGE = 16 << 20  # bytes: more than all buffers on the way
TAKE_OVER = "-on-conflict=takeover"

# Has a port, and the name by which porters find who has it.  Tells what it hears, and how it ends; `says` is what it
# answers, and `then`: hang-up, also at-once and before it has heard anything; or again, each half a second.
IMPOSTOR = """\
import os, signal, socket, sys, time
port, says, then = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3]
def end(*_):
    print("SIGTERM", flush=True)
    os._exit(3)
signal.signal(signal.SIGTERM, end)
listener = socket.create_server(("127.0.0.1", port))
door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
door.bind(f"\\0nanoporter/{os.geteuid()}/127.0.0.1:{port}")
door.listen()
print("there", flush=True)
kept = []
while True:
    one, _ = door.accept()
    if then == "at-once":
        one.close()
        continue
    print("heard", one.recv(4096).decode(), flush=True)
    try:
        while says and one.send(says) and then == "again":
            time.sleep(0.5)
    except OSError:
        print("gone", flush=True)
    if then == "hang-up":
        one.close()
    kept.append(one)
"""
HEARD = "there\nheard nanoporter/1 hand-over\n"


@pytest.fixture
def kubeconfig(cluster, tmp_path):
    """The cluster's; or one that leads to another port of this machine."""
    def write(port=None):
        folder = tmp_path / f"to-{port}"
        folder.mkdir()
        return cluster.kubeconfig("developer", folder, **({"server": f"https://127.0.0.1:{port}"} if port else {}))
    return write


@pytest.fixture
def porter(new_porter, kubeconfig):
    porter = new_porter()
    porter.cluster("one", kubeconfig())
    return porter


@pytest.fixture
def web(namespace, porter):
    """The local port of a forward called web, of a pod of that name."""
    namespace.pod("web")
    return porter.forward("one", namespace.name, "web", 7007, type="pod", name="web")


@pytest.fixture
def other(namespace, porter):
    """The same, other."""
    namespace.pod("other")
    return porter.forward("one", namespace.name, "other", 7007, type="pod", name="other")


@pytest.fixture
def heir(new_porter):
    """A function that makes another Porter with the forwards of one, but those left out."""
    def make(old, *without):
        new = new_porter()
        new.sections = [(title, dict(keys)) for title, keys in old.sections if title not in without]
        return new
    return make


@pytest.fixture
def impostor(starter):
    """A function that starts one."""
    def start(port, says="", then=""):
        one = starter.start(sys.executable, "-c", IMPOSTOR, port, says, then)
        one.until(lambda: one.out() == "there\n", "it is there")
        return one
    return start


def active(porter, *options):
    """Started, and web is Active."""
    porter.start(options=options)
    porter.wait_state("one/web", "Active")
    return porter


def found(port, pid):
    return f"INFO: Found conflicting nanoporter instance port={port} pid={pid}"


def killed(port, pid, by="take-over"):
    return f"INFO: Killed conflicting nanoporter instance port={port} pid={pid} by={by}"


def conflicts(porter):
    """What its log has of others, without the times."""
    return [line.partition(" ")[2] for line in porter.log() if "conflicting nanoporter instance" in line.lower()]


def takes(new, old, *ports):
    """Waits until it has them; the older one may have connections still."""
    pid = old.process.pid
    new.until(lambda: len(conflicts(new)) >= 2 * len(ports), f"{new.folder.name} takes over")
    assert conflicts(new) == [found(port, pid) for port in ports] + [killed(port, pid) for port in ports]


def takes_over(new, old, *ports):
    """The same, and waits for the older one's end, too."""
    takes(new, old, *ports)
    old.ended(6)
    assert f"Error: another nanoporter instance has taken over (PID: {new.process.pid})\n" in old.lines


def is_listening(port, host="127.0.0.1"):
    """Whether anybody is."""
    try:
        socket.create_connection((host, port), LIMIT).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:  # by one that is Failed, before connect(2) has returned
        pass
    return True


def ask(porter, *order):
    """Its answer on stdout."""
    return subprocess.run([BINARY, *order, "-pid", str(porter.process.pid)], check=True, capture_output=True, text=True,
                          timeout=LIMIT).stdout


def status(porter, name):
    """What it says of a forward."""
    return next(f for f in json.loads(ask(porter, "-status", "-json"))["forwards"] if f["name"] == name)


def sockets(porter):
    links = [attempt(os.readlink, link) for link in Path(f"/proc/{porter.process.pid}/fd").iterdir()]
    return {link for link in links if link and link.startswith("socket:")}


def who_has_the_lock():
    """The pid of whoever is starting now; None: nobody."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        if attempt(s.connect, f"\0nanoporter/{os.geteuid()}/starting") is not None:
            return None
        return struct.unpack("3i", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


# ---- nobody notices ----

def test_under_load_fifty_times_nobody_is_refused(web, porter, heir):
    line = [active(porter)]
    with apps.Steady(web, every=0.005) as client:
        for _ in range(ROUNDS):
            before, old, new = client.count, line[-1], heir(porter)
            line.append(new.start())
            takes(new, old, web)
            new.until(lambda: client.failed or client.count > before, "somebody connects")
            assert client.failed == []
    assert client.failed == []
    for old in line[:-1]:
        old.ended(6)


def test_what_is_under_way_comes_to_its_end_or_is_reset_after_a_while(namespace, web, porter, heir):
    """Three generations, and each has its own connections."""
    source = porter.forward("one", namespace.name, "web", 7019, type="pod", name="source")
    line, loads, flows, idle = [active(porter)], [], [], []
    for i in range(3):
        if i:
            line.append(active(heir(porter)))
            takes(line[-1], line[-2], web, source)
        loads.append(line[-1].wait(apps.connect, source))
        loads[-1].sendall(f"{LARGE} load-{i}\n".encode())
        flows.append(apps.Flow(apps.connect(web), block=1024, pause=0.02))
        flows[-1].goes_on()
        idle.append(apps.connect(web))
        assert apps.echo_on(idle[-1]) == b"hello"
    for i, load in enumerate(loads):
        with load:
            assert apps.sha256(apps.read_all(load)) == apps.sha256(apps.stream(LARGE, f"load-{i}"))
    for flow in flows:
        flow.goes_on()
    assert flows[0].end() > 0
    with idle[0]:
        assert apps.echo_on(idle[0]) == b"hello"
    line[0].ended(6)  # with its last connection
    with idle[1]:
        assert apps.read_to_reset(idle[1]) == b""
    until(lambda: flows[1].failed, "the flow is cut, too")
    assert isinstance(flows[1].failed, ConnectionResetError)
    flows[1].socket.close()
    line[1].ended(6)
    assert line[1].logged("stopping")[0].endswith(
        f'reason="taken over by another nanoporter instance" pid={line[2].process.pid} connections=2')
    with idle[2]:
        assert apps.echo_on(idle[2]) == b"hello"
    flows[2].goes_on()
    assert flows[2].end() > 0


def test_connections_that_the_older_one_holds_are_served(namespace, new_relay, new_porter, cluster, kubeconfig, heir):
    """The way to the server comes to be when both hold some."""
    namespace.pod("web")
    server = free_port()
    old = new_porter(hold="5m")
    old.cluster("one", kubeconfig(server))
    port = old.forward("one", namespace.name, "web", 7007, type="pod", name="web")
    old.start()
    old.wait_state("one/web", "Reconnecting")
    with ExitStack() as stack:
        held = [stack.enter_context(apps.connect(port)) for _ in range(5)]
        old.until(lambda: status(old, "web")["held"] == 5, "it holds them")
        new = heir(old)
        new.start()
        takes(new, old, port)
        held += [stack.enter_context(apps.connect(port)) for _ in range(5)]
        assert old.process.poll() is None
        assert old.logged("ports are taken over by another nanoporter instance")[0].endswith(
            f"pid={new.process.pid} connections=5")
        new_relay(cluster.port, port=server)
        for s in held:
            assert apps.echo_on(s) == b"hello"
    old.ended(6)


class Knocking:
    """Connects to each port in turn, until its block ends; `refused` has those where nobody listened."""

    def __init__(self, ports):
        self.ports, self.refused, self.rounds, self.over = ports, [], 0, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def run(self):
        while not self.over.is_set():
            self.refused += [port for port in self.ports if not is_listening(port)]
            self.rounds += 1


def test_hundreds_of_ports(web, porter, heir, kubeconfig):
    """They go in several messages, and one of them is served as before."""
    porter.section("porter")["hold"] = "1s"
    porter.cluster("nowhere", kubeconfig(free_port()))
    ports = [porter.forward("nowhere", "default", f"f{i}", 80) for i in range(MANY - 1)]
    old, new = active(porter), heir(porter)
    with apps.Steady(web, every=0.02) as client, Knocking(ports) as knocking:
        new.start()
        takes_over(new, old, web, *ports)
        after = knocking.rounds
        new.until(lambda: knocking.rounds > after + 1, "all ports are tried again")
    assert client.failed == []
    assert knocking.refused == []


def test_in_the_background(web, porter, heir, starter):
    """One that detaches takes over, and gives way."""
    old, new = active(porter), heir(porter)
    with apps.Steady(web, every=0.02) as client:
        started = starter.start(BINARY, "-config", new.write(), "-detach", "-wait", "1m", "-log", new.log_file)
        code, out, err = started.told()
        assert (code, err) == (0, "")
        pid = int(out.split()[6].rstrip(","))
        assert conflicts(new) == [found(web, old.process.pid), killed(web, old.process.pid)]
        old.ended(6)
        last = active(heir(porter))
        assert starter.reap(pid) == 6
        assert conflicts(last) == [found(web, pid), killed(web, pid)]
    assert client.failed == []


# ---- those that do not answer ----

def test_one_that_is_stopped_is_killed(web, porter, heir):
    old, new = active(porter), heir(porter)
    pid = old.process.pid
    old.process.send_signal(signal.SIGSTOP)
    new.start()
    assert new.wait_echo(web) == b"hello"
    assert conflicts(new) == [
        found(web, pid),
        f'WARN: the conflicting nanoporter instance hands nothing over pid={pid} reason="it does not answer"',
        killed(web, pid, "SIGKILL")]
    old.ended(-signal.SIGKILL)


@pytest.mark.parametrize("says, then, heard, reason", [
    ("", "at-once", "there\n", "it has broken off"),
    ("", "hang-up", HEARD, "it has broken off"),
    ("error what is that?", "hang-up", HEARD, "what is that?"),
    ("\1\2\3", "", HEARD, "it does not understand"),
    ("", "", HEARD, "it does not answer"),
    ("ok", "", HEARD, "it does not answer"),
    ("ok", "again", HEARD, "it does not come to an end"),
])
def test_one_that_does_not_speak_as_it_should_is_told_to_end(web, porter, impostor, says, then, heard, reason):
    old = impostor(web, says, then)
    active(porter)
    assert old.told() == (3, heard + "SIGTERM\n", "")
    assert apps.echo(web) == b"hello"
    assert conflicts(porter) == [
        found(web, old.process.pid),
        f"WARN: the conflicting nanoporter instance hands nothing over pid={old.process.pid} reason=\"{reason}\"",
        killed(web, old.process.pid, "SIGTERM")]


def test_those_that_answer_hand_over_also_beside_some_that_do_not(web, other, porter, heir, impostor):
    """They are asked before the silent ones are waited for."""
    silent = [porter.forward("one", "default", "web", 7007, type="pod", name=f"silent-{i}") for i in range(3)]
    porter.sections += [porter.sections.pop(2), porter.sections.pop(2)]  # behind those
    titles = [f"forward silent-{i}" for i in range(3)]
    old, new = active(heir(porter, *titles)), porter
    impostors = [impostor(port) for port in silent]
    with apps.Steady(web, other, every=0.02) as client:
        new.start()
        old.ended(6)
    assert client.failed == []
    assert [one.wait() for one in impostors] == [3] * 3


# ---- which ports ----

def test_what_the_new_one_does_not_have_ends_with_the_older_one(namespace, web, other, porter, heir):
    third = porter.forward("one", namespace.name, "other", 7007, type="pod", name="third", local_address="127.0.0.3")
    old, new = active(porter), heir(porter, "forward other", "forward third")
    pid = old.process.pid
    new.start()
    old.ended(6)
    assert conflicts(new) == [found(web, pid), killed(web, pid)] + [
        f"WARN: forward ends with the conflicting nanoporter instance forward=one/other local={local} pid={pid}"
        for local in (f"127.0.0.1:{other}", f"127.0.0.3:{third}")]
    assert new.wait_echo(web) == b"hello"
    assert not is_listening(other) and not is_listening(third, "127.0.0.3")


def test_a_forward_that_is_disabled_is_not_in_the_way(web, other, porter, heir):
    old, new = active(porter), heir(porter)
    ask(old, "-disable", "other")
    new.start()
    takes_over(new, old, web)
    assert [new.wait_echo(port) for port in (web, other)] == [b"hello"] * 2


@pytest.mark.parametrize("before, after", [({"local_address": "::1"}, {}), ({}, {"local_address": "::1"})])
def test_one_of_two_addresses_is_enough(namespace, porter, new_porter, before, after):
    namespace.pod("web")
    old, new = porter, new_porter()
    port = old.forward("one", namespace.name, "web", 7007, type="pod", name="web")
    new.sections = [(title, dict(keys)) for title, keys in old.sections]
    old.section("forward web").update(before)
    new.section("forward web").update(after)
    active(old)
    active(new)
    takes_over(new, old, port)
    with socket.create_connection(("::1", port), LIMIT) as s:
        assert apps.echo_on(s) == b"hello"
    assert is_listening(port) == (not after)


def test_one_that_runs_a_command_goes_on_with_what_nobody_has_taken(web, other, porter, heir):
    porter.start(command=[BINARY, "-config", porter.write(), "-log", porter.log_file, "--",
                          "sh", "-c", "until [ -e over ]; do sleep 0.1; done; exit 7"])
    flows = [apps.Flow(porter.wait(apps.connect, port), block=1024, pause=0.02) for port in (web, other)]
    for flow in flows:
        flow.goes_on()
    served, pid, new = status(porter, "web")["served"], porter.process.pid, heir(porter, "forward other")
    new.start()
    new.until(lambda: len(conflicts(new)) == 2, "it takes over")
    assert conflicts(new) == [
        found(web, pid), f"INFO: Conflicting nanoporter instance goes on without this port port={web} pid={pid}"]
    assert [new.wait_echo(port) for port in (web, other)] == [b"hello"] * 2
    assert (status(porter, "web")["state"], status(porter, "web")["served"]) == ("Stopped", served)
    assert status(new, "web")["served"] >= 1
    for flow in flows:
        flow.goes_on()
        assert flow.end() > 0
    (porter.folder / "over").touch()
    porter.ended(7)
    assert apps.echo(web) == b"hello"
    assert not is_listening(other)


def test_one_whose_command_has_not_begun_gives_way(namespace, web, porter, heir):
    porter.forward("one", namespace.name, "missing", 80)
    porter.start(command=[BINARY, "-config", porter.write(), "-log", porter.log_file, "-wait", "0", "--",
                          "touch", "ran"])
    assert porter.wait_echo(web) == b"hello"
    new = heir(porter, "forward f2")
    new.start()
    porter.ended(125)
    assert not (porter.folder / "ran").exists()
    assert new.wait_echo(web) == b"hello"


# ---- starts that come to nothing, and many at once ----

def go_on_as_before(old, port, flow):
    flow.goes_on()
    assert flow.end() > 0
    assert apps.echo(port) == b"hello"
    assert old.states("one/web") == ["Active"]
    assert old.logged("taken over") == []


def no_command(new):
    return [TAKE_OVER, "--", "no-such-command"], 127, "there is no such command"


def no_cluster(new):
    new.section("cluster one")["context"] = "nowhere"
    return [], 3, "nowhere"


def stranger(new):
    new.taken = socket.create_server(("127.0.0.1", new.forward("one", "default", "web", 80)))
    return [], 4, "is in use by non-nanoporter process: "


@pytest.mark.parametrize("spoil", [no_command, no_cluster, stranger])
def test_where_something_else_is_wrong_the_older_one_goes_on(web, porter, heir, spoil):
    old, new = active(porter), heir(porter)
    flow = apps.Flow(apps.connect(web), block=1024, pause=0.02)
    options, code, words = spoil(new)
    new.start(options=options)
    new.ended(code)
    assert words in "".join(new.lines)
    assert conflicts(new) in ([found(web, old.process.pid)], [])
    go_on_as_before(old, web, flow)
    last = heir(old)
    last.start()
    takes_over(last, old, web)


def test_where_a_cluster_is_wrong_nobody_is_told_to_end(web, porter, impostor):
    """Nor is it asked for anything."""
    old = impostor(web)
    porter.section("cluster one")["context"] = "nowhere"
    porter.start()
    porter.ended(3)
    assert old.process.poll() is None and "SIGTERM" not in old.out()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_new_one_that_ends_amid_the_take_over(namespace, web, porter, heir, impostor, number):
    """While it waits for another, it has the sockets of the first already."""
    old, new = active(porter), heir(porter)
    flow = apps.Flow(apps.connect(web), block=1024, pause=0.02)
    slow = impostor(new.forward("one", namespace.name, "web", 7007, type="pod"), "ok", "again")
    new.start()
    new.until(lambda: sockets(old) & sockets(new), "it has them")
    new.process.send_signal(number)
    new.ended(-number)
    slow.until(lambda: slow.out() == HEARD + "gone\n", "it is gone")
    go_on_as_before(old, web, flow)
    last = heir(old)
    last.start()
    takes_over(last, old, web)
    assert slow.process.poll() is None


def test_of_ten_that_start_at_once_one_lives(web, porter, heir):
    crowd = [porter] + [heir(porter) for _ in range(CROWD - 1)]
    for one in crowd:
        one.start()
    until(lambda: sum(one.process.poll() is None for one in crowd) <= 1, "nine are gone")
    last, = [one for one in crowd if one.process.poll() is None]
    gone = [one for one in crowd if one != last]
    assert last.wait_echo(web) == b"hello"
    assert {one.process.returncode for one in gone} <= {6, 0, -signal.SIGKILL}  # handed over; or was too slow to
    assert who_has_the_lock() not in [one.process.pid for one in crowd]
    lines = [line for one in crowd for line in conflicts(one) if "Killed" in line]
    assert sorted(line.split("pid=")[1].split()[0] for line in lines) == sorted(str(one.process.pid) for one in gone)
    for one in gone:
        one.ended(one.process.returncode)
