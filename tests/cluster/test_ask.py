"""A porter that runs is asked for its state, to stop, or for something about one forward: what it says is
so, what it does comes at once, and nobody who asks harms anybody else."""
import fcntl
import os
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from rig import apps, asking
from rig.asking import BINARY, END, SCHEMA, ask, call, hear, moment, receive
from rig.kube import Pod
from rig.porter import proc_field
from rig.waiting import LIMIT, free_port, until

BEGIN = {"check_interval": "10m", "reconnect_delay": "10m", "hold": "2m"}  # nothing comes of itself
NOBODY = 65534
CALLS = 8  # that are served at once (ipc.h)
MANY = 400  # forwards whose state is more than sockets take
SIZE = MANY * 1000  # bytes of it, at most
CROWD = 300  # askers at once
CALM = {"ASAN_OPTIONS": "quarantine_size_mb=1"}  # what is freed shall not count as memory in use


@pytest.fixture
def web(namespace, porter):
    """The local port of the forward called web, to a pod of that name."""
    namespace.pod("web")
    return porter.forward("one", namespace.name, "web", 7007, type="pod", name="web")


@pytest.fixture
def other(namespace, porter):
    """The same, called other."""
    namespace.pod("other")
    return porter.forward("one", namespace.name, "other", 7007, type="pod", name="other")


@pytest.fixture
def lost(new_porter, cluster):
    """A function that makes a Porter whose forwards, so many, lead to a cluster where nobody listens, and nobody else
    can.  Where they are many, they have addresses that nobody else has."""
    held = []

    def make(n=1):
        porter, net = new_porter(**BEGIN), f"127.{secrets.randbelow(200) + 10}.{secrets.randbelow(256)}"
        held.append(socket.socket())
        held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # but for one who does the same
        held[-1].bind(("127.0.0.1", 0))
        porter.server = held[-1].getsockname()[1]
        porter.cluster("one", cluster.kubeconfig(folder=porter.folder, server=f"https://127.0.0.1:{porter.server}"))
        porter.ports = [porter.forward("one", "nowhere", f"pod-{i:03}", 7007, type="pod", **(
            {"local_address": f"{net}.{i % 250 + 1}"} if n > 1 else {})) for i in range(n)]
        return porter
    yield make
    for s in held:
        s.close()


def is_free(port):
    """Nobody listens there."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def flow(porter, port):
    flow = apps.Flow(porter.wait(apps.connect, port), block=1024, pause=0.02)
    flow.goes_on()
    return flow


def wait_status(porter, name, **fields):
    """Waits until it says this of a forward; returns all that it says."""
    def says():
        found = porter.status(name)
        return all(found[key] == value for key, value in fields.items()) and found
    return porter.until(says, f"{name}: {fields}")


# ---- the schema ----

def objects(schema):
    """All descriptions of objects in it."""
    for part in (schema, *schema["$defs"].values()):
        if part["type"] == "object":
            yield part


def test_the_schema_describes_each_field_and_leaves_none_open():
    asking.VALIDATOR.check_schema(SCHEMA)
    found = list(objects(SCHEMA))
    assert len(found) == 3
    for one in found:
        assert one["additionalProperties"] is False
        assert set(one["required"]) == set(one["properties"])
        for name, field in one["properties"].items():
            assert field.get("description", "").endswith("."), name


# ---- what is told ----

def exchange(ports):
    """Connections of all kinds, of which one stays open.  Returns it, and the bytes up and down of each forward."""
    data = apps.stream(300000, "up")
    for _ in range(3):
        assert apps.echo(ports["echo"], b"hello") == b"hello"
    assert apps.sink(ports["sink"], data) == apps.sha256(data)
    assert apps.source(ports["source"], 200000, "down") == apps.stream(200000, "down")
    stays = apps.connect(ports["echo"])
    assert apps.echo_on(stays, b"stays") == b"stays"
    return stays, {"echo": (20, 20), "sink": (len("300000 -\n") + 300000, 65), "source": (len("200000 down\n"), 200000)}


def test_what_it_tells_is_what_was_done(namespace, new_porter, cluster):
    namespace.pod("app")
    namespace.service("app")
    porter = new_porter(check_interval="300ms")
    porter.cluster("one", cluster.kubeconfig(folder=porter.folder))
    ports = {name: porter.forward("one", namespace.name, "app", port, type="pod", name=name)
             for name, port in (("echo", 7007), ("sink", 7009), ("source", 7019))}
    ports["http"] = porter.forward("one", namespace.name, "app", "http", name="http", local_address="127.0.0.1")
    began = time.time()
    porter.start().answers()
    for name in ports:
        wait_status(porter, name, state="Active")
    stays, moved = exchange(ports)
    served = {"echo": 4, "sink": 1, "source": 1, "http": 0}
    for name, port in ports.items():
        up, down = moved.get(name, (0, 0))
        told = wait_status(porter, name, connections=1 if name == "echo" else 0, bytes_up=up, bytes_down=down,
                           served=served[name])
        porter.until(lambda: porter.status(name)["round_trip_ms"] is not None, "a ping has come back")
        kind, remote = ("service", "http") if name == "http" else ("pod", porter.section(f"forward {name}")["remote_port"])
        assert told | {"round_trip_ms": 0, "tunnels": 2, "checked": "", "info": "", "history": []} == {
            "name": name, "cluster": "one", "namespace": namespace.name, "service": "app", "type": kind,
            "local_address": "127.0.0.1", "local_port": port, "remote_port": remote, "state": "Active", "reason": "",
            "info": "", "pod": "app", "transport": "websocket", "tunnels": 2, "connections": told["connections"],
            "held": 0, "served": served[name], "bytes_up": up, "bytes_down": down, "round_trip_ms": 0, "checked": "",
            "attempts": 0, "history": []}
        assert 1 <= told["tunnels"] <= 4
        assert re.fullmatch(r"checked \d+s ago", told["info"])
        assert began - 1 <= moment(told["checked"]) <= time.time() + 1
        active = told["history"][-1]
        assert (active["what"], active["why"], active["times"]) == ("Active", "", 1), told["history"]
        assert began - 1 <= moment(active["first"]) == moment(active["last"]) <= time.time() + 1
    stays.close()
    wait_status(porter, "echo", connections=0, served=4)
    whole = porter.status()
    assert [f["name"] for f in whole["forwards"]] == list(ports)
    assert began - 1 <= moment(whole.pop("started")) <= time.time() + 1
    assert whole | {"porter": "", "forwards": []} == {
        "version": 1, "porter": "", "pid": porter.process.pid, "config": str(porter.config),
        "log": str(porter.log_file), "taken_over": False, "forwards": []}
    assert ask("-version")[1] == f"porter {whole['porter']}\n"


def test_what_it_tells_of_one_that_is_lost(lost):
    porter = lost()
    porter.start().answers()
    waits = porter.wait(apps.connect, porter.ports[0])
    told = wait_status(porter, "f1", state="Reconnecting", connections=1, held=1)
    why = f"cluster 'one': connection refused (127.0.0.1:{porter.server})"
    assert told["reason"] == why and re.fullmatch(r"retry in \d+s \(attempt 1\)", told["info"])
    assert (told["pod"], told["transport"], told["round_trip_ms"], told["checked"]) == (None,) * 4
    assert [told[key] for key in ("tunnels", "served", "bytes_up", "bytes_down", "attempts")] == [0, 0, 0, 0, 1]
    event, = told["history"]
    assert (event["what"], event["why"], event["times"]) == ("Reconnecting", why, 1)
    assert porter.ask("-reconnect", "f1") == (0, "", "")
    again = porter.until(lambda: (f := porter.status("f1"))["history"][0]["times"] == 2 and f, "it is counted")
    repeated, = again["history"]
    assert repeated["first"] == event["first"] and moment(repeated["last"]) >= moment(event["first"])
    assert again["attempts"] == 1  # which are counted anew
    waits.close()


def test_the_table(namespace, porter, web):
    porter.forward("two", "nowhere", "a-service", "http", name="gone", local_address="127.0.0.5")
    porter.start()
    porter.wait_state("one/web", "Active")
    porter.wait_state("two/a-service", "Failed")
    status, out, err = porter.ask("-status")
    heading, empty, *rows = out.splitlines()
    assert (status, err, empty) == (0, "", "")
    assert re.fullmatch(rf"porter \S+, pid {porter.process.pid}, since \S+Z, {re.escape(str(porter.config))}: "
                        r"1 of 2 forwards are Active", heading)
    other = porter.section("forward gone")["local_port"]
    cells = [re.split("  +", row) for row in rows]
    assert cells[0] == ["Cluster", "Namespace", "Service", "Ports", "Status", "Info"]
    assert re.fullmatch("checked [0-9]+s ago", cells[1].pop())
    assert cells[1:] == [
        ["one", namespace.name, "web", f"{porter.section('forward web')['local_port']}:7007", "Active"],
        ["two", "nowhere", "a-service", f"127.0.0.5:{other}:http", "Failed", "service not found"]]
    at = [rows[0].index(word) for word in cells[0]]
    assert all(row[i - 1] == " " and row[i] != " " for row in rows for i in at[1:])


# ---- -reconnect ----

def test_an_active_one_gets_new_tunnels_and_what_is_open_goes_on(namespace, porter, web):
    porter.start()
    goes_on = flow(porter, web)
    pod = Pod(namespace, "web")
    porter.until(lambda: pod.seen()["tunnels"] == {"opened": 2, "open": 2}, "one that it is on, and a spare one")
    assert porter.ask("-reconnect", "web") == (0, "", "")
    porter.until(lambda: pod.seen()["tunnels"]["opened"] > 2, "a new one")
    assert apps.echo(web) == b"hello"
    goes_on.goes_on()
    assert goes_on.end() > 0

    def closed():
        seen = pod.seen()["tunnels"]
        return seen["opened"] - seen["open"]
    porter.until(lambda: closed() == 2, "the old ones are closed")
    assert porter.states("one/web") == ["Active"]


# ---- -disable, -enable ----

def test_one_is_disabled_at_once_and_enabled_again(porter, web, other):
    porter.start()
    untouched = flow(porter, other)
    porter.wait_echo(web)
    opened = [apps.connect(web) for _ in range(3)]
    assert [apps.echo_on(s) for s in opened] == [b"hello"] * 3
    assert porter.ask("-disable", "web") == (0, "", "")
    assert is_free(web)
    for s in opened:
        assert apps.read_to_reset(s) == b""
        s.close()
    told = porter.status("web")
    assert (told["state"], told["reason"], told["connections"], told["tunnels"]) == ("Stopped", "", 0, 0)
    assert [event["what"] for event in told["history"]] == ["Active", "Stopped"]
    assert porter.ask("-disable", "web") == (0, "", "")
    assert porter.ask("-reconnect", "web") == (
        1, "", f"Error: nanoporter (PID: {porter.process.pid}): 'one/web' is Stopped: -enable starts it\n")
    assert is_free(web)
    assert porter.ask("-enable", "web") == (0, "", "")
    assert not is_free(web)
    held = apps.connect(web)
    assert apps.echo_on(held) == b"hello"
    held.close()
    assert porter.ask("-enable", "web") == (0, "", "")
    porter.wait_state("one/web", "Active")
    assert porter.states("one/web") == ["Active", "Stopped", "Starting", "Active"]
    assert {"one/web Stopped\n", "one/web Starting\n"} <= set(porter.lines)
    assert untouched.end() > 0 and porter.states("one/other") == ["Active"]


def test_one_stays_disabled_through_reloads(namespace, porter, web, other):
    porter.start()
    untouched = flow(porter, other)
    porter.wait_echo(web)
    assert porter.ask("-disable", "web")[0] == 0
    new = porter.forward("one", namespace.name, "web", 7007, type="pod", name="new")
    assert porter.reload().endswith("reloaded kept=2 added=1 changed=0 removed=0")
    assert porter.wait_echo(new) == b"hello"
    assert is_free(web) and porter.status("web")["state"] == "Stopped"
    moved = porter.section("forward web")["local_port"] = free_port()
    assert porter.reload().endswith("reloaded kept=2 added=0 changed=1 removed=0")
    assert porter.wait_echo(new) == b"hello"
    assert is_free(web) and is_free(moved)
    assert porter.ask("-enable", "web") == (0, "", "")
    assert porter.wait_echo(moved) == b"hello"
    assert is_free(web)
    with call(moved, "config") as s:  # others find it by its new port
        assert receive(s).decode() == f"ok {porter.config}"
    assert untouched.end() > 0 and porter.states("one/other") == ["Active"]


def test_the_port_was_taken_meanwhile(porter, web, other):
    porter.start()
    porter.wait_echo(web)
    assert porter.ask("-disable", "web")[0] == 0
    with socket.create_server(("127.0.0.1", web)):
        name = Path("/proc/self/comm").read_text().strip()
        words = f"port {web} is in use by non-nanoporter process: {name} (PID: {os.getpid()})"
        for _ in range(2):
            assert porter.ask("-enable", "web") == (1, "", f"Error: nanoporter (PID: {porter.process.pid}): {words}\n")
        assert porter.status("web")["state"] == "Stopped"
        assert porter.wait_echo(other) == b"hello"
    assert porter.ask("-enable", "web") == (0, "", "")
    assert porter.wait_echo(web) == b"hello"


# ---- names ----

def test_names_that_are_known_and_others(namespace, porter, web, other):
    porter.forward("one", namespace.name, "other", 7009, type="pod", name="sink")
    porter.start().answers()

    def refuses(name, words):
        for verb in ("-disable", "-enable", "-reconnect"):
            assert porter.ask(verb, name) == (1, "", f"Error: nanoporter (PID: {porter.process.pid}): {words}\n")

    refuses("wep", "there is no forward 'wep': did you mean 'web'?")
    refuses("one/othr", "there is no forward 'one/othr': did you mean 'one/other'?")
    refuses("nothing", "there is no forward 'nothing'")
    refuses("", "there is no forward ''")
    refuses("one/other", "several forwards are called 'one/other': name one by its section")
    assert porter.wait_echo(other) == b"hello" and porter.wait_echo(web) == b"hello"
    assert porter.ask("-disable", "one/web")[0] == 0 and is_free(web)
    assert porter.ask("-disable", "sink")[0] == 0
    states = {f["name"]: f["state"] for f in porter.status()["forwards"]}
    assert states == {"web": "Stopped", "other": "Active", "sink": "Stopped"}


# ---- -stop ----

def ended(porter, status):
    """It has ended before, by itself; it is not to be stopped."""
    process, porter.process = porter.process, None
    assert process.wait(LIMIT) == status
    porter.reader.join()


def test_it_is_stopped_and_its_ports_are_free_then(porter, web):
    porter.start()
    porter.wait_echo(web)
    with apps.connect(web) as s:
        assert apps.echo_on(s) == b"hello"
        assert porter.ask("-stop") == (0, f"nanoporter (PID: {porter.process.pid}) has stopped\n", "")
        assert is_free(web)
        assert apps.read_to_reset(s) == b""
    ended(porter, 0)


LISTENS = "trap 'echo told; exit 7' TERM; echo $$; while :; do sleep 0.05; done"
IGNORES = "trap 'echo told' TERM; echo $$; while :; do sleep 0.05; done"


@pytest.fixture
def start_command(porter):
    """A function that starts it with a script for the shell, whose first line is its pid; returns what kills that,
    and the test does in the end."""
    begun = []

    def kill():
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(begun[0], signal.SIGKILL)

    def start(script):
        porter.start(options=["--", "sh", "-c", script])
        porter.until(lambda: porter.lines, "the command runs")
        begun.append(os.pidfd_open(int(porter.lines[0])))
        return kill
    yield start
    if begun:
        kill()
        os.close(begun[0])


def test_one_with_a_command_ends_as_that_does(porter, web, start_command):
    start_command(LISTENS)
    assert porter.ask("-stop") == (0, f"nanoporter (PID: {porter.process.pid}) has stopped\n", "")
    ended(porter, 7)
    assert porter.lines[-1] == "told\n"


def test_a_command_that_does_not_end_is_told_and_told_of(porter, web, start_command):
    kill = start_command(IGNORES)
    words = f"Error: nanoporter (PID: {porter.process.pid}): it takes its time to end\n"
    assert porter.ask("-stop") == (1, "", words)
    assert porter.lines[-1] == "told\n" and apps.echo(web) == b"hello"
    kill()
    ended(porter, 128 + signal.SIGKILL)


def test_one_that_is_stopped_by_a_signal_does_not_answer_and_obeys_nothing_later(porter, web):
    porter.start()
    goes_on = flow(porter, web)
    pid = porter.process.pid
    porter.process.send_signal(signal.SIGSTOP)
    try:
        silent = (1, "", f"Error: nanoporter (PID: {pid}): it does not answer\n")
        with ThreadPoolExecutor() as pool:
            asked = [pool.submit(porter.ask, *what) for what in
                     (["-stop"], ["-disable", "web"], ["-status"], ["-status", "-json"])]
            by_file = pool.submit(ask, "-stop", "-config", porter.config)
        assert [one.result() for one in asked] == [silent] * 4
        status, out, err = by_file.result()
        assert (status, out) == (1, "")
        first, *rest = err.splitlines()
        assert first == "Error: no nanoporter of yours runs that is meant by -config or -pid"
        assert f"  PID {pid}: it does not answer" in rest
    finally:
        porter.process.send_signal(signal.SIGCONT)
    goes_on.goes_on()
    assert porter.status("web")["state"] == "Active"
    assert goes_on.end() > 0


# ---- which one ----

def test_several_porters(island, lost):
    """On a machine of their own: elsewhere others run, too."""
    def asks(*options):
        return ask(*options, by=island.command())

    assert asks("-status") == (1, "", "Error: no nanoporter of yours is running\n")
    assert asks("-stop") == (1, "", "Error: no nanoporter of yours is running\n")
    first, second = (lost().start(by=island.command()) for _ in range(2))
    for porter in (first, second):
        porter.until(lambda: asks("-status", "-pid", porter.process.pid)[0] == 0, "it answers")
    pids = sorted((first.process.pid, second.process.pid))
    status, out, err = asks("-status", "-json")
    assert (status, err, [one["pid"] for one in asking.read(out)]) == (0, "", pids)
    status, out, err = asks("-status")
    assert (status, err) == (0, "") and out.count("\n\n") == 3 and out.count("0 of 1 forwards are Active\n") == 2
    paths = {p.process.pid: p.config for p in (first, second)}
    for order in (["-stop"], ["-disable", "f1"], ["-reconnect", "f1"], ["-enable", "f1"]):
        assert asks(*order) == (1, "", "Error: several nanoporters of yours are running: name one by -pid or -config\n" +
                                "".join(f"  PID {pid}: {paths[pid]}\n" for pid in pids))
    for order in (["-pid", 1], ["-config", first.config.parent / "no.ini"],
                  ["-pid", first.process.pid, "-config", second.config]):
        assert asks("-status", *order) == (1, "", "Error: no nanoporter of yours runs that is meant by -config or -pid\n")
    assert asks("-disable", "f1", "-config", second.config) == (0, "", "")
    assert asks("-disable", "f1", "-pid", second.process.pid, "-config", second.config) == (0, "", "")
    elsewhere = second.config.parent / "elsewhere.ini"
    elsewhere.symlink_to(second.config)
    assert asks("-status", "-json", "-config", elsewhere) == asks("-status", "-json", "-pid", second.process.pid)
    states = {one["pid"]: one["forwards"][0]["state"] for one in asking.read(asks("-status", "-json")[1])}
    assert states == {first.process.pid: "Reconnecting", second.process.pid: "Stopped"}
    assert asks("-stop", "-config", first.config)[0] == 0
    ended(first, 0)
    assert asks("-stop")[0] == 0  # it is the only one now
    ended(second, 0)


class Impostor:
    """Has a name as porters have it, but is none; on the island.  heard: the next asker's question, "" where there
    is none; it is answered by `says`."""

    def __init__(self, island):
        with island:
            self.door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.door.bind(f"\0nanoporter/{os.geteuid()}/instance/{secrets.token_hex(8)}")
        self.door.listen()
        self.door.settimeout(LIMIT)

    def heard(self, says):
        asker, _ = self.door.accept()
        with asker:
            question = asker.recv(9999).decode()
            if question:
                asker.send(says)
                asker.recv(9999)  # until it has gone
        return question

    def while_asked(self, f, says=b"what?"):
        with ThreadPoolExecutor(1) as pool:
            question = pool.submit(self.heard, says)
            return f(), question.result()


def test_only_those_that_may_be_meant_are_waited_for(island, lost):
    """So one that stands still, or is none, holds up no question to another."""
    def asks(*options):
        return impostor.while_asked(lambda: ask(*options, by=island.command()))

    porter = lost().start(by=island.command())
    porter.until(lambda: ask("-status", by=island.command())[0] == 0, "it answers")
    impostor = Impostor(island)
    (status, out, err), question = asks("-status", "-json")
    words = f"Error: nanoporter (PID: {os.getpid()}): its answer is not understood: is it another version?\n"
    assert (status, [one["pid"] for one in asking.read(out)], err) == (1, [porter.process.pid], words)
    assert question == "nanoporter/1 config"
    assert asks("-status", "-json", "-pid", porter.process.pid) == ((0, out, ""), "")
    (status, out, err), _ = asks("-stop")
    assert (status, out) == (1, "") and f"  PID {os.getpid()}: its answer is not understood" in err
    (status, out, _), _ = asks("-stop", "-config", porter.config)
    assert (status, out) == (0, f"nanoporter (PID: {porter.process.pid}) has stopped\n")
    ended(porter, 0)
    impostor.door.close()


# ---- those who mean no good ----

STRANGER = """\
import socket, sys
for name in sys.argv[1:]:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(chr(0) + name)
    try:
        s.send(b"nanoporter/1 status-json")
        s.send(b"nanoporter/1 stop")
    except OSError:
        pass  # it was cut off already
    try:
        print(name, s.recv(9999))
    except ConnectionResetError:
        print(name, "reset")
"""


def doors():
    """The names of all porters' doors, of all users."""
    lines = Path("/proc/net/unix").read_text(errors="replace").splitlines()
    return [line.rpartition("@")[2] for line in lines if "@nanoporter/" in line]


@pytest.mark.skipif(os.geteuid() != 0, reason="cannot become another user")
def test_another_user_gets_nothing(porter, web):
    porter.start()
    goes_on = flow(porter, web)
    names = [name for name in doors() if name.endswith(f"/127.0.0.1:{web}")]
    assert names == [f"nanoporter/0/127.0.0.1:{web}"]
    done = subprocess.run([sys.executable, "-c", STRANGER, *names * 3], user=NOBODY, group=NOBODY, extra_groups=[],
                          capture_output=True, text=True, timeout=LIMIT, cwd="/")
    assert done.stderr == ""
    said = [line.removeprefix(names[0]) for line in done.stdout.splitlines()]
    assert len(said) == 3 and set(said) <= {" reset", " b''"}, done.stdout
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        binary = shutil.copy(BINARY, folder)
        for order in (["-status"], ["-stop"], ["-disable", "web"]):
            assert porter.ask(*order, binary=binary, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/") == (
                1, "", "Error: no nanoporter of yours runs that is meant by -config or -pid\n")
    assert porter.status("web")["state"] == "Active"
    assert goes_on.end() > 0


@pytest.fixture
def long(lost, namespace, cluster):
    """A Porter with one forward that serves, called web, and so many others that its state is long."""
    namespace.pod("web")
    porter = lost(MANY)
    porter.cluster("well", cluster.kubeconfig())
    porter.web = porter.forward("well", namespace.name, "web", 7007, type="pod", name="web")
    porter.start(env=os.environ | CALM)
    porter.flow = flow(porter, porter.web)
    porter.until(lambda: all(f["state"] != "Starting" for f in porter.status()["forwards"]), "all are lost")
    return porter


def hung_up(s):
    """The other end is gone, whatever there is to read."""
    poll = select.poll()
    poll.register(s, 0)
    return poll.poll(0) != []


def test_those_who_never_read_harm_nobody_and_are_cut_off(long):
    """Nor do those who ask nothing, and more than are served at once."""
    busy = (1, "", f"Error: nanoporter (PID: {long.process.pid}): too many ask at once; try again\n")
    crowd = []

    def come():
        crowd.extend(call(long.web, question) for _ in range(CROWD // 2) for question in ("status-json", None))
        return long.ask("-status") == busy
    before = proc_field(Path(f"/proc/{long.process.pid}/status"), "VmHWM")
    long.until(come, "one more is too many")
    with apps.Steady(long.web) as steady:
        long.flow.goes_on()
        waits = long.until(lambda: (answer := long.ask("-status", "-json")) != busy and answer, "there is room again")
    assert steady.count > 0 and steady.failed == []
    assert waits[0] == 0 and len(asking.read(waits[1])[0]["forwards"]) == MANY + 1
    grown = proc_field(Path(f"/proc/{long.process.pid}/status"), "VmHWM") - before
    assert grown < 3 * CALLS * SIZE // 1024, f"{grown} kB more"
    long.until(lambda: all(hung_up(s) for s in crowd), "all are cut off")
    ends = [hear(s) for s in crowd]
    served = [said for said in ends if said[:1] == [b"ok"]]
    assert served
    assert all(said[-1] != END for said in served)  # none of them has all
    told = [said for said in ends if said[:1] == [b"error too many ask at once; try again"]]
    assert len(told) >= CROWD - 2 * CALLS
    assert len(served) <= CALLS * (len(crowd) // CROWD)
    assert long.flow.end() > 0


def test_one_that_reads_a_byte_a_second_harms_nobody(long):
    """Between one byte and the next all others are served."""
    with call(long.web, "status-json") as slow:
        read = 0
        with suppress(ConnectionResetError):
            while slow.recv(1):
                read += 1
                assert apps.echo(long.web) == b"hello"
                assert len(long.status()["forwards"]) == MANY + 1
                time.sleep(1)
    assert read > 3
    assert long.flow.end() > 0


def waiting(pipe):
    """How many bytes there are to read."""
    size = bytearray(4)
    fcntl.ioctl(pipe, termios.FIONREAD, size)
    return int.from_bytes(size, sys.byteorder)


def test_its_own_answer_is_whole_however_slowly_it_is_read(long):
    """By who reads what -status prints; it waits, and the one that it has asked does not."""
    asker = subprocess.Popen([BINARY, "-status", "-json", "-pid", str(long.process.pid)], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, text=True)
    until(lambda: waiting(asker.stdout) == fcntl.fcntl(asker.stdout, fcntl.F_GETPIPE_SZ), "it cannot print more")
    calls = []

    def all_free():
        try:
            calls.extend(call(long.web, "config") for _ in range(CALLS))
        except BrokenPipeError:  # too many, and cut off before it has asked
            return False
        return {receive(s) for s in calls[-CALLS:]} == {f"ok {long.config}".encode()}
    long.until(all_free, "nobody else is being answered")
    for s in calls:
        s.close()
    assert long.ask("-disable", "web") == (0, "", "")
    out, _ = asker.communicate(timeout=LIMIT)
    whole, = asking.read(out)
    assert asker.returncode == 0 and whole["forwards"][-1]["state"] == "Active"  # when it was asked
    long.flow.over.set()
