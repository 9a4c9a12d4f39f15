"""Where descriptors are short: what is allowed at start can be done, connections wait for theirs without a turn of
the processor, and what a forward cannot do without is kept for it."""
import resource
import threading
import time

import pytest

from rig import apps
from rig.waiting import until

REST_S = 3
WAKES, TICKS = 60, 30  # in that time: a listener that waits looks once a second; one that spins has ten times the ticks


def limited(n):
    """What starts a porter that may have so many."""
    return ["prlimit", f"--nofile={n}"]


def needed(clusters, forwards):
    """What is asked for at the start (ulimit.c)."""
    return 20 + 4 * clusters + 5 * forwards + 8


class Crowd:
    """Clients that all connect, send a line, and wait for it; how: what each that has ended had."""

    def __init__(self, port, n):
        self.port, self.served, self.failed = port, 0, []
        self.threads = [threading.Thread(target=self.one, daemon=True) for _ in range(n)]
        for thread in self.threads:
            thread.start()

    def one(self):
        try:
            assert apps.echo(self.port) == b"hello"
            self.served += 1
        except (OSError, EOFError) as e:
            self.failed.append(e)

    def all_are_served(self):
        until(lambda: self.failed or self.served == len(self.threads), "all are served")
        assert self.failed == []


def waits(porter, crowd):
    """All do; and so does the program, when it has done what there was to do."""
    def rests():
        wakes, ticks = porter.wake_ups(), porter.ticks()
        time.sleep(REST_S)
        return porter.wake_ups() - wakes <= WAKES and porter.ticks() - ticks <= TICKS
    porter.until(rests, "it rests")
    assert (crowd.served, crowd.failed) == (0, [])


def all_was_well(porter):
    return not [line for line in porter.log() if "open files" in line or "forward failed" in line]


@pytest.mark.parametrize("in_clusters, forwards", [(1, 1), (1, 6), (2, 12)])
def test_just_enough_are_enough(new_namespace, porter, clusters, in_clusters, forwards):
    """Each forward has a service, and so a watch, of its own; some connections at once are served whatever there is."""
    if in_clusters == 1:
        porter.drop("cluster two")
    namespaces, ports = [new_namespace(c) for c in clusters[:in_clusters]], []
    for i in range(forwards):
        namespace = namespaces[i % in_clusters]
        namespace.pod(f"app-{i}")
        namespace.service(f"app-{i}", ports=[{"name": "echo", "port": 7, "targetPort": 7007}])
        ports.append(porter.forward(namespace.cluster.name, namespace.name, f"app-{i}", 7))
    porter.start(by=limited(needed(in_clusters, forwards)))
    for port in [*ports, *ports]:
        assert porter.wait_echo(port) == b"hello"
    at_once = [apps.connect(port) for port in (ports * 4)[:4]]
    assert all(apps.echo_on(s) == b"hello" for s in at_once)
    for s in at_once:
        s.close()
    assert all_was_well(porter)


@pytest.fixture
def lost(new_relay, new_porter, namespace, cluster, tmp_path):
    """A Porter whose cluster is away: lost.back() brings it back."""
    namespace.pod("app")
    relay = new_relay(cluster.port)
    porter = new_porter(check_interval="500ms", reconnect_delay="300ms", hold="10m")
    porter.cluster("one", cluster.kubeconfig("developer", tmp_path, server=f"https://127.0.0.1:{relay.port}"))
    porter.port = porter.forward("one", namespace.name, "app", 7007, type="pod")
    porter.start(by=limited(48))
    porter.wait_echo(porter.port)
    relay.close()
    porter.wait_state("one/app", "Reconnecting")
    porter.back = lambda: new_relay(cluster.port, port=relay.port)
    return porter


def test_those_who_wait_leave_the_tunnel_its_descriptors(lost):
    """More than there are descriptors: some are held, the others wait in the kernel; nobody is told no."""
    crowd = Crowd(lost.port, 100)
    lost.until(lambda: lost.logged("no descriptors left: new connections wait"), "descriptors are short")
    waits(lost, crowd)
    lost.back()
    crowd.all_are_served()
    assert len(lost.logged("no descriptors left")) == 1
    assert all_was_well(lost)


@pytest.mark.parametrize("transport", ["auto", "v4"])
def test_further_connections_wait_until_others_end(new_porter, namespace, cluster, tmp_path, transport):
    namespace.pod("app")
    porter = new_porter(hold="10m")
    porter.cluster("one", cluster.kubeconfig("developer", tmp_path), transport=transport)
    port = porter.forward("one", namespace.name, "app", 7007, type="pod")
    porter.start(by=limited(48))
    porter.wait_echo(port)
    before = [apps.connect(port) for _ in range(48)]  # those that get none come before the crowd, too
    porter.until(lambda: porter.logged("no descriptors left"), "descriptors are short")
    crowd = Crowd(port, 20)
    waits(porter, crowd)
    assert all(apps.echo_on(s) == b"hello" for s in before[:5])
    for s in before:
        s.close()
    crowd.all_are_served()
    assert all_was_well(porter)


def test_where_the_kernel_has_none_connections_wait_too(porter, namespace):
    """Fewer than there were at the start: what is carried goes on."""
    namespace.pod("app")
    port = porter.forward("one", namespace.name, "app", 7007, type="pod")
    porter.start()
    carried = porter.wait(apps.connect, port)
    assert apps.echo_on(carried) == b"hello"
    had = resource.prlimit(porter.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(porter.process.pid, resource.RLIMIT_NOFILE, (8, had[1]))
    crowd = Crowd(port, 20)
    porter.until(lambda: porter.logged("no descriptors left"), "descriptors are short")
    waits(porter, crowd)
    assert apps.echo_on(carried) == b"hello"
    resource.prlimit(porter.process.pid, resource.RLIMIT_NOFILE, had)
    crowd.all_are_served()
    assert apps.echo_on(carried) == b"hello"
