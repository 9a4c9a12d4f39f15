"""Which pod is chosen, how long it is kept, and what happens to connections when it goes."""
import http.client
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rig import apps
from rig.waiting import LIMIT, until

FOREVER = 600  # seconds of grace: the test itself ends the pod


@pytest.fixture
def porter(new_porter, cluster):
    """One that looks often."""
    porter = new_porter(check_interval="300ms", reconnect_delay="300ms")
    porter.cluster("one", cluster.kubeconfig())
    return porter


def looks(porter, n=3):
    """Returns when several looks for the pod must have ended."""
    time.sleep(n * 0.3 + 0.5)


def state_is(porter, state, words=""):
    """Whether the last line that tells a state tells this one."""
    lines = [line for line in porter.lines if ": " in line]
    return lines and f" {state}: " in lines[-1] and words in lines[-1]


def wait_state(porter, state, words=""):
    porter.until(lambda: state_is(porter, state, words), f"{state}: {words}")


def pods_in_order(namespace, *names, **annotations):
    """Pods of one service, each created in a later second than the one before."""
    made = []
    for name in names:
        if made:
            time.sleep(1.1)
        made.append(namespace.pod(name, {"app": "web"}, **annotations))
    return made


def wait_phase(pod, phase):
    until(lambda: pod.get()["status"]["phase"] == phase, f"pod {pod.name} is {phase}")


class Kept:
    """A connection that is kept, and asks its pod's name again and again."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        self.connection.connect()
        self.socket = self.connection.sock

    def ask(self):
        self.connection.request("GET", "/")
        name = self.connection.getresponse().read().decode().strip()
        assert self.connection.sock is self.socket  # not opened anew
        return name

    def close(self):
        self.connection.close()


# ---- the choice ----

def test_the_newest_ready_pod_is_chosen_and_kept_while_it_serves(namespace, porter):
    pods_in_order(namespace, "a", "z", "m")
    namespace.service("web")
    port = porter.forward("one", namespace.name, "web", 80)
    porter.start()
    assert porter.wait_http(port) == "m"
    pods_in_order(namespace, "b", "y")
    looks(porter)
    assert {apps.http_get(port) for _ in range(10)} == {"m"}


@pytest.mark.parametrize("spoil", [
    {"ready": "false"}, {"phase": "Succeeded"}, {"phase": "Failed"}, {"phase": "Pending"}, "terminating"])
def test_a_service_passes_by_a_newer_pod_that_is_not_to_be_used(namespace, porter, spoil):
    namespace.pod("good", {"app": "web"})
    time.sleep(1.1)
    annotations = {} if spoil == "terminating" else spoil
    pod = namespace.pod("spoilt", {"app": "web"}, wait="phase" not in annotations, **annotations)
    if "phase" in annotations:
        wait_phase(pod, annotations["phase"])
    if spoil == "terminating":
        pod.delete(FOREVER)
        assert pod.is_ready()  # readiness knows nothing of deletion
    namespace.service("web")
    port = porter.forward("one", namespace.name, "web", 80)
    porter.start()
    assert porter.wait_http(port) == "good"
    assert pod.seen()["tunnels"]["opened"] == 0


@pytest.mark.parametrize("spoil, words", [
    ({"ready": "false"}, "no ready pod: 0 of 1 ready"), ({"phase": "Pending"}, "no ready pod: 0 of 1 ready"),
    ({"phase": "Succeeded"}, "no ready pod: service 'web' has no pods")])
def test_a_service_without_a_ready_pod_says_so_and_serves_once_there_is_one(namespace, porter, spoil, words):
    pod = namespace.pod("web", wait="phase" not in spoil, **spoil)
    if "phase" in spoil:
        wait_phase(pod, spoil["phase"])
    namespace.service("web")
    port = porter.forward("one", namespace.name, "web", 80)
    porter.start()
    wait_state(porter, "Failed", words)
    assert apps.refused(port) == b""
    pod.annotate(**dict.fromkeys(spoil))
    assert porter.wait_http(port) == "web"


def test_a_service_that_publishes_addresses_not_ready_takes_such_a_pod(namespace, porter):
    namespace.pod("web", ready="false")
    namespace.service("web", publishNotReadyAddresses=True)
    port = porter.forward("one", namespace.name, "web", 80)
    porter.start()
    assert porter.wait_http(port) == "web"


def test_a_pod_by_name_is_taken_though_it_is_not_ready(namespace, porter):
    pod = namespace.pod("web", ready="false")
    port = porter.forward("one", namespace.name, "web", 8080, type="pod")
    porter.start()
    assert porter.wait_http(port) == "web" and not pod.is_ready()
    wait_state(porter, "Active", "pod not ready")


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
def test_a_pod_by_name_that_does_not_run_says_so_and_serves_when_it_does(namespace, porter, phase):
    pod = namespace.pod("web", wait=False, phase=phase)
    wait_phase(pod, phase)
    port = porter.forward("one", namespace.name, "web", 8080, type="pod")
    porter.start()
    wait_state(porter, "Failed", f"pod 'web' is not running: its phase is {phase}")
    assert apps.refused(port) == b""
    pod.annotate(phase=None)
    assert porter.wait_http(port) == "web"


def test_a_pod_by_name_that_is_terminating_is_not_begun_with(namespace, porter):
    pod = namespace.pod("web")
    pod.delete(FOREVER)
    port = porter.forward("one", namespace.name, "web", 8080, type="pod")
    porter.start()
    wait_state(porter, "Failed", "pod 'web' is terminating")
    assert apps.refused(port) == b""
    assert pod.seen()["tunnels"]["opened"] == 0


@pytest.mark.parametrize("kind, words", [
    ("service", "service not found"), ("pod", "pod not found")])
def test_what_does_not_exist_yet_is_served_once_it_does(namespace, porter, kind, words):
    port = porter.forward("one", namespace.name, "web", 80 if kind == "service" else 8080, type=kind)
    porter.start()
    wait_state(porter, "Failed", words)
    assert apps.refused(port) == b""
    namespace.service("web")
    namespace.pod("web")
    assert porter.wait_http(port) == "web"


# ---- the change ----

def go_terminating(pod):
    pod.delete(FOREVER)


def go_not_ready(pod):
    pod.annotate(ready="false")


@pytest.mark.parametrize("go", [go_terminating, go_not_ready])
def test_a_pod_goes_new_connections_go_to_the_other_live_ones_stay(namespace, porter, go):
    old, = pods_in_order(namespace, "old")
    namespace.service("web")
    port = porter.forward("one", namespace.name, "web", 80)
    porter.start()
    porter.wait_http(port)
    live = [Kept(port) for _ in range(5)]
    assert {c.ask() for c in live} == {"old"}
    namespace.pod("new", {"app": "web"})
    looks(porter)
    assert apps.http_get(port) == "old"
    go(old)
    porter.until(lambda: apps.http_get(port) == "new", "a new connection goes to the other pod")
    looks(porter)
    assert {apps.http_get(port) for _ in range(10)} == {"new"}
    assert {c.ask() for c in live} == {"old"}
    for c in live:
        c.close()
    porter.until(lambda: old.seen()["tunnels"]["open"] == 0, "the old pod's tunnels are closed behind the last one")
    assert porter.logged("connection reset") == []
    assert not [line for line in porter.lines if "Reconnecting" in line or "Failed" in line]


@pytest.mark.parametrize("go", [go_terminating, go_not_ready])
def test_the_only_pod_goes_it_is_used_while_it_serves(namespace, porter, go):
    old, = pods_in_order(namespace, "old")
    namespace.service("web")
    port = porter.forward("one", namespace.name, "web", 80)
    porter.start()
    porter.wait_http(port)
    live = Kept(port)
    assert live.ask() == "old"
    go(old)
    looks(porter)
    assert apps.http_get(port) == "old"
    assert live.ask() == "old"
    namespace.pod("new", {"app": "web"})
    porter.until(lambda: apps.http_get(port) == "new", "a new connection goes to the new pod")
    assert live.ask() == "old"
    live.close()


def test_a_pod_that_is_done_is_left_for_another(namespace, porter):
    other, used = pods_in_order(namespace, "other", "used")
    namespace.service("web")
    port = porter.forward("one", namespace.name, "web", 80)
    porter.start()
    assert porter.wait_http(port) == "used"
    used.annotate(phase="Succeeded")
    porter.until(lambda: porter.wait_http(port) == "other", "an answer from the other pod")


def test_a_rolling_replacement_fails_no_connection(namespace, porter):
    """Every pod replaced twice, one at a time, the old one going on for a while, as a Deployment does it."""
    web = namespace.deployment("web", replicas=2)
    namespace.service("web")
    port = porter.forward("one", namespace.name, "web", 80)
    porter.start()
    porter.wait_http(port)
    over = []

    def ask_all_the_time(_):
        names = []
        while not over:
            names.append(apps.http_get(port))
            time.sleep(0.01)
        return names

    with ThreadPoolExecutor(4) as pool:
        asking = pool.map(ask_all_the_time, range(4))
        try:
            for i in range(4):
                old, web.pods = web.pods[0], [*web.pods[1:], web.new_pod()]
                old.delete(FOREVER)
                looks(porter, 4)
                old.annotate(exits_after="0s")
                porter.until(lambda: not old.exists(), "old pod gone")
        finally:
            over.append(True)
        names = [name for names in asking for name in names]
    assert len(names) > 100 and len(set(names)) >= 2 and "" not in names
    assert apps.http_get(port) in [pod.name for pod in web.pods]


def test_a_pod_that_is_deleted_at_once_ends_its_connections_and_the_next_one_serves(namespace, porter):
    old, = pods_in_order(namespace, "old")
    namespace.service("web")
    port = porter.forward("one", namespace.name, "web", 80)
    porter.start()
    porter.wait_http(port)
    live = Kept(port)
    assert live.ask() == "old"
    old.delete(0)
    with pytest.raises((http.client.HTTPException, OSError)):
        live.ask()
    live.close()
    namespace.pod("new", {"app": "web"})
    porter.until(lambda: porter.wait_http(port) == "new", "an answer from the new pod")


@pytest.mark.parametrize("runtime", ["containerd", "cri-o", "docker"])
def test_the_runtime_says_first_that_the_pod_is_gone_its_connection_goes_to_another(
        namespace, new_porter, cluster, runtime):
    other, used = pods_in_order(namespace, "other", "used", runtime=runtime)
    namespace.service("web")
    porter = new_porter(check_interval="10m")  # no look of its own
    porter.cluster("one", cluster.kubeconfig())
    port = porter.forward("one", namespace.name, "web", 80)
    porter.start()
    assert porter.wait_http(port) == "used"
    used.delete(0)
    porter.until(lambda: not used.exists() and used.seen()["ended"], "gone")
    assert apps.http_get(port) == "other"
    assert porter.logged("connection reset") == []


def test_a_restarted_container_is_the_same_pod_and_its_tunnel_goes_on(namespace, porter):
    pod = namespace.pod("web")
    port = porter.forward("one", namespace.name, "web", 8080, type="pod")
    porter.start()
    assert porter.wait_http(port) == "web"
    opened = pod.seen()["tunnels"]["opened"]
    pod.restart()
    looks(porter)
    assert apps.http_get(port) == "web"
    assert pod.seen()["tunnels"]["opened"] <= opened + 1  # a spare may have come
    assert not [line for line in porter.lines if "Failed" in line or "Reconnecting" in line]


def pod_on_a_dead_node(namespace, name, labels):
    """Running and Ready, as the API has it for a while yet; but nobody answers on its node."""
    api, node = namespace.api, f"dead-{namespace.name}"
    address = {"type": "InternalIP", "address": "127.0.0.1"}
    api.post("/api/v1/nodes", {"metadata": {"name": node}})
    api.patch(f"/api/v1/nodes/{node}/status", {
        "status": {"addresses": [address], "daemonEndpoints": {"kubeletEndpoint": {"Port": 1}}}})
    api.post(f"{namespace.path}/pods", {
        "metadata": {"name": name, "labels": labels},
        "spec": {"nodeName": node, "automountServiceAccountToken": False,
                 "containers": [{"name": "main", "image": "test", "ports": [{"name": "http", "containerPort": 8080}]}]}})
    api.patch(f"{namespace.path}/pods/{name}/status", {
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})


def test_another_pod_is_tried_where_the_newest_ones_node_is_dead(namespace, porter):
    namespace.pod("web")
    namespace.service("web")
    time.sleep(1.1)  # the newest is chosen first, and times are in seconds
    pod_on_a_dead_node(namespace, "late", {"app": "web"})
    port = porter.forward("one", namespace.name, "web", 80)
    porter.start()
    assert porter.wait_http(port) == "web"
    assert porter.logged("127.0.0.1:1")
    porter.until(lambda: state_is(porter, "Active"), "Active")
    looks(porter)
    assert state_is(porter, "Active") and porter.wait_http(port) == "web"
