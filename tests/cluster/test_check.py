"""porter -check: what it says of each forward, and that neither local ports nor applications see anything of it."""
import socket

import pytest

from rig.porter import BINARY
from rig.waiting import LIMIT, until

DONE = "; no port was bound, no application connected to, no probe run"


def check(porter):
    """Its exit status, and its lines but for the last, which counts."""
    porter.start([BINARY, "-config", porter.folder / "porter.ini", "-check", "-log", porter.log_file])
    status = porter.process.wait(LIMIT)
    porter.reader.join()
    porter.process = None
    *lines, last = "".join(porter.lines).splitlines()
    verdicts = [line for line in lines if not line.startswith("  ")]
    assert last == f"{sum(' ok: ' in line for line in verdicts)} of {porter.forwards} ok{DONE}"
    return status, lines


def assert_unseen(pod, tunnels):
    """The node has opened so many tunnels to the pod, and closed them; the application has seen none of it."""
    until(lambda: pod.seen()["tunnels"] == {"opened": tunnels, "open": 0}, f"{tunnels} tunnels, closed again")
    assert {port: count["accepted"] for port, count in pod.seen()["ports"].items() if count["accepted"]} == {}


@pytest.mark.parametrize("transport, by, tunnels", [
    ("auto", "websocket", 1), ("websocket", "websocket", 1), ("spdy", "spdy", 1),
    ("v4", "v4 (not tried: it would reach the application)", 0)])
def test_a_forward_that_is_well_and_nobody_sees_it(namespace, new_porter, cluster, transport, by, tunnels):
    pods = [namespace.pod("web"), namespace.pod("app")]
    namespace.service("web")
    porter = new_porter()
    porter.cluster("one", cluster.kubeconfig(), transport=transport)
    ports = [porter.forward("one", namespace.name, "web", 80, probe="tcp"),
             porter.forward("one", namespace.name, "app", 7007, type="pod", probe="tcp")]
    taken = [socket.create_server(("127.0.0.1", port)) for port in ports]
    assert check(porter) == (0, [f"one/web ok: {ports[0]} -> pod web (Ready), port 8080, by {by}",
                                 f"one/app ok: {ports[1]} -> pod app (Ready), port 7007, by {by}"])
    for pod in pods:
        assert_unseen(pod, tunnels)
    for s in taken:
        s.setblocking(False)
        with s, pytest.raises(BlockingIOError):
            s.accept()


def test_what_is_to_be_known_besides(namespace, new_porter, cluster, tmp_path):
    namespace.pod("web", ready="false")
    namespace.pod("app")
    namespace.service("app")
    porter = new_porter()
    for user in ("developer", "blind"):
        porter.cluster(user, cluster.kubeconfig(user, tmp_path))
    a = porter.forward("developer", namespace.name, "web", 8080, type="pod")
    b = porter.forward("developer", namespace.name, "app", 7015)
    c = porter.forward("blind", namespace.name, "app", 7007, type="pod")
    status, lines = check(porter)
    assert status == 0
    assert [line for line in lines if line.startswith("developer/")] == [
        f"developer/web ok: {a} -> pod web, port 8080, by websocket, pod not ready",
        f"developer/app ok: {b} -> pod app (Ready), port 7015, by websocket, "
        "service 'app' has no port 7015: it is taken as the pod's port"]
    blind, = (line for line in lines if line.startswith("blind/"))
    assert blind.startswith(f"blind/app ok: {c} -> pod app, port 7007, by spdy, "
                            'pod is used without a look at it: pods "app" is forbidden: ')


def test_what_is_not_there(namespace, new_porter, cluster):
    namespace.pod("away", ready="false")
    namespace.service("away")
    namespace.service("empty")
    porter = new_porter()
    porter.cluster("one", cluster.kubeconfig())
    porter.forward("one", namespace.name, "web", 80)
    porter.forward("one", namespace.name, "db", 5432, type="pod")
    porter.forward("one", namespace.name, "away", 80)
    porter.forward("one", namespace.name, "empty", 80)
    assert check(porter) == (5, [
        "one/web failed: service not found",
        f"  it was looked for as service 'web' in namespace '{namespace.name}'",
        "one/db failed: pod not found",
        f"  it was looked for as pod 'db' in namespace '{namespace.name}'",
        "one/away failed: no ready pod: 0 of 1 ready",
        "one/empty failed: no ready pod: service 'empty' has no pods"])


def test_each_type_is_looked_for_as_what_it_is(namespace, new_porter, cluster):
    types = "service", "pod", "deployment", "statefulset", "daemonset"
    porter = new_porter()
    porter.cluster("one", cluster.kubeconfig())
    for type in types:
        porter.forward("one", namespace.name, "app", 80, type=type)
    porter.forward("one", namespace.name, "app=web", 80, type="selector", name="labelled")
    assert check(porter) == (5, [
        *(line for type in types for line in (
            f"one/app failed: {type} not found",
            f"  it was looked for as {type} 'app' in namespace '{namespace.name}'")),
        "one/labelled failed: no ready pod: no pod matches 'app=web'"])


@pytest.mark.parametrize("user, type, verb, what", [
    ("no-forward", "service", "create", "pods/portforward"), ("blind", "service", "get", "services"),
    ("poller", "service", "list", "pods")])
def test_a_right_that_is_missing(namespace, new_porter, cluster, tmp_path, user, type, verb, what):
    pod = namespace.pod("app")
    namespace.service("app")
    porter = new_porter()
    porter.cluster("one", cluster.kubeconfig(user, tmp_path))
    porter.forward("one", namespace.name, "app", 7, type=type)
    status, (verdict, remedy) = check(porter)
    assert status == 5 and verdict.startswith("one/app failed: ")
    assert f'is forbidden: User "{user}" cannot {verb} resource "{what}" in API group ""' in verdict
    assert remedy == (f"  a forward takes these rights in namespace '{namespace.name}': "
                      "get services, list and watch pods, get and create pods/portforward")
    assert_unseen(pod, 0)


def test_a_cluster_that_cannot_be_asked_and_one_that_refuses_beside_one_that_is_well(
        namespace, new_porter, cluster, tmp_path):
    namespace.pod("app")
    porter = new_porter()
    porter.cluster("away", cluster.kubeconfig("developer", tmp_path, server="https://127.0.0.1:1"))
    porter.cluster("shut", cluster.kubeconfig("stranger", tmp_path))
    porter.cluster("one", cluster.kubeconfig())
    for name in ("away", "shut", "one"):
        port = porter.forward(name, namespace.name, "app", 7007, type="pod")
    status, lines = check(porter)
    assert status == 5
    assert sorted(lines) == [
        "away/app failed: cluster 'away': connection refused (127.0.0.1:1)",
        f"one/app ok: {port} -> pod app (Ready), port 7007, by websocket",
        "shut/app failed: server refuses the user's credentials: Unauthorized"]
