"""A forward that is hit by faults, and two beside it that must not notice: one to
another pod of the same cluster, one to another cluster.  On each a connection is
talking all the time.

Forwards are called hit (or hit-something, if they are several), beside and far, as
their pods and services are; the stand-ins of a worker are shared by its tests.
"""
import os
import select
import socket
import statistics
import threading
import time
from collections import Counter

from rig import apps
from rig.kube import Namespace
from rig.waiting import until

INTERVAL_S = DELAY_S = 0.3  # check_interval, reconnect_delay
SETTINGS = {"check_interval": "300ms", "reconnect_delay": "300ms", "hold": "60s", "tunnels": "2"}
LONG_S = 45  # for what the program gives up after 30 s
PORTS = [{"name": "chosen", "port": 7, "targetPort": 7021}]


class Talk:
    """A connection on which each piece must come back as it was sent.  end: how it
    has ended, None while it goes on."""

    def __init__(self, port):
        self.pieces, self.end, self.over = 0, None, False
        self.socket = apps.chosen(port, "echo")
        self.socket.settimeout(LONG_S)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while not self.over:
                piece = apps.stream(1500, str(self.pieces))
                if apps.echo_on(self.socket, piece) != piece:
                    self.end = "other bytes"
                    return
                self.pieces += 1
                if select.select([self.socket], [], [], 0.03)[0]:  # its end; to write would turn it into a reset
                    apps.read_exactly(self.socket, 1)
        except (ConnectionResetError, BrokenPipeError):
            self.end = "reset"
        except EOFError:
            self.end = "in good order"
        except OSError as e:
            self.end = str(e)

    def goes_on(self):
        """Waits for pieces that were sent from now on."""
        wanted = self.pieces + 2
        until(lambda: self.end or self.pieces >= wanted, "the connection goes on", LONG_S)
        assert self.end is None

    def stop(self):
        self.over = True
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join()
        self.socket.close()


class Shared:
    """The stand-ins of all scenes of one worker."""

    def __init__(self, one, two):
        self.one, self.two = one, two

    def stop(self):
        logs = ""
        for standin in (self.one, self.two):
            standin.stop()
            logs += standin.log()
        assert logs == "", logs


class Scene:
    """start() begins it.  With hurt() the time of the fault begins, and with healed()
    it is over; both are called once."""

    def __init__(self, shared, new_porter, transport="auto", names=("hit", "beside"), kind="service", **settings):
        self.one, self.two = shared.one, shared.two
        self.near, self.there = Namespace(self.one.cluster), Namespace(self.two.cluster)
        self.porter = new_porter(**SETTINGS | settings)
        self.transport, self.pods, self.ports, self.talks = transport, {}, {}, {}
        self.hits = [name for name in names if name.startswith("hit")]
        for cluster, namespace, those in (("one", self.near, names), ("two", self.there, ["far"])):
            self.porter.cluster(cluster, namespace.cluster.kubeconfig(folder=self.porter.folder), transport=transport)
            for name in those:
                self.pods[name] = namespace.pod(name)
                namespace.service(name, ports=PORTS)
                self.ports[name] = self.porter.forward(cluster, namespace.name, name,
                                                       7 if kind == "service" else 7021, type=kind)

    def start(self, *names):
        """Until those are Active (all, if none is named) and talk."""
        self.porter.start()
        for name in names or self.ports:
            self.wait(name, "Active")
            self.talk(name)

    def talk(self, name):
        if name in self.talks:
            self.talks[name].stop()
        self.talks[name] = self.porter.wait(Talk, self.ports[name])
        self.talks[name].goes_on()
        return self.talks[name]

    # ---- what is told ----

    def lines(self, name):
        """The lines of a forward so far."""
        return [line for line in list(self.porter.lines) if line.split(" ")[0].endswith(f"/{name}")]

    def state(self, name):
        lines = self.lines(name)
        return lines[-1].split(" ")[1].rstrip(":") if lines else None

    def tells(self, name, state, words=""):
        """Whether its last line tells this state, with these words."""
        return self.state(name) == state and words in self.lines(name)[-1]

    def wait(self, name, state, words=""):
        self.porter.until(lambda: self.tells(name, state, words), f"{name} {state}: {words}", LONG_S)

    def told(self, name, words):
        """Whether a line since hurt() has these words."""
        return [line for line in self.lines(name)[self.told_before.get(name, 0):] if words in line]

    # ---- before and after ----

    def counts(self):
        """What the stand-in that is hit has seen so far."""
        counts = self.one.counts()
        return Counter({kind: sum(n.values()) for kind, n in counts["requests"].items()} |
                       {"handshakes": counts["handshakes"]["begun"]})

    def own_descriptors(self):
        """Those that are no connection, neither to a server nor of a Talk.  Connections come
        and go between two counts: what is found most often is so."""
        def count():
            held = len(os.listdir(f"/proc/{self.porter.process.pid}/fd"))
            return held - sum(sum(s.counts()["open"].values()) for s in (self.one, self.two)) - len(self.talks)
        return statistics.mode(count() for _ in range(9))

    def open(self):
        """Tunnels and watches of both clusters."""
        return [standin.counts()["open"][kind] for standin in (self.one, self.two) for kind in ("tunnel", "watch")]

    def hurt(self):
        """The time of the fault begins."""
        self.descriptors = self.own_descriptors()
        self.counted, self.began = self.counts(), time.monotonic()
        self.told_before = {name: len(self.lines(name)) for name in self.ports}

    def healed(self):
        """It is over: requests were bounded."""
        seconds, asked = time.monotonic() - self.began, self.counts() - self.counted
        most = bounds(seconds, len(self.hits), len(self.ports) - 1 - len(self.hits))
        assert all(asked[kind] <= most[kind] for kind in asked), (seconds, asked, most)

    def recovers(self):
        """All is as it was before, and nothing is left behind."""
        for name in self.hits:
            self.wait(name, "Active")
            self.talk(name)
        self.nobody_else_noticed()
        each = 1 if self.transport == "v4" else 2  # a spare one
        near = len(self.ports) - 1
        self.porter.until(lambda: self.open() == [each * near, near, each, 1], "tunnels and watches as before", LONG_S)
        self.porter.until(lambda: self.own_descriptors() <= self.descriptors, "descriptors as before", LONG_S)

    def broken(self):
        """Waits for the end of the connection that is hit, which must not look like a good one."""
        until(lambda: self.talks["hit"].end, "the connection that is hit ends", LONG_S)
        assert self.talks["hit"].end == "reset", self.talks["hit"].end

    def nobody_else_noticed(self):
        for name in self.ports.keys() - set(self.hits):
            self.talks[name].goes_on()
            assert len(self.lines(name)) == 1, self.lines(name)

    def nothing_was_told(self):
        told = self.lines("hit")[self.told_before["hit"]:]
        assert told == [], told

    def stop(self):
        for talk in self.talks.values():
            talk.stop()
        self.one.clear()
        for namespace in (self.near, self.there):
            namespace.end()


def persists(scene, state, seconds=0.6):
    """The state lasts, and new connections are treated as it says: returns one that is held."""
    held = Talk(scene.ports["hit"]) if state == "Reconnecting" else None
    if not held:
        assert apps.refused(scene.ports["hit"]) == b""
    time.sleep(seconds)
    assert scene.state("hit") == state, scene.lines("hit")
    assert not held or (held.end, held.pieces) == (None, 0)
    return held


def served_at_last(held):
    if held:
        held.goes_on()
        held.stop()


def table(*parts):
    """The rows of those tables, for parametrize()."""
    rows = {}
    for part in parts:
        rows |= part
    return {"argvalues": list(rows.values()), "ids": list(rows)}


def tries(seconds, delay=DELAY_S):
    """How many tries of one forward its back-off allows in that time."""
    n, at = 2, 0.9 * delay  # the first comes at once
    while at < min(seconds, 10):
        n, at = n + 1, at + 0.9 * max(delay, 2 ** (n - 1))
    return n * (1 + int(seconds / 10))  # a change of the network's routes ends a wait, each 10 s at most


def bounds(seconds, hits, others):
    """How many requests of each kind there may be: in each try two transports, a look for
    the service and one for its pods; besides, spares, and looks at each interval."""
    n = tries(seconds)
    tunnels = hits * (2 * n + 2 + seconds / 4)
    looks = hits * (2 * n + 2 + seconds / (0.9 * INTERVAL_S)) + others * (2 + seconds / (5 * INTERVAL_S))
    watches = (hits + others) * (n + 2)
    return {"tunnel": tunnels, "api": looks, "watch": watches, "handshakes": tunnels + looks + watches}
