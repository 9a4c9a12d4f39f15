"""Clients that never rest: each opens connections to one forward, does something
with them at random, and checks every byte of what comes back.

A connection may be reset at any time.  What it may never do: give a wrong byte, end
in good order before all is there, or stand still.
"""
import errno
import random
import select
import socket
import threading
import time

from rig.apps import abort, connect, sha256, stream
from rig.waiting import LIMIT

CHOSEN = 7021  # the pods' port where the first line says what serves it
STILL_S = 90  # a connection may be held for 30 s, and then wait for answers that do not come
RESET = (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)  # which of them, is for the call to say that meets it
KEPT = 3  # connections that a client keeps open between their turns


class Wrong(Exception):
    """What must never happen."""


class Cut(Wrong):
    """An end in good order before all was there."""


class Totals:
    """Of all clients."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = dict.fromkeys(("connections", "complete", "reset", "left", "ended by the pod", "bytes"), 0)

    def add(self, what, n=1):
        with self.lock:
            self.counts[what] += n


class Talk:
    """One connection: what is sent on it and what has to come back."""

    def __init__(self, port, server, totals):
        self.opened, self.totals = time.monotonic(), totals
        totals.add("connections")
        self.socket = connect(port)
        self.socket.setblocking(False)
        self.head = f"{server}\n".encode()

    def pass_on(self, out, want, pause=None, half_close=False, leave_after=None):
        """Sends out while it reads what is wanted.  pause: (after so many bytes, seconds) without
        reading.  leave_after: so many bytes read, it is let alone; returns whether it was."""
        out, self.head = memoryview(self.head + out), b""
        sent = got = 0
        while sent < len(out) or got < len(want):
            readable, writable, _ = select.select([self.socket], [self.socket] if sent < len(out) else [], [], STILL_S)
            if not readable and not writable:
                raise Wrong(f"stands still: {sent} of {len(out)} bytes sent, {got} of {len(want)} read")
            if readable:
                part = self.socket.recv(65536)
                if not part:
                    raise Cut(f"ends in good order: {sent} of {len(out)} bytes sent, {got} of {len(want)} read")
                if part != want[got:got + len(part)]:
                    raise Wrong(f"a wrong byte between {got} and {got + len(part)} of {len(want)}")
                got += len(part)
                self.totals.add("bytes", len(part))
                if leave_after is not None and got >= leave_after:
                    return True
                if pause and got >= pause[0]:
                    time.sleep(pause[1])
                    pause = None
            if writable:
                sent += self.socket.send(out[sent:sent + 65536])
                if sent == len(out) and half_close:
                    self.socket.shutdown(socket.SHUT_WR)
        return False

    def expect_end(self):
        if not select.select([self.socket], [], [], STILL_S)[0]:
            raise Wrong("stands still, at its end")
        if more := self.socket.recv(65536):
            raise Wrong(f"{len(more)} bytes more than there are")

    def expect_reset(self):
        try:
            self.expect_end()
        except ConnectionResetError:
            return
        raise Cut("ends in good order, where the server broke it off")


class Client(threading.Thread):
    """Of one forward.  forward: port, has_half_close, and had_dead(since), whether a pod of it
    may have died meanwhile, which ends connections in good order.  wrong(text) is told of what
    must not happen."""

    def __init__(self, forward, seed, totals, wrong):
        super().__init__(daemon=True)
        self.forward, self.random, self.totals, self.wrong = forward, random.Random(seed), totals, wrong
        self.kept, self.number = [], 0
        self.may_run, self.rests = threading.Event(), threading.Event()

    # ---- its life ----

    def run(self):
        while True:
            if not self.may_run.is_set():
                self.rest()
            self.act()
            time.sleep(self.random.expovariate(5))

    def rest(self):
        for talk in self.kept:
            talk.socket.close()
        self.kept = []
        self.rests.set()
        self.may_run.wait()
        self.rests.clear()

    def act(self):
        """One thing, at random."""
        if self.kept and self.random.random() < 0.5:
            talk = self.kept.pop(self.random.randrange(len(self.kept)))
            self.go_on(talk, self.keep)
        elif len(self.kept) < KEPT and self.random.random() < 0.3:
            self.begin("echo", self.keep)
        else:
            self.begin(*self.random.choice(self.choices()))

    def choices(self):
        some = [("echo", self.echo), ("source", self.source), ("sink", self.sink), ("duplex", self.duplex),
                ("resetter", self.resetter)]
        return some + [("waiter", self.waiter)] * self.forward.has_half_close

    def begin(self, server, do):
        self.number += 1
        try:
            talk = Talk(self.forward.port, server, self.totals)
        except ConnectionRefusedError:
            self.wrong(f"{self.forward.name}: nobody listens")
        except ConnectionResetError:
            self.totals.add("reset")
        except OSError as e:
            self.wrong(f"{self.forward.name}: {e}")
        else:
            self.go_on(talk, do)

    def go_on(self, talk, do):
        """do: returns whether the connection is kept."""
        try:
            if do(talk):
                self.kept.append(talk)
                return
        except OSError as e:
            self.totals.add("reset")
            if e.errno not in RESET:
                self.wrong(f"{self.forward.name}: {do.__name__}: {e}")
        except Wrong as e:
            if isinstance(e, Cut) and self.forward.had_dead(talk.opened):
                self.totals.add("ended by the pod")
            else:
                self.wrong(f"{self.forward.name}: {do.__name__} of {time.monotonic() - talk.opened:.1f} s: {e}")
        talk.socket.close()

    # ---- what it does with a connection ----

    def size(self):
        """Mostly small."""
        return int(2 ** self.random.uniform(0, 20 if self.random.random() < 0.2 else 14))

    def data(self):
        self.number += 1
        return stream(self.size(), f"{self.forward.name} {self.number}")

    def carry(self, talk, out, want, half_close=False):
        """Now and then the client reads late, or leaves before the end.  Returns whether it is still there."""
        mood, at = self.random.random(), self.random.randrange(len(want) + 1)
        pause = (at, self.random.uniform(0.1, 3)) if mood < 0.1 else None
        if not talk.pass_on(out, want, pause, half_close, at if mood > 0.9 else None):
            return True
        self.totals.add("left")
        if self.random.random() < 0.5:
            abort(talk.socket)
        return False

    def to_the_end(self, talk, out, want, half_close=False):
        """The server closes behind what is wanted."""
        if self.carry(talk, out, want, half_close):
            talk.expect_end()
            self.totals.add("complete")

    def keep(self, talk):
        """A round on a connection that is kept, often for another."""
        data = self.data()
        if not self.carry(talk, data, data):
            return False
        if self.may_run.is_set() and self.random.random() < 0.8:
            return True
        self.totals.add("complete")
        return False

    def echo(self, talk):
        data = self.data()
        if self.carry(talk, data, data, self.random.random() < 0.2):
            self.totals.add("complete")

    def source(self, talk):
        n, seed = self.size(), f"s{self.random.randrange(1 << 30)}"
        self.to_the_end(talk, f"{n} {seed}\n".encode(), stream(n, seed))

    def resetter(self, talk):
        n, seed = self.size(), f"r{self.random.randrange(1 << 30)}"
        if self.carry(talk, f"{n} {seed}\n".encode(), stream(n, seed)):
            talk.expect_reset()
            self.totals.add("complete")

    def sink(self, talk):
        data = self.data()
        self.to_the_end(talk, f"{len(data)} -\n".encode() + data, f"{sha256(data)}\n".encode())

    def duplex(self, talk):
        n, seed = self.size(), f"d{self.random.randrange(1 << 30)}"
        up = stream(n, f"{seed}-up")
        self.to_the_end(talk, f"{n} {seed}\n".encode() + up, stream(n, seed) + f"{sha256(up)}\n".encode())

    def waiter(self, talk):
        data = self.data()
        self.to_the_end(talk, data, f"got {len(data)} bytes\n".encode(), half_close=True)
