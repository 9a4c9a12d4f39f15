"""Forwards to workloads, to what a selector matches, and to ports by their names."""
import time

import pytest

from rig import apps
from rig.cluster import WORKLOADS

WEB_PORTS = [{"name": "web", "port": 80, "targetPort": "http"}, {"name": "control", "port": 99, "targetPort": 9999},
             {"name": "dns", "port": 53, "protocol": "UDP"}]
KINDS = [what.partition("s.")[0] for what, _ in WORKLOADS]


@pytest.fixture
def porter(new_porter, cluster):
    """One that looks often."""
    porter = new_porter(check_interval="300ms", reconnect_delay="300ms")
    porter.cluster("one", cluster.kubeconfig())
    return porter


def wait_told(porter, state, words):
    """Waits until the last line that tells a state tells this one, and why."""
    def told():
        lines = [line for line in porter.lines if line.startswith("one/")]
        return lines and f" {state}: {words}" in lines[-1]
    porter.until(told, f"{state}: {words}")


# ---- workloads ----

@pytest.mark.parametrize("kind", KINDS)
def test_a_workload_that_is_not_there_yet_is_served_once_it_is(namespace, porter, kind):
    port = porter.forward("one", namespace.name, "app", 8080, type=kind)
    porter.start()
    wait_told(porter, "Failed", f"{kind} not found")
    assert apps.refused(port) == b""
    app = namespace.workload(kind, "app")
    assert porter.wait_http(port) == app.pods[0].name


def test_in_a_rollout_connections_go_to_a_new_pod_when_theirs_goes(namespace, porter):
    app = namespace.deployment("app", replicas=2)
    port = porter.forward("one", namespace.name, "app", 8080, type="deployment")
    porter.start()
    assert porter.wait_http(port) in [pod.name for pod in app.pods]
    for _ in range(2):
        old = app.replace_all(grace=600)
        new = [pod.name for pod in app.pods]
        porter.until(lambda: apps.http_get(port) in new, "an answer from a new pod")
        for pod in old:
            pod.delete(0)
        assert apps.http_get(port) in new
    assert not [line for line in porter.lines if "Reconnecting" in line or "Failed" in line]


def test_of_a_workloads_pods_one_that_is_ready_is_taken(namespace, porter):
    app = namespace.workload("statefulset", "app")
    time.sleep(1.1)  # the newest is chosen first, and times are in seconds
    late = namespace.pod("late", app.labels, ready="false")
    port = porter.forward("one", namespace.name, "app", 8080, type="statefulset")
    porter.start()
    assert porter.wait_http(port) == app.pods[0].name
    assert late.seen()["tunnels"]["opened"] == 0


def test_a_workload_without_pods_says_so(namespace, porter):
    namespace.workload("daemonset", "app", replicas=0)
    namespace.pod("other")
    porter.forward("one", namespace.name, "app", 8080, type="daemonset")
    porter.start()
    wait_told(porter, "Failed", "no ready pod: daemonset 'app' has no pods")


@pytest.mark.parametrize("expression", [
    {"key": "tier", "operator": "In", "values": ["back", "front"]},
    {"key": "tier", "operator": "NotIn", "values": ["test", "canary"]},
    {"key": "stable", "operator": "Exists"},
    {"key": "canary", "operator": "DoesNotExist"}])
def test_a_workloads_expressions_choose_among_the_pods(namespace, porter, expression):
    app = namespace.workload("deployment", "app", labels={"app": "app", "tier": "front", "stable": ""},
                             selector={"matchLabels": {"app": "app"}, "matchExpressions": [expression]})
    time.sleep(1.1)  # the newest would be chosen
    namespace.pod("canary", {"app": "app", "tier": "canary", "canary": "yes"})
    port = porter.forward("one", namespace.name, "app", 8080, type="deployment")
    porter.start()
    assert porter.wait_http(port) == app.pods[0].name


@pytest.mark.parametrize("kind", KINDS)
def test_a_user_who_may_not_get_workloads_is_told_so(namespace, new_porter, cluster, tmp_path, kind):
    app = namespace.workload(kind, "app")
    porter = new_porter()
    porter.cluster("one", cluster.kubeconfig("create-only", tmp_path))
    porter.forward("one", namespace.name, "app", 8080, type=kind)
    porter.start()
    wait_told(porter, "Failed", f'{kind}s.apps "app" is forbidden: User "create-only" cannot get resource "{kind}s" '
                                f'in API group "apps" in the namespace "{namespace.name}"')
    assert app.pods[0].seen()["tunnels"]["opened"] == 0


# ---- selectors ----

@pytest.mark.parametrize("selector", [
    "app=web,tier=front", "app==web, tier != back", "tier in (front, test)", "app,tier notin (back)", "app=web,!back"])
def test_a_selector_chooses_among_the_pods_of_its_namespace(namespace, porter, selector):
    namespace.pod("front", {"app": "web", "tier": "front"})
    time.sleep(1.1)  # the newest would be chosen
    namespace.pod("back", {"app": "web", "tier": "back", "back": ""})
    namespace.pod("db", {"tier": "back"})
    port = porter.forward("one", namespace.name, selector, 8080, type="selector", name="web")
    porter.start()
    assert porter.wait_http(port) == "front"


def test_a_selector_that_matches_no_pod_says_so_and_serves_once_one_does(namespace, porter):
    pod = namespace.pod("web", {"app": "other"})
    port = porter.forward("one", namespace.name, "app=web", 8080, type="selector", name="web")
    porter.start()
    wait_told(porter, "Failed", "no ready pod: no pod matches 'app=web'")
    namespace.api.patch(pod.path, {"metadata": {"labels": {"app": "web"}}})
    assert porter.wait_http(port) == "web"


# ---- ports by their names ----

@pytest.mark.parametrize("type, name, port", [
    ("service", "app", "web"), ("deployment", "app", "http"), ("selector", "app=app", "http")])
def test_a_port_by_its_name(namespace, porter, type, name, port):
    app = namespace.deployment("app")
    namespace.service("app", ports=WEB_PORTS)
    local = porter.forward("one", namespace.name, name, port, type=type)
    porter.start()
    assert porter.wait_http(local) == app.pods[0].name
    porter.stop()
    assert not porter.logged("WARN")


def test_a_pods_port_by_its_name(namespace, porter):
    namespace.pod("app")
    local = porter.forward("one", namespace.name, "app", "echo", type="pod")
    porter.start()
    assert porter.wait_echo(local) == b"hello"


def test_the_log_has_a_port_as_it_was_named(namespace, porter):
    namespace.pod("app")
    namespace.service("app", ports=WEB_PORTS)
    local = porter.forward("one", namespace.name, "app", "control", type="service")
    porter.start()
    wait_told(porter, "Active", "")
    assert apps.refused(local) == b""  # nothing listens there
    porter.until(lambda: porter.logged("connection reset forward=one/app"), "connection reset")
    assert porter.logged("remote_port=control")


@pytest.mark.parametrize("type, name, words", [
    ("service", "htp", "service 'app' has no TCP port named 'htp' (it has: web, control)"),
    ("service", "dns", "port 'dns' of service 'app' is UDP: only TCP can be forwarded"),
    ("pod", "htp", "pod 'app' has no TCP port named 'htp' (it has: http, echo, ")])
def test_a_name_that_no_port_has(namespace, porter, type, name, words):
    pod = namespace.pod("app")
    namespace.service("app", ports=WEB_PORTS)
    local = porter.forward("one", namespace.name, "app", name, type=type)
    porter.start()
    wait_told(porter, "Failed", words)
    assert apps.refused(local) == b""
    assert pod.seen()["tunnels"]["opened"] == 0


def test_a_pods_port_by_name_cannot_be_had_without_a_look_at_it(namespace, new_porter, cluster, tmp_path):
    namespace.pod("app")
    porter = new_porter()
    porter.cluster("one", cluster.kubeconfig("blind", tmp_path))
    porter.forward("one", namespace.name, "app", "http", type="pod")
    porter.start()
    wait_told(porter, "Failed", "port 'http' cannot be looked up: pods \"app\" is forbidden: ")


def test_where_a_new_pod_has_another_number_the_name_leads_to_it(namespace, porter):
    """The pods listen on the same ports, and call different ones of them by one name."""
    old = namespace.pod("old", {"app": "web"}, ports={"main": 8080})
    port = porter.forward("one", namespace.name, "app=web", "main", type="selector")
    porter.start()
    assert porter.wait_http(port) == "old"
    namespace.pod("new", {"app": "web"}, ports={"main": 7007})
    old.delete(0)
    assert porter.wait_echo(port) == b"hello"
