"""What runs in a pod: small servers, each with one habit that a port-forward has
to carry, and counts of what the application sees.  The same ones as
tests/cluster/backend has; when a pod runs is pods.py's business.

Those that need an order read it as their first line: "LENGTH SEED".  The bytes
they send are SHAKE-128 of SEED.
"""
import asyncio
import functools
import hashlib
from email.utils import formatdate

from rig import apps

from . import loopback

PIECE = apps.PIECE


class Count:
    def __init__(self):
        self.accepted = self.open = self.read = self.written = 0
        self.ended = {}

    def report(self):
        return {"accepted": self.accepted, "open": self.open, "in": self.read, "out": self.written,
                "ended": dict(self.ended)}


class Socket:
    """The application's end of a connection.  It counts what passes, and how it ended: the first sign counts."""

    def __init__(self, end, count):
        self.end, self.count, self.told, self.closed = end, count, False, False
        self.ahead = b""
        count.accepted += 1
        count.open += 1

    def ended(self, how):
        if not self.told:
            self.told = True
            self.count.ended[how] = self.count.ended.get(how, 0) + 1

    async def read(self):
        if self.ahead:
            data, self.ahead = self.ahead, b""
            return data
        try:
            data = await self.end.read()
        except ConnectionResetError:
            self.ended("reset")
            raise
        self.count.read += len(data)
        if not data:
            self.ended("eof")
        return data

    async def write(self, data):
        try:
            await self.end.write(data)
        except ConnectionResetError:
            self.ended("reset")
            raise
        self.count.written += len(data)

    async def line(self):
        """The next line.  EOFError: it ended before."""
        got = b""
        while b"\n" not in got:
            part = await self.read()
            if not part:
                raise EOFError
            got += part
        line, _, self.ahead = got.partition(b"\n")
        return line.decode()

    async def order(self):
        n, seed = (await self.line()).split()
        return int(n), seed

    def close(self, how="closed", abort=False):
        self.ended(how)
        if not self.closed:
            self.closed = True
            self.count.open -= 1
            self.end.abort() if abort else self.end.close()


class App:
    """One pod's servers.  The counts outlive stop()."""

    def __init__(self, name):
        self.name, self.running, self.deaf = name, False, set()
        self.released = asyncio.Event()
        self.counts = {port: Count() for port in HABITS}
        self.sockets = {}  # to the task that serves each

    def start(self):
        self.running, self.deaf = True, set()

    def stop(self):
        """Ends all as the death of a process does."""
        self.running = False
        for socket, task in list(self.sockets.items()):
            socket.close("stopped")
            task.cancel()

    def listen(self, port, yes):
        if not self.running or port not in HABITS:
            raise ValueError(f"nothing runs on port {port}")
        self.deaf = self.deaf - {port} if yes else self.deaf | {port}

    def connect(self, port):
        """The client's end.  ConnectionRefusedError: nobody listens."""
        if not self.running or port not in HABITS or port in self.deaf:
            raise ConnectionRefusedError
        ours, theirs = loopback.pair()
        socket = Socket(ours, self.counts[port])
        self.sockets[socket] = asyncio.create_task(self.run(HABITS[port], socket))
        return theirs

    async def run(self, habit, socket):
        try:
            await habit(self, socket)
        except (ConnectionResetError, EOFError, ValueError):
            pass  # the peer has gone, or its order was none
        finally:
            socket.close()
            self.sockets.pop(socket, None)


piece = functools.lru_cache(256)(apps.piece)


async def send_stream(socket, n, seed):
    """Piece by piece: to compute all of it first would hold up everybody else."""
    for at in range(0, n, PIECE):
        await socket.write(piece(seed, at // PIECE)[:n - at])


async def send(socket, data):
    view = memoryview(data)
    for at in range(0, len(data), PIECE):
        await socket.write(view[at:at + PIECE])


async def echo(app, socket):
    """Sends back what comes, until the peer's end."""
    while data := await socket.read():
        await socket.write(data)


async def source(app, socket):
    """Takes an order, sends that many bytes and closes."""
    await send_stream(socket, *await socket.order())


async def sink(app, socket):
    """Takes an order (its seed is not used), reads that many bytes, or with a
    negative number all until the peer's end, and answers with their SHA-256."""
    n, _ = await socket.order()
    await answer_hash(socket, n)


async def answer_hash(socket, n):
    digest, got = hashlib.sha256(), 0
    while got < n or n < 0:
        data = await socket.read()
        if not data:
            if n < 0:
                break
            return
        digest.update(data)
        got += len(data)
    await socket.write(f"{digest.hexdigest()}\n".encode())


async def duplex(app, socket):
    """Takes an order, sends that many bytes while it reads as many, then sends
    the SHA-256 of what it read, and closes."""
    n, seed = await socket.order()
    sending = asyncio.create_task(send_stream(socket, n, seed))
    try:
        digest, got = hashlib.sha256(), 0
        while got < n:
            data = await socket.read()
            if not data:
                return
            digest.update(data)
            got += len(data)
        await sending
        await socket.write(f"{digest.hexdigest()}\n".encode())
    finally:
        sending.cancel()


async def stubborn(app, socket):
    """Reads nothing until it is told to, then all."""
    await app.released.wait()
    while await socket.read():
        pass


async def late_sink(app, socket):
    """A sink that begins when the stubborn port does."""
    await app.released.wait()
    await sink(app, socket)


async def waiter(app, socket):
    """Speaks only after the peer's end."""
    got = 0
    while data := await socket.read():
        got += len(data)
    await socket.write(f"got {got} bytes\n".encode())


async def resetter(app, socket):
    """Takes an order, sends that many bytes, and aborts once the peer has them all."""
    await send_stream(socket, *await socket.order())
    while socket.end.unread():
        await asyncio.sleep(0.001)
    socket.close(abort=True)


async def greeter(app, socket):
    """Says its name and closes at once."""
    await socket.write(f"hello from {app.name}\n".encode())


async def plain(app, socket):
    """Takes an order and sends that many zeros; or reads as many, if the number
    is negative, and says so; or, if it is 0, sends back what comes."""
    n, _ = await socket.order()
    if n > 0:
        await send(socket, bytes(n))
    elif n < 0:
        while n < 0 and (data := await socket.read()):
            n += len(data)
        await socket.write(b"done\n")
    else:
        await echo(app, socket)


async def chosen(app, socket):
    """Told by its first line which server to be."""
    serve = BY_NAME.get(await socket.line())
    if serve:
        await serve(app, socket)


async def web(app, socket):
    """Answers with the pod's name; under /slow after three seconds."""
    while True:
        method, path, version = (await socket.line()).split()
        fields = set()
        while field := (await socket.line()).strip().lower():
            fields.add(field)
        if path == "/slow":
            await asyncio.sleep(3)
        body = f"{app.name}\n".encode()
        last = version == "HTTP/1.0" or "connection: close" in fields
        await socket.write((
            f"{version} 200 OK\r\nDate: {formatdate(usegmt=True)}\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\n\r\n").encode() + body)
        if last:
            return


HABITS = {7007: echo, 7009: sink, 7011: duplex, 7012: stubborn, 7013: waiter, 7014: resetter, 7015: greeter,
          7019: source, 7020: plain, 7021: chosen, 8080: web}
BY_NAME = {"echo": echo, "source": source, "sink": sink, "duplex": duplex, "waiter": waiter,
           "resetter": resetter, "late-sink": late_sink}
