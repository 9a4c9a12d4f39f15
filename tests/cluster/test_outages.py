"""Networks that lose all and say nothing, API servers that die or hang, clusters
that are dead from the start: what is lost comes back by itself, in true words,
and nobody else notices."""
import os
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from rig import apps
from rig.cluster import RBAC, Starter
from rig.waiting import free_port, until

MIB = 1 << 20
LARGE = 256 * MIB  # more than all buffers take, and than passes before the test has acted
OUTAGE = float(os.environ.get("PORTER_OUTAGE_S", 20))  # how long an API server is away
SILENCE = "no answer"  # for 15 s, behind a ping
IN_WORDS = re.compile(SILENCE + "|timed out")  # the kernel's, where it was still sending


# ---- black holes ----

class Cut:
    """A transfer that is under way when its network goes silent."""

    def __init__(self, pod, way, s):
        self.way, self.bytes, self.socket = way, apps.stream(LARGE, way), s
        if way == "download":
            self.socket.sendall(f"{LARGE} {way}\n".encode())
            assert apps.read_exactly(self.socket, MIB) == self.bytes[:MIB]
        else:
            self.socket.sendall(f"{LARGE} -\n".encode() + self.bytes[:MIB])
            until(lambda: pod.seen(WAYS[way])["in"] > MIB, "the upload began")

    def end(self):
        """It ends by a reset: never as if it were whole, and with no byte wrong."""
        with self.socket:
            got = apps.read_to_reset(self.socket) if self.way == "download" else self.push()
            assert len(got) < LARGE - MIB and got == self.bytes[MIB:MIB + len(got)]

    def push(self):
        """A relay may take all of it and pass nothing on; then its answer does not come."""
        try:
            self.socket.sendall(self.bytes[MIB:])
        except (ConnectionResetError, BrokenPipeError):
            return b""
        return apps.read_to_reset(self.socket)


WAYS = {"download": 7019, "upload": 7009}


def all_end(cuts):
    with ThreadPoolExecutor(len(cuts)) as pool:
        for ended in [pool.submit(cut.end) for cut in cuts]:
            ended.result()


def first_answers(porter, ports):
    assert porter.wait(apps.source, ports["download"], 1, "x") == apps.stream(1, "x")
    assert porter.wait(apps.sink, ports["upload"], b"x") == apps.sha256(b"x")


def told(porter, name, words):
    """In a line on stdout."""
    return any(line.startswith(f"{name} ") and words in line for line in porter.lines)


def test_connections_that_fall_silent_are_found_and_others_take_their_place(
        namespace, new_relay, new_porter, cluster, tmp_path):
    """Of every transport, all connections to the API server at once; new ones work."""
    porter, relay = new_porter(check_interval="1s", reconnect_delay="1s", hold="2m"), new_relay(cluster.port)
    kubeconfig = cluster.kubeconfig("developer", tmp_path, server=f"https://127.0.0.1:{relay.port}")
    ports, pods = {}, {}
    for transport in ("websocket", "spdy", "v4"):
        pods[transport] = namespace.pod(transport)
        porter.cluster(transport, kubeconfig, transport=transport)
        ports[transport] = {way: porter.forward(transport, namespace.name, transport, port, type="pod")
                            for way, port in WAYS.items()}
    porter.start()
    for each in ports.values():
        first_answers(porter, each)
    cuts = [Cut(pods[transport], way, apps.connect(port))
            for transport, each in ports.items() for way, port in each.items()]
    relay.silence()
    all_end(cuts)
    resets = porter.logged("connection reset")
    assert len(resets) == len(cuts) and all(map(IN_WORDS.search, resets))
    for transport, each in ports.items():
        first_answers(porter, each)
        name = f"{transport}/{transport}"
        porter.wait_state(name, "Active")
        assert "Failed" not in porter.states(name)
        assert told(porter, name, SILENCE) == ("Reconnecting" in porter.states(name))


@pytest.fixture
def far(island, namespace, new_relay, new_porter, cluster, tmp_path):
    """A Porter on the island: the API server is at the other end of the cable."""
    pod = namespace.pod("app")
    relay = new_relay(cluster.port, host=island.shore)
    porter = new_porter(check_interval="1s", reconnect_delay="1s", hold="2m")
    porter.cluster("one", cluster.kubeconfig("developer", tmp_path, **{
        "server": f"https://{island.shore}:{relay.port}", "tls-server-name": "localhost"}))
    porter.ports = {way: porter.forward("one", namespace.name, "app", port, type="pod") for way, port in WAYS.items()}
    porter.echo = porter.forward("one", namespace.name, "app", 7007, type="pod")
    porter.start(by=island.command())
    with island:
        first_answers(porter, porter.ports)
        porter.wait_echo(porter.echo)
    porter.pod = pod
    return porter


def test_a_network_that_loses_all_is_noticed_and_when_it_heals_all_is_well(island, far):
    with island:
        idle = apps.connect(far.echo)
        assert apps.echo_on(idle) == b"hello"
        sockets = {way: apps.connect(port) for way, port in far.ports.items()}
    cuts = [Cut(far.pod, way, s) for way, s in sockets.items()]
    island.lose(True)
    all_end(cuts)
    with idle:
        assert apps.read_to_reset(idle) == b""
    resets = far.logged("connection reset")
    assert len(resets) == len(cuts) + 1 and all(map(IN_WORDS.search, resets))
    far.wait_state("one/app", "Reconnecting")
    assert told(far, "one/app", SILENCE)
    with island:
        held = apps.connect(far.echo)
    held.sendall(b"held")
    island.lose(False)
    with held:
        assert apps.read_exactly(held, 4) == b"held"
    with island:
        first_answers(far, far.ports)
    far.wait_state("one/app", "Active")
    assert "Failed" not in far.states("one/app")


def test_a_network_that_loses_all_for_three_seconds_costs_no_connection(island, far):
    with island:
        flow = apps.Flow(apps.connect(far.echo))
        with ThreadPoolExecutor(1) as pool:
            s = apps.connect(far.ports["download"])
            s.sendall(f"{LARGE} whole\n".encode())
            half = apps.read_exactly(s, MIB)
            island.lose(True)
            rest = pool.submit(apps.read_all, s)
            time.sleep(3)
            island.lose(False)
            assert apps.sha256(half + rest.result()) == apps.sha256(apps.stream(LARGE, "whole"))
        s.close()
    assert flow.end() > 0
    assert set(far.states("one/app")) == {"Active"}


# ---- API servers that go and come ----

own_cluster = pytest.mark.xdist_group("own-cluster")  # one worker, so that it is started once


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    """A cluster for these tests alone, whose programs they may kill."""
    starter = Starter(tmp_path_factory.mktemp("clusters") / "own", os.environ["PORTER_CLUSTER_PROGRAMS"], "ec")
    try:
        starter.start()
        starter.cluster = starter.finish()
        yield starter
    finally:
        starter.stop()


@pytest.fixture
def ten(starter, new_namespace, new_porter):
    """A Porter with ten forwards, to services and to pods, all Active; and its namespace."""
    namespace, porter = new_namespace(starter.cluster), new_porter(hold="3m")
    porter.cluster("own", starter.cluster.kubeconfig())
    porter.names, porter.ports = [], []
    for i in range(5):
        namespace.pod(f"app-{i}")
        namespace.service(f"app-{i}")
        namespace.pod(f"pod-{i}")
        porter.ports += [porter.forward("own", namespace.name, f"app-{i}", 7),
                         porter.forward("own", namespace.name, f"pod-{i}", 7007, type="pod")]
        porter.names += [f"own/app-{i}", f"own/pod-{i}"]
    porter.start()
    for port, name in zip(porter.ports, porter.names):
        porter.wait_echo(port)
        porter.wait_state(name, "Active")
    return namespace, porter


def went_and_came(porter):
    for port, name in zip(porter.ports, porter.names):
        assert porter.wait_echo(port) == b"hello"
        porter.wait_state(name, "Active")
        assert porter.states(name) == ["Active", "Reconnecting", "Active"], name


@own_cluster
@pytest.mark.real("ends the processes of a cluster")
def test_the_api_server_is_killed_and_started_again_all_comes_back_and_who_waited_is_served(starter, ten):
    namespace, porter = ten
    starter.kill("apiserver")
    for name in porter.names:
        porter.wait_state(name, "Reconnecting")
    with apps.Steady(*porter.ports, every=0.5) as client:
        time.sleep(OUTAGE)
        assert client.failed == []
        start_again(starter)
        for port in porter.ports:
            porter.wait_echo(port)
    assert client.failed == []
    assert client.count > len(porter.ports)
    went_and_came(porter)
    late = namespace.pod("late")  # the node has survived it, too
    assert late.is_ready()


def start_again(starter):
    starter.again("apiserver")
    starter.wait(lambda: starter.cluster.api.answers("/readyz"), "API server ready")


@own_cluster
@pytest.mark.real("ends the processes of a cluster")
def test_an_api_server_that_has_just_started_refuses_everything_that_is_waited_for(starter, new_namespace, reading):
    """One whose RBAC has not read the roles yet says 403, for a moment: here for as long as the test wants."""
    cluster = starter.cluster
    namespace = new_namespace(cluster)
    namespace.pod("web")
    namespace.service("web")
    relay, porter = reading(cluster, check_interval="10m", reconnect_delay="1s", hold="3m")
    port = porter.forward("own", namespace.name, "web", 7)
    porter.start()
    porter.wait_echo(port)
    porter.until(lambda: relay.asked("/pods?", watch=True), "a watch")
    cluster.forbid("developer")
    try:
        starter.kill("apiserver")
        porter.wait_state("own/web", "Reconnecting")
        with apps.Steady(port, every=0.2) as client:
            start_again(starter)
            porter.until(lambda: b"forbidden" in relay.said or porter.logged("forbidden"), "403")
            watches = len(relay.asked("/pods?", watch=True))
            cluster.allow("developer")
            porter.wait_echo(port)
    finally:
        if cluster.api.answers(f"{RBAC}/clusterrolebindings/test-developer") is None:
            cluster.allow("developer")
    assert client.failed == []
    assert porter.states("own/web") == ["Active", "Reconnecting", "Active"]
    porter.until(lambda: len(relay.asked("/pods?", watch=True)) > watches, "a watch again")


@own_cluster
@pytest.mark.real("ends the processes of a cluster")
def test_the_api_server_hangs_and_goes_on_all_comes_back_and_who_waited_is_served(starter, ten):
    """It is stopped: its kernel takes what is sent, and even new connections, and nothing answers."""
    namespace, porter = ten
    with ExitStack() as stack:
        idle = [stack.enter_context(apps.connect(port)) for port in porter.ports]
        for s in idle:
            assert apps.echo_on(s) == b"hello"
        pool = stack.enter_context(ThreadPoolExecutor(len(porter.ports)))
        with stopped(starter.processes["apiserver"]):
            for s in idle:
                assert apps.read_to_reset(s) == b""
            for name in porter.names:
                porter.wait_state(name, "Reconnecting")
                assert told(porter, name, SILENCE)
            held = [pool.submit(apps.echo, port) for port in porter.ports]
            time.sleep(1)
            assert not any(f.done() for f in held)
        assert [f.result() for f in held] == [b"hello"] * len(held)
    assert all(map(IN_WORDS.search, porter.logged("connection reset")))
    went_and_came(porter)


@contextmanager
def stopped(process):
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


# ---- a cluster that is dead from the start ----

FORWARDS = 200  # over three clusters
QUIET_S = 4


@pytest.fixture
def living(clusters, new_namespace):
    """Two thirds of the forwards, as arguments of Porter.forward(), to three pods of each of two clusters."""
    made = []
    for cluster in clusters:
        namespace = new_namespace(cluster)
        pods = [namespace.pod(f"app-{i}", wait=False) for i in range(3)]
        for pod in pods:
            pod.wait_running()
        made += [(cluster.name, namespace.name, pods[i % 3].name, 7007, "pod") for i in range(FORWARDS // 3)]
    return made


@pytest.fixture
def refused(clusters):
    return free_port()


@pytest.fixture
def silent():
    """Its kernel takes connections, and nobody ever answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("dead", ["refused", "silent"])
def test_a_dead_cluster_is_not_noticed_by_the_forwards_of_others(
        living, new_porter, clusters, tmp_path, request, dead):
    """Two hundred forwards.  Counted are states, failures, and wake-ups in a quiet time, with it and without."""
    lost = FORWARDS - len(living)
    woken = {}
    for case, port in (("without", None), ("with", request.getfixturevalue(dead))):
        porter = new_porter(check_interval="10m")
        for cluster in clusters:
            porter.cluster(cluster.name, cluster.kubeconfig("developer", tmp_path))
        if port:
            kubeconfig = clusters[0].kubeconfig("developer", porter.folder, server=f"https://127.0.0.1:{port}")
            porter.cluster("dead", kubeconfig)
            for i in range(lost):
                porter.forward("dead", "default", f"web-{i}", 80)
        ports = [porter.forward(*each) for each in living]
        porter.start()
        for each in ports:
            porter.wait_echo(each)
        porter.until(lambda: all_states(porter, "one", "two").count("Active") >= len(ports), "all Active")
        with apps.Steady(*ports) as client:
            if port:
                porter.until(lambda: all_states(porter, "dead").count("Reconnecting") >= lost, "told of each")
            time.sleep(QUIET_S)
        assert client.failed == [] and client.count > 100
        before = porter.wake_ups()
        time.sleep(QUIET_S)
        woken[case] = porter.wake_ups() - before
        assert all_states(porter, "one", "two") == ["Active"] * len(ports)
        porter.stop()
    assert 0 < woken["without"] and woken["with"] < 3 * woken["without"], woken


def all_states(porter, *clusters):
    """The states in all lines about forwards of these clusters."""
    return [line.split()[1].rstrip(":") for line in porter.lines if line.split("/")[0] in clusters]
