"""Clients of the servers in each pod (backend/habits.go), through any local port."""
import hashlib
import http.client
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from .waiting import LIMIT, until

PIECE = 32 << 10  # bytes


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=LIMIT)


def piece(seed, number, n=PIECE):
    """Of what a server sends for a seed.  In pieces, so that the other threads of a process have their turns."""
    return hashlib.shake_128(f"{seed} {number}".encode()).digest(n)


def stream(n, seed):
    """The first n bytes."""
    return b"".join(piece(seed, at // PIECE, min(n - at, PIECE)) for at in range(0, n, PIECE))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def read_exactly(s, n):
    data = bytearray(n)
    view, at = memoryview(data), 0
    while at < n:
        got = s.recv_into(view[at:])
        if got == 0:
            raise EOFError(f"ended after {at} of {n} bytes")
        at += got
    return bytes(data)


def read_all(s):
    parts = []
    while part := s.recv(65536):
        parts.append(part)
    return b"".join(parts)


def read_to_reset(s):
    """All bytes before ECONNRESET; an orderly end is an error."""
    got = b""
    try:
        while part := s.recv(65536):
            got += part
    except ConnectionResetError:
        return got
    raise AssertionError(f"ended without a reset, after {len(got)} bytes")


def abort(s):
    """Closes with a reset."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def echo(port, data=b"hello"):
    """One connection: sends, reads as much back."""
    with connect(port) as s:
        return echo_on(s, data)


def echo_on(s, data=b"hello"):
    s.sendall(data)
    return read_exactly(s, len(data))


def http_get(port, path="/"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode().strip()
    finally:
        connection.close()


def source(port, n, seed):
    with connect(port) as s:
        s.sendall(f"{n} {seed}\n".encode())
        return read_all(s)


def chosen(port, server):
    """A connection to the port that is what its first line says (backend/habits.go)."""
    s = connect(port)
    s.sendall(f"{server}\n".encode())
    return s


def refused(port):
    """What a connection gives before it is reset."""
    try:
        s = connect(port)
    except ConnectionResetError:  # it came before connect(2) had returned
        return b""
    with s:
        return read_to_reset(s)


def sink(port, data):
    """Sends all; returns the SHA-256 that the server made of it."""
    with connect(port) as s:
        s.sendall(f"{len(data)} -\n".encode() + data)
        return read_all(s).decode().strip()


def duplex(port, n, seed):
    """n bytes each way at the same time; returns whether both ends have the same."""
    with connect(port) as s:
        return duplex_on(s, n, seed)


def duplex_on(s, n, seed):
    up, down = stream(n, seed + "-up"), hashlib.sha256()
    s.sendall(f"{n} {seed}-down\n".encode())
    sender = threading.Thread(target=s.sendall, args=(up,))
    sender.start()
    left = n
    while left:
        part = s.recv(min(left, 1 << 18))
        if not part:
            raise EOFError(f"{left} of {n} bytes missing")
        down.update(part)
        left -= len(part)
    sender.join()
    said = read_all(s).decode().strip()
    return (down.hexdigest(), said) == (sha256(stream(n, seed + "-down")), sha256(up))


class Steady:
    """Opens a new connection every so often, to each of the ports in turn, sends a
    line and reads it back: until its block ends, and all connections with it.  They
    do not wait for each other; `failed` says of each that failed which and how."""

    def __init__(self, *ports, every=0.02):
        self.ports, self.every = ports, every
        self.count, self.failed = 0, []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def run(self):
        due = time.monotonic()
        with ThreadPoolExecutor(128) as pool:
            while not self.over.is_set():
                pool.submit(self.one, self.count)
                self.count += 1
                due += self.every
                self.over.wait(due - time.monotonic())

    def one(self, number):
        port, line = self.ports[number % len(self.ports)], b"line %d\n" % number
        try:
            if (got := echo(port, line)) != line:
                self.failed.append((number, port, got))
        except (OSError, EOFError) as e:
            self.failed.append((number, port, repr(e)))


class Flow:
    """An echo that goes on and on: what it has sent comes back, byte for byte.  pause: seconds between two blocks."""

    def __init__(self, s, block=1 << 16, pause=0):
        self.socket, self.over, self.block, self.pause = s, threading.Event(), block, pause
        self.bytes, self.failed = 0, None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while not self.over.wait(self.pause):
                block = stream(self.block, f"block at {self.bytes}")
                if echo_on(self.socket, block) != block:
                    raise ValueError("wrong bytes")
                self.bytes += len(block)
        except (OSError, EOFError, ValueError) as e:
            self.failed = e

    def goes_on(self):
        """Waits for blocks that were sent from now on."""
        wanted = self.bytes + 2 * self.block
        until(lambda: self.failed or self.bytes >= wanted, "the flow goes on")
        assert not self.failed, f"after {self.bytes} bytes: {self.failed!r}"

    def end(self):
        """How many bytes came back; fails if any was wrong, or it was cut."""
        self.over.set()
        self.thread.join()
        self.socket.close()
        assert not self.failed, f"after {self.bytes} bytes: {self.failed!r}"
        return self.bytes
