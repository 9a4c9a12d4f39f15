"""What carries the bytes: each transport shows the same to both ends, and each
user gets what its rights allow.

v4 has one WebSocket for each connection, and no half-close: tests of what
connections share, or of a client's end that the application answers, leave it out.
"""
from concurrent.futures import ThreadPoolExecutor

import pytest

from rig import apps

MIB = 1 << 20
SHARED = ["auto", "websocket", "spdy"]
shared_only = pytest.mark.parametrize("porter", SHARED, indirect=True)


@pytest.fixture(params=[*SHARED, "v4"])
def porter(request, new_porter, cluster):
    """A Porter whose cluster is reached by one transport."""
    porter = new_porter()
    porter.cluster("one", cluster.kubeconfig(), transport=request.param)
    porter.transport = request.param
    return porter


def test_http_through_service_and_pod(namespace, porter):
    namespace.pod("web")
    namespace.service("web")
    ports = [porter.forward("one", namespace.name, "web", 80),
             porter.forward("one", namespace.name, "web", 8080, type="pod")]
    porter.start()
    assert [porter.wait_http(port) for port in ports] == ["web"] * 2


def test_32_mib_each_way_at_once_on_one_connection(namespace, porter):
    namespace.pod("app")
    port = porter.forward("one", namespace.name, "app", 7011, type="pod")
    porter.start()
    assert porter.wait(apps.duplex, port, 1, "first")
    assert apps.duplex(port, 32 * MIB, namespace.name)


def test_forty_connections_at_once_on_four_tunnels_or_by_v4_on_forty(namespace, porter):
    pod = namespace.pod("app")
    port = porter.forward("one", namespace.name, "app", 7011, type="pod")
    porter.start()
    assert porter.wait(apps.duplex, port, 1, "first")
    sockets = [apps.connect(port) for _ in range(40)]
    porter.until(lambda: pod.seen(7011)["open"] == 40, "40 connections at the application")
    assert (pod.seen()["tunnels"]["open"] <= 4) == (porter.transport != "v4")
    with ThreadPoolExecutor(40) as pool:
        same = pool.map(lambda i: apps.duplex_on(sockets[i], MIB // 2 + i, f"seed-{i}"), range(40))
        assert list(same) == [True] * 40
    for s in sockets:
        s.close()
    porter.until(lambda: pod.seen()["tunnels"]["open"] <= 4, "no more tunnels than before")


def test_a_refused_connection_is_reset_and_one_line_says_why(namespace, porter):
    namespace.pod("app")
    dead = porter.forward("one", namespace.name, "app", 9999, type="pod")
    echo = porter.forward("one", namespace.name, "app", 7007, type="pod")
    porter.start()
    porter.wait_echo(echo)
    porter.until(lambda: any(f"local_port={dead}" in line for line in porter.logged("forward active")), "active")
    assert apps.refused(dead) == b""
    assert apps.echo(echo) == b"hello"
    porter.stop()
    assert len(porter.logged("connection refused")) == 1


@shared_only
def test_refused_connections_leave_their_tunnel_alone(namespace, new_porter, cluster, porter):
    pod = namespace.pod("app")
    porter.sections[0][1]["tunnels"] = 1
    port = porter.forward("one", namespace.name, "app", 7007, type="pod")
    porter.start()
    porter.wait_echo(port)
    with apps.connect(port) as idle:
        assert apps.echo_on(idle) == b"hello"
        pod.listen(7007, False)
        with ThreadPoolExecutor(10) as pool:
            assert list(pool.map(apps.refused, [port] * 30)) == [b""] * 30
        assert apps.echo_on(idle, b"still here") == b"still here"
    assert pod.seen()["tunnels"]["opened"] == 1


def test_the_application_aborts_the_client_gets_what_had_come_then_a_reset(namespace, porter):
    namespace.pod("app")
    port = porter.forward("one", namespace.name, "app", 7014, type="pod")
    echo = porter.forward("one", namespace.name, "app", 7007, type="pod")
    porter.start()
    porter.wait_echo(echo)
    with apps.connect(port) as s:
        s.sendall(b"300000 aborted\n")
        assert apps.read_to_reset(s) == apps.stream(300000, "aborted")


def test_the_application_closes_behind_its_last_byte(namespace, porter):
    namespace.pod("app")
    port = porter.forward("one", namespace.name, "app", 7019, type="pod")
    porter.start()
    wanted = apps.stream(3 * MIB + 1, "whole")
    assert porter.wait(apps.source, port, 1, "whole") == wanted[:1]
    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(lambda _: apps.source(port, len(wanted), "whole") == wanted, range(5))) == [True] * 5


def test_the_client_aborts_the_application_sees_its_end(namespace, porter):
    pod = namespace.pod("app")
    port = porter.forward("one", namespace.name, "app", 7007, type="pod")
    porter.start()
    porter.wait_echo(port)
    porter.until(lambda: pod.seen(7007)["open"] == 0, "the first connection's end")
    s = apps.connect(port)
    apps.echo_on(s)
    assert pod.seen(7007)["open"] == 1
    apps.abort(s)
    porter.until(lambda: pod.seen(7007)["open"] == 0, "the application saw its end")


def test_all_pods_replaced_new_connections_reach_a_new_one(namespace, porter):
    web = namespace.deployment("web", replicas=2)
    namespace.service("web")
    port = porter.forward("one", namespace.name, "web", 80)
    porter.start()
    assert porter.wait_http(port) in [pod.name for pod in web.pods]
    old = web.replace_all()
    names = [pod.name for pod in web.pods]
    porter.until(lambda: porter.wait_http(port) in names, "an answer from a new pod")
    for pod in old:
        porter.until(lambda: not pod.exists(), "old pod gone")
    assert porter.wait_http(port) in names


# ---- users ----

def as_user(new_porter, cluster, tmp_path, user, **settings):
    porter = new_porter()
    porter.cluster("one", cluster.kubeconfig(user, tmp_path), **settings)
    return porter


FORBIDDEN = 'is forbidden: User "{}" cannot {} resource "{}" in API group ""'


@pytest.mark.parametrize("user, transport", [
    ("developer", "auto"), ("create-only", "auto"), ("create-only", "spdy"), ("poller", "auto"), ("blind", "auto"),
    ("blind", "spdy")])
def test_a_user_who_may_forward_to_a_pod(namespace, new_porter, cluster, tmp_path, user, transport):
    namespace.pod("app")
    porter = as_user(new_porter, cluster, tmp_path, user, transport=transport)
    port = porter.forward("one", namespace.name, "app", 7007, type="pod")
    porter.start()
    assert porter.wait_echo(port) == b"hello"


@pytest.mark.parametrize("user, transport, type, verb, what", [
    ("no-forward", "auto", "pod", "create", "pods/portforward"),
    ("no-forward", "auto", "service", "create", "pods/portforward"),
    ("no-forward", "v4", "pod", "get", "pods/portforward"),
    ("create-only", "websocket", "pod", "get", "pods/portforward"),
    ("create-only", "v4", "pod", "get", "pods/portforward"),
    ("blind", "auto", "service", "get", "services"),
    ("poller", "auto", "service", "list", "pods")])
def test_a_user_who_may_not_is_told_so_in_the_servers_words(
        namespace, new_porter, cluster, tmp_path, user, transport, type, verb, what):
    pod = namespace.pod("app")
    namespace.service("app")
    porter = as_user(new_porter, cluster, tmp_path, user, transport=transport)
    port = porter.forward("one", namespace.name, "app", 7 if type == "service" else 7007, type=type)
    porter.start()
    words = FORBIDDEN.format(user, verb, what)
    if transport == "v4":  # nothing is asked of the server before somebody connects
        porter.until(lambda: any(line.startswith("one/app Active") for line in porter.lines), "Active")
        assert apps.refused(port) == b""
    porter.until(lambda: any(line.startswith("one/app Failed: ") and words in line for line in porter.lines),
                 f"Failed: {words}")
    assert apps.refused(port) == b""
    assert pod.seen()["tunnels"]["opened"] == 0


def test_a_token_that_the_server_does_not_know(namespace, new_porter, cluster, tmp_path):
    porter = as_user(new_porter, cluster, tmp_path, "stranger")
    porter.forward("one", namespace.name, "app", 7007, type="pod")
    porter.start()
    porter.until(lambda: any("one/app Failed: " in line and "Unauthorized" in line for line in porter.lines),
                 "Failed: Unauthorized")
