"""First bytes and their integrity: every kind of target, large and many
connections, and the binary itself.  How connections end, and what becomes of
them when pods are replaced, is test_transports.py's, on each transport."""
import os
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rig import apps

MIB = 1 << 20
RELEASED = Path(__file__).parents[2] / "porter"  # as make builds it, whichever the other tests run


def test_http_through_service_headless_service_and_pod(namespace, porter):
    namespace.pod("web")
    namespace.service("web")
    namespace.service("bare", {"app": "web"}, [{"name": "http", "port": 8080, "targetPort": "http"}], clusterIP="None")
    ports = [porter.forward("one", namespace.name, "web", 80),
             porter.forward("one", namespace.name, "bare", 8080),
             porter.forward("one", namespace.name, "web", 8080, type="pod")]
    porter.start()
    assert [porter.wait_http(port) for port in ports] == ["web"] * 3


def test_twenty_forwards_over_two_clusters_in_one_process(clusters, new_namespace, porter):
    wanted = {}
    for cluster in clusters:
        namespace = new_namespace(cluster)
        for i in range(5):
            name = f"{cluster.name}-{i}"
            namespace.pod(name)
            namespace.service(name)
            wanted[porter.forward(cluster.name, namespace.name, name, 80)] = name
            wanted[porter.forward(cluster.name, namespace.name, name, 8080, type="pod")] = name
    porter.start()
    assert {port: porter.wait_http(port) for port in wanted} == wanted


def test_256_mib_each_way_at_once_on_one_connection(namespace, porter):
    namespace.pod("app")
    port = porter.forward("one", namespace.name, "app", 7011, type="pod")
    porter.start()
    assert porter.wait(apps.duplex, port, 1, "first")
    assert apps.duplex(port, 256 * MIB, namespace.name)


def test_fifty_connections_at_once_through_one_forward(namespace, porter):
    pod = namespace.pod("app")
    port = porter.forward("one", namespace.name, "app", 7011, type="pod")
    porter.start()
    assert porter.wait(apps.duplex, port, 1, "first")
    sockets = [apps.connect(port) for _ in range(50)]
    porter.until(lambda: pod.seen(7011)["open"] == 50, "50 connections at the application")
    with ThreadPoolExecutor(50) as pool:
        same = pool.map(lambda i: apps.duplex_on(sockets[i], MIB + i, f"seed-{i}"), range(50))
        assert list(same) == [True] * 50
    for s in sockets:
        s.close()


def test_a_hundred_refused_connections_leave_their_tunnel_alone(namespace, new_porter, cluster):
    pod = namespace.pod("app")
    porter = new_porter(tunnels=1, hold="1s")
    porter.cluster("one", cluster.kubeconfig())
    port = porter.forward("one", namespace.name, "app", 7007, type="pod")
    porter.start()
    porter.wait_echo(port)
    large = apps.stream(2 * MIB, "slow")  # its unread half fits into what one tunnel queues for a client
    with apps.connect(port) as idle, apps.connect(port) as slow:
        assert apps.echo_on(idle) == b"hello"
        sender = threading.Thread(target=slow.sendall, args=(large,))
        sender.start()
        half = apps.read_exactly(slow, MIB)
        pod.listen(7007, False)
        with ThreadPoolExecutor(10) as pool:
            assert list(pool.map(apps.refused, [port] * 100)) == [b""] * 100
        assert apps.echo_on(idle, b"still here") == b"still here"
        assert half + apps.read_exactly(slow, MIB) == large
        sender.join()
    assert pod.seen(7007)["ended"].get("reset", 0) == 0


@pytest.mark.real("it is the released binary, which make test does not build")
def test_the_binary_is_static_and_runs_in_an_empty_chroot(namespace, new_porter, cluster):
    print(f"{RELEASED}: {RELEASED.stat().st_size} bytes")
    headers = subprocess.run(["readelf", "-lW", RELEASED], check=True, capture_output=True, text=True).stdout
    assert "LOAD" in headers and "INTERP" not in headers
    namespace.pod("web")
    porter = new_porter()
    shutil.copy(RELEASED, porter.folder / "porter")
    kubeconfig = cluster.kubeconfig("developer", porter.folder, server=f"https://localhost:{cluster.port}")
    porter.cluster("one", f"/{kubeconfig.name}")
    port = porter.forward("one", namespace.name, "web", 8080, type="pod")
    chroot = ["chroot"] if os.geteuid() == 0 else ["unshare", "-r", "chroot"]
    porter.start([*chroot, porter.folder, "/porter", "-config", "/porter.ini", "-headless", "-log", "/porter.log"])
    assert porter.wait_http(port) == "web"
