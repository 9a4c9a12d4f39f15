"""Connections beside each other, many of them, and how they end: none holds
another up, none leaves anything behind, none is cut short."""
import os
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from rig import apps
from rig.porter import BINARY
from rig.waiting import free_port

MIB = 1 << 20
LARGE = 64 * MIB  # more than all buffers between the two ends take
ASAN = b"__asan_init" in BINARY.read_bytes() if BINARY.exists() else False
USER_TIMEOUT = 15  # seconds of TCP_USER_TIMEOUT, which a stall has to outlive


# ---- those that do not read ----

class Pusher:
    """A connection that sends LARGE bytes to an application that does not read yet."""

    def __init__(self, port):
        self.data = apps.stream(LARGE, "pushed")
        self.socket = apps.chosen(port, "late-sink")
        self.thread = threading.Thread(target=self.push)
        self.failed = None
        self.thread.start()

    def push(self):
        try:
            self.socket.settimeout(None)
            self.socket.sendall(f"{LARGE} -\n".encode() + self.data)
        except OSError as e:
            self.failed = e

    def stalled(self):
        return self.thread.is_alive()

    def finish(self):
        """What the application says of what it got."""
        self.thread.join()
        assert not self.failed
        return apps.read_all(self.socket).decode().strip()


def settled(count):
    """count() does not change any more."""
    before = -1
    while before != (before := count()):
        time.sleep(0.5)
    return before


def wait_for_spare(porter, pod, used):
    """A connection that comes now gets a tunnel of its own."""
    porter.until(lambda: pod.seen()["tunnels"]["open"] > used, "a spare tunnel")
    time.sleep(0.3)  # and porter has the answer that it is open


def test_two_stalled_connections_hold_up_no_other_and_finish_later(namespace, porter):
    """Each stalled one has a tunnel of its own: on a shared one it might do so for ten seconds only."""
    pod = namespace.pod("app")
    port = porter.forward("one", namespace.name, "app", 7021, type="pod")
    porter.start()
    porter.wait(lambda: apps.echo_on(apps.chosen(port, "echo")))
    with ExitStack() as stack:
        old = stack.enter_context(apps.chosen(port, "echo"))
        assert apps.echo_on(old) == b"hello"
        wait_for_spare(porter, pod, 1)
        pusher = Pusher(port)
        wait_for_spare(porter, pod, 2)
        stack.callback(pusher.socket.close)
        unread = stack.enter_context(apps.chosen(port, "source"))
        unread.sendall(f"{LARGE} unread\n".encode())
        porter.until(lambda: pod.seen(7021)["out"] > MIB, "the download began")
        assert settled(lambda: pod.seen(7021)["out"]) < LARGE
        assert pusher.stalled()
        new = [stack.enter_context(apps.chosen(port, "echo")) for _ in range(20)]
        with ThreadPoolExecutor(20) as pool:
            assert list(pool.map(lambda s: apps.echo_on(s, b"x" * 50000), new)) == [b"x" * 50000] * 20
        assert apps.echo_on(old, b"still here") == b"still here"
        end = time.monotonic() + USER_TIMEOUT + 5
        while time.monotonic() < end:
            assert apps.echo_on(old) == b"hello"
            time.sleep(0.5)
        assert pusher.stalled()
        pod.read_stubborn()
        assert pusher.finish() == apps.sha256(pusher.data)
        assert apps.sha256(apps.read_all(unread)) == apps.sha256(apps.stream(LARGE, "unread"))
        for s in new:
            assert apps.echo_on(s) == b"hello"
    assert porter.logged("connection reset") == []


def test_one_tunnel_only_new_connections_pass_two_stalled_ones_by(namespace, new_porter, cluster):
    pod = namespace.pod("app")
    porter = new_porter(tunnels=1)
    porter.cluster("one", cluster.kubeconfig())
    port = porter.forward("one", namespace.name, "app", 7021, type="pod")
    porter.start()
    porter.wait(lambda: apps.echo_on(apps.chosen(port, "echo")))
    pusher = Pusher(port)
    with apps.chosen(port, "source") as unread:
        unread.sendall(f"{LARGE} unread\n".encode())
        porter.until(lambda: pod.seen(7021)["out"] > MIB // 2, "the download began")
        settled(lambda: pod.seen(7021)["out"])
        for _ in range(20):
            with apps.chosen(port, "echo") as s:
                assert apps.echo_on(s) == b"hello"
        pod.read_stubborn()
        apps.abort(unread)
    assert pusher.finish() == apps.sha256(pusher.data)
    pusher.socket.close()


# ---- many ----

def descriptors(porter):
    return len(os.listdir(f"/proc/{porter.process.pid}/fd"))


def resident(porter):
    """Bytes of memory."""
    return int(Path(f"/proc/{porter.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_two_hundred_connections_at_once_are_all_correct(namespace, porter):
    pod = namespace.pod("app")
    port = porter.forward("one", namespace.name, "app", 7011, type="pod")
    porter.start()
    assert porter.wait(apps.duplex, port, 1, "first")
    sockets = [apps.connect(port) for _ in range(200)]
    porter.until(lambda: pod.seen(7011)["open"] == 200, "200 connections at the application")
    with ThreadPoolExecutor(200) as pool:
        same = pool.map(lambda i: apps.duplex_on(sockets[i], 65536 + i, f"seed-{i}"), range(200))
        assert list(same) == [True] * 200
    for s in sockets:
        s.close()


def test_ten_thousand_short_connections_leave_nothing_behind(namespace, new_porter, cluster, monkeypatch):
    monkeypatch.setenv("ASAN_OPTIONS", "quarantine_size_mb=1")
    pod = namespace.pod("app")
    porter = new_porter()
    porter.cluster("one", cluster.kubeconfig())
    port = porter.forward("one", namespace.name, "app", 7007, type="pod")
    porter.start()
    porter.wait_echo(port)

    def run(n):
        for i in range(n):
            assert apps.echo(port, b"%08d" % i) == b"%08d" % i
        porter.until(lambda: pod.seen(7007)["open"] == 0, "all connections ended at the application")
        return descriptors(porter), resident(porter)

    before = run(2000)
    after = run(8000)
    assert after[0] <= before[0]
    assert after[1] <= before[1] + (8 * MIB if ASAN else MIB // 2)
    assert pod.seen()["tunnels"]["opened"] <= 4
    assert pod.seen(7007)["accepted"] == 10001


def test_fifty_aborted_downloads_leave_nothing_behind(namespace, porter):
    pod = namespace.pod("app")
    port = porter.forward("one", namespace.name, "app", 7019, type="pod")
    porter.start()
    assert porter.wait(apps.source, port, 1, "x") == apps.stream(1, "x")
    before = descriptors(porter)
    for i in range(50):
        s = apps.connect(port)
        s.sendall(f"{LARGE} {i}\n".encode())
        assert apps.read_exactly(s, MIB) == apps.stream(MIB, str(i))
        apps.abort(s)
    porter.until(lambda: pod.seen(7019)["open"] == 0, "the application saw all ends")
    # One tunnel is open then; surplus ones are closed a while after they were last used.
    porter.until(lambda: descriptors(porter) <= before + 3, "no descriptors more than the tunnels'")
    assert pod.seen()["tunnels"]["open"] <= 4
    assert apps.source(port, 5 * MIB, "after") == apps.stream(5 * MIB, "after")


# ---- ends ----

RUNTIMES = ["containerd", "cri-o", "docker"]


def nc(port, text):
    """printf TEXT | nc -N: sends, ends what it sends, prints the answer."""
    return subprocess.run(["nc", "-N", "127.0.0.1", str(port)], input=text, check=True, capture_output=True,
                          timeout=60).stdout


@pytest.mark.parametrize("transport", ["auto", "v4"])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_slow_answer_arrives_though_the_client_has_ended_what_it_sends(
        namespace, new_porter, cluster, runtime, transport):
    namespace.pod("app", runtime=runtime)
    porter = new_porter()
    porter.cluster("one", cluster.kubeconfig(), transport=transport)
    port = porter.forward("one", namespace.name, "app", 8080, type="pod")
    porter.start()
    assert porter.wait_http(port) == "app"
    answer = nc(port, b"GET /slow HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n") and answer.endswith(b"\r\n\r\napp\n")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_long_answer_arrives_whole_though_the_client_has_ended_what_it_sends(namespace, porter, runtime):
    namespace.pod("app", runtime=runtime)
    port = porter.forward("one", namespace.name, "app", 7019, type="pod")
    porter.start()
    assert porter.wait(apps.source, port, 1, "x") == apps.stream(1, "x")
    with apps.connect(port) as s:
        s.sendall(f"{LARGE} whole\n".encode())
        s.shutdown(socket.SHUT_WR)
        half = apps.read_exactly(s, LARGE // 2)
        time.sleep(1.5)  # longer than containerd goes on behind an end
        assert apps.sha256(half + apps.read_all(s)) == apps.sha256(apps.stream(LARGE, "whole"))


def test_docker_an_application_that_waits_for_the_clients_end_sees_it(namespace, porter):
    pod = namespace.pod("app", runtime="docker")
    waiter = porter.forward("one", namespace.name, "app", 7013, type="pod")
    sink = porter.forward("one", namespace.name, "app", 7009, type="pod")
    porter.start()
    assert porter.wait(apps.sink, sink, b"x") == apps.sha256(b"x")
    porter.until(lambda: len(porter.logged("forward active")) == 2, "both Active")
    assert nc(waiter, b"hello") == b"got 5 bytes\n"
    data = apps.stream(3 * MIB, "sunk")
    with apps.connect(sink) as s:
        s.sendall(b"-1 -\n" + data)
        s.shutdown(socket.SHUT_WR)
        assert apps.read_all(s).decode().strip() == apps.sha256(data)
    porter.until(lambda: pod.seen(7013)["open"] + pod.seen(7009)["open"] == 0, "both connections ended")


@pytest.mark.parametrize("transport", ["auto", "v4"])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_client_that_has_closed_frees_its_connection_at_once(namespace, new_porter, cluster, runtime, transport):
    """At once: not only when it has been quiet for as long as one that has only ended what it sends."""
    pod = namespace.pod("app", runtime=runtime)
    porter = new_porter()
    porter.cluster("one", cluster.kubeconfig(), transport=transport)
    port = porter.forward("one", namespace.name, "app", 7012, type="pod")  # it answers nothing, ever
    echo = porter.forward("one", namespace.name, "app", 7007, type="pod")
    porter.start()
    porter.wait_echo(echo)
    pod.read_stubborn()
    closes = [socket.socket.close, shut_and_close, apps.abort]
    for close in closes:
        s = porter.wait(apps.connect, port)
        s.sendall(b"hello")
        porter.until(lambda: pod.seen(7012)["open"] == 1, "the application has it")
        close(s)
        porter.until(lambda: pod.seen(7012)["open"] == 0, "its end at the application", 10)
    assert pod.seen(7012)["accepted"] == len(closes)


def shut_and_close(s):
    s.shutdown(socket.SHUT_WR)
    time.sleep(0.2)
    s.close()


# ---- local addresses ----

@pytest.mark.parametrize("first, second", [("127.0.0.1", "127.0.0.2"), ("127.1.2.3", "127.255.0.9"),
                                           ("127.0.0.5", "::1")])
def test_one_port_on_two_addresses_is_two_forwards(namespace, porter, first, second):
    names = {first: "one-pod", second: "other-pod"}
    local_port = free_port()
    for address, name in names.items():
        namespace.pod(name)
        porter.forward("one", namespace.name, name, 8080, type="pod", local_port=local_port, local_address=address)
    porter.start()
    assert {a: porter.wait(http_at, a, local_port) for a in names} == names
    assert listening_on(local_port) == set(names)


def test_without_an_address_both_loopbacks_lead_to_one_pod(namespace, porter):
    namespace.pod("web")
    port = porter.forward("one", namespace.name, "web", 8080, type="pod")
    porter.start()
    assert [porter.wait(http_at, a, port) for a in ("127.0.0.1", "::1")] == ["web"] * 2
    assert listening_on(port) == {"127.0.0.1", "::1"}


def http_at(address, port):
    connection = apps.http.client.HTTPConnection(address, port, timeout=60)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode().strip()
    finally:
        connection.close()


def listening_on(port):
    """The addresses on which anybody listens to the port."""
    found = set()
    for family, name in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            address, at = line.split()[1].split(":")
            if int(at, 16) == port and line.split()[3] == "0A":
                words = [bytes.fromhex(address[i:i + 8])[::-1] for i in range(0, len(address), 8)]
                found.add(socket.inet_ntop(family, b"".join(words)))
    return found
