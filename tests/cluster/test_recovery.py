"""Pods that are replaced: the watch finds the next one, at once and without a
look of porter's own; no connection notices that need not."""
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rig import apps
from rig.kube import Pod
from rig.waiting import until

MIB = 1 << 20
ROUNDS = 10
FOREVER = 600  # seconds of grace: the test itself ends the pod
NEVER = {"check_interval": "10m", "reconnect_delay": "10m"}  # no look and no try that a test could wait for


@pytest.fixture
def patient(new_porter, cluster):
    """A Porter that neither looks nor tries again by itself within the test, and holds connections all along."""
    porter = new_porter(hold="2m", **NEVER)
    porter.cluster("one", cluster.kubeconfig())
    return porter


def gone(pod):
    until(lambda: not pod.exists(), f"pod {pod.name} gone")


def replace(namespace, pod, grace, name=None):
    """The pod ends, and then another of the same app comes, by default of the same name."""
    pod.delete(grace)
    gone(pod)
    new = namespace.pod(name or pod.name, {"app": "web"})
    until(new.is_ready, f"pod {new.name} ready")
    return new


def two_pods(namespace, older, newer):
    """Of one service, "web"; the newer is the one that is chosen."""
    namespace.service("web", ports=[{"name": "echo", "port": 7, "targetPort": 7007},
                                    {"name": "duplex", "port": 11, "targetPort": 7011}])
    first = namespace.pod(older, {"app": "web"})
    time.sleep(1.1)  # its time of creation is in seconds
    return first, namespace.pod(newer, {"app": "web"})


# ---- one of two ----

def test_two_pods_replaced_one_after_another_no_connection_fails(namespace, patient):
    pods = two_pods(namespace, "web-0", "web-1")
    port = patient.forward("one", namespace.name, "web", 7)
    patient.start()
    patient.wait_echo(port)
    accepted = 0
    with apps.Steady(port) as client:
        for _ in range(ROUNDS):
            for pod in pods:
                pod.delete(4)  # kept in whole seconds; a connection may take long where all are busy
                gone(pod)
                accepted += pod.seen(7007)["accepted"]
                until(namespace.pod(pod.name, {"app": "web"}).is_ready, f"pod {pod.name} ready")
    assert client.failed == []
    assert client.count > 500
    accepted += sum(pod.seen(7007)["accepted"] for pod in pods)
    assert accepted == client.count + 1  # each once: nothing was sent twice
    assert patient.states("one/web") == ["Active"]


def test_what_the_surviving_pod_carries_is_not_cut_and_every_byte_is_right(namespace, patient):
    goes, stays = two_pods(namespace, "goes", "stays")
    echo = patient.forward("one", namespace.name, "web", 7)
    duplex = patient.forward("one", namespace.name, "web", 11)
    patient.start()
    patient.wait_echo(echo)
    assert patient.wait(apps.duplex, duplex, 1, "first")
    flow = apps.Flow(apps.connect(echo))
    with ThreadPoolExecutor(1) as pool:
        for i in range(5):
            transfer = pool.submit(apps.duplex, duplex, 16 * MIB, f"round-{i}")
            replace(namespace, goes, 1)
            assert transfer.result()
        transfer = pool.submit(apps.duplex, duplex, 64 * MIB, "last")
        patient.until(lambda: stays.seen(7011)["open"] == 1, "the last transfer began")
        stays.delete(FOREVER)
        patient.until(lambda: apps.echo(echo) and goes.seen(7007)["accepted"], "new connections go to the other pod")
        assert transfer.result()
    assert flow.end() > MIB
    assert patient.logged("connection reset") == []


# ---- the only one ----

@pytest.mark.parametrize("grace", [0, 1])
@pytest.mark.parametrize("type, successor", [("service", "web"), ("service", "other"), ("pod", "web")])
def test_the_only_pod_is_replaced_those_who_came_meanwhile_are_served(namespace, patient, type, successor, grace):
    pod = namespace.pod("web")
    namespace.service("web")
    port = patient.forward("one", namespace.name, "web", 7 if type == "service" else 7007, type=type)
    patient.start()
    patient.wait_echo(port)
    pod.delete(grace)
    gone(pod)
    with ThreadPoolExecutor(5) as pool:
        held = [pool.submit(apps.echo, port) for _ in range(5)]
        patient.wait_state("one/web", "Reconnecting")
        held += [pool.submit(apps.echo, port) for _ in range(5)]
        time.sleep(0.5)
        assert not any(f.done() for f in held)
        new = namespace.pod(successor, {"app": "web"})
        assert [f.result() for f in held] == [b"hello"] * 10
    patient.wait_state("one/web", "Active")
    assert apps.echo(port) == b"hello"
    assert new.seen(7007)["accepted"] == 11
    assert patient.states("one/web") == ["Active", "Reconnecting", "Active"]


def test_the_only_pod_is_replaced_again_and_again(namespace, patient):
    """None waits for what the one before it has cost."""
    pod = namespace.pod("web")
    namespace.service("web")
    ports = [patient.forward("one", namespace.name, "web", 7),
             patient.forward("one", namespace.name, "web", 7007, type="pod")]
    patient.start()
    for port in ports:
        patient.wait_echo(port)
    for _ in range(2 * ROUNDS):
        pod.delete(0)
        gone(pod)
        with ThreadPoolExecutor(len(ports)) as pool:
            held = [pool.submit(apps.echo, port) for port in ports]
            namespace.pod("web")
            assert [f.result() for f in held] == [b"hello"] * len(ports)


def test_a_service_selects_other_pods_new_connections_go_there(namespace, new_porter, cluster):
    """Blue and green: nothing happens to a pod, it is the service that changes."""
    for color in ("blue", "green"):
        namespace.pod(color, {"app": "web", "color": color})
    namespace.service("web", {"app": "web", "color": "blue"})
    porter = new_porter(check_interval="500ms", reconnect_delay="10m")
    porter.cluster("one", cluster.kubeconfig())
    web, echo = porter.forward("one", namespace.name, "web", 80), porter.forward("one", namespace.name, "web", 7)
    porter.start()
    assert porter.wait_http(web) == "blue"
    porter.wait_echo(echo)
    flow = apps.Flow(apps.connect(echo))
    for color in ("green", "blue", "green"):
        namespace.api.patch(f"{namespace.path}/services/web", {"spec": {"selector": {"color": color}}})
        porter.until(lambda: apps.http_get(web) == color, f"answers from {color}")
        assert {apps.http_get(web) for _ in range(10)} == {color}
    assert flow.end() > 0
    assert porter.states("one/web") == ["Active"]


# ---- the watch ----

@pytest.fixture
def watched(namespace, cluster, reading):
    """A Porter with one forward to the pod "web", Active, through a relay, and its port.  Its
    watches end after five seconds."""
    namespace.pod("web")
    namespace.service("web")
    relay, porter = reading(cluster, **NEVER)
    relay.rewrite = short_watch
    port = porter.forward("one", namespace.name, "web", 7)
    porter.start()
    porter.wait_echo(port)
    porter.wait_state("one/web", "Active")
    porter.until(lambda: relay.asked("/pods?", watch=True), "a watch")
    return relay, porter, port


def short_watch(line):
    return re.sub(r"timeoutSeconds=\d+", "timeoutSeconds=5", line)


def from_long_ago(line):
    return re.sub(r"resourceVersion=\d+", "resourceVersion=1", short_watch(line))


def test_a_watch_that_ends_by_its_time_is_renewed_without_a_word(namespace, watched):
    relay, porter, port = watched
    listed, told = relay.asked("/pods?"), (list(porter.lines), porter.logged("forward="))
    other = namespace.pod("other")  # where nothing changes there are no bookmarks

    def third_watch():
        other.annotate(noise=str(time.monotonic()))
        return len(relay.asked("/pods?", watch=True)) >= 3
    porter.until(third_watch, "the third watch")
    assert b'"type":"BOOKMARK"' in relay.said
    assert relay.asked("/pods?") == listed
    assert (porter.lines, porter.logged("forward=")) == told
    replace(namespace, Pod(namespace, "web"), 0)
    assert porter.wait_echo(port) == b"hello"


def test_a_watch_from_too_long_ago_lists_again_without_a_word(namespace, watched):
    """410 Gone is the server's own answer: the relay has a watch ask for the first change of all."""
    relay, porter, port = watched
    listed, told = len(relay.asked("/pods?")), (list(porter.lines), porter.logged("forward="))
    relay.rewrite = from_long_ago
    porter.until(lambda: b'"code":410' in relay.said, "410 Gone")
    porter.until(lambda: len(relay.asked("/pods?")) > listed, "listed again")
    relay.rewrite = short_watch
    assert (porter.lines, porter.logged("forward=")) == told
    replace(namespace, Pod(namespace, "web"), 0)
    assert porter.wait_echo(port) == b"hello"


@pytest.mark.parametrize("user, type, asks", [
    ("no-watch", "service", "/pods?"), ("no-watch", "pod", "/pods?"), ("poller", "pod", "/pods/web ")])
def test_who_may_not_watch_finds_a_replaced_pod_by_looking(namespace, cluster, reading, user, type, asks):
    pod = namespace.pod("web")
    namespace.service("web")
    relay, porter = reading(cluster, user, check_interval="300ms", reconnect_delay="10m", hold="2m")
    port = porter.forward("one", namespace.name, "web", 7 if type == "service" else 7007, type=type)
    porter.start()
    porter.wait_echo(port)
    looks = len(relay.asked(asks))
    porter.until(lambda: len(relay.asked(asks)) >= looks + 5, "five looks more")
    assert len(relay.asked("/pods?", watch=True)) <= 2  # it was told that it may not, and does not ask at each look
    pod.delete(0)
    gone(pod)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(apps.echo, port)
        porter.wait_state("one/web", "Reconnecting")
        namespace.pod("web")
        assert held.result() == b"hello"
    assert "Failed" not in porter.states("one/web")


def test_who_may_not_look_at_pods_reaches_a_replaced_one_all_the_same(namespace, new_porter, cluster, tmp_path):
    pod = namespace.pod("web")
    porter = new_porter(check_interval="300ms", reconnect_delay="300ms", hold="2m")
    porter.cluster("one", cluster.kubeconfig("blind", tmp_path))
    port = porter.forward("one", namespace.name, "web", 7007, type="pod")
    porter.start()
    porter.wait_echo(port)
    for _ in range(2):
        replace(namespace, pod, 0)
        assert porter.wait_echo(port) == b"hello"


# ---- what the application sees ----

@pytest.mark.parametrize("transport", ["auto", "spdy", "v4"])
def test_an_application_sees_none_but_the_users_connections(namespace, new_porter, cluster, transport):
    """Neither tunnels, nor pings, nor looks at the local port reach it, over many health intervals."""
    pod = namespace.pod("web")
    namespace.service("web")
    porter = new_porter(check_interval="200ms")
    porter.cluster("one", cluster.kubeconfig(), transport=transport)
    port = porter.forward("one", namespace.name, "web", 7)
    porter.start()
    assert porter.wait_echo(port) == b"hello"
    porter.wait_state("one/web", "Active")

    def accepted():
        return {p: n["accepted"] for p, n in pod.seen()["ports"].items() if n["accepted"]}

    woken = porter.wake_ups()
    time.sleep(5)  # 25 intervals
    assert porter.wake_ups() - woken >= 20  # it was awake at each
    assert accepted() == {"7007": 1}
    with apps.connect(port) as s:
        for _ in range(20):
            assert apps.echo_on(s) == b"hello"
            time.sleep(0.1)
    assert apps.echo(port) == b"hello"
    porter.until(lambda: pod.seen(7007)["open"] == 0, "both ended")
    assert accepted() == {"7007": 3}
    assert porter.states("one/web") == ["Active"]
