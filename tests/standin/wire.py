"""One accepted connection: bytes, with TLS or without, and what faults do to
them below TLS.  Knows nothing of HTTP.

The table of faults says what is to be done (Connection.shape, faults.py); here
it is done: each direction is a lane, which holds, delays, slows or swallows.
"""
import asyncio
import socket
import ssl
import struct
from collections import deque
from contextlib import suppress

ROOM = 256 << 10  # bytes that may wait in one place before what fills it is held up
GARBAGE = bytes(range(128, 192)) * 4
LINGER_S = 10  # for the other end to close, behind our FIN


class Lane:
    """One direction of a connection.  Without faults, what is put in comes out at once."""

    def __init__(self, connection, name, out):
        self.connection, self.name, self.out = connection, name, out
        self.queue, self.size, self.task = deque(), 0, None

    def put(self, data):
        """data: bytes, or a function to be called when all before it has passed."""
        if not self.task and not self.connection.shape:
            self.pass_on(data)
            return
        if self.faults("black-hole"):
            self.connection.swallowed = True
            return
        self.queue.append((asyncio.get_running_loop().time(), data))
        self.size += 0 if callable(data) else len(data)
        self.task = self.task or asyncio.create_task(self.run())

    def faults(self, name):
        ours = ("both", self.name)
        return [f for f in self.connection.shape if f.name == name and f.get("direction", "both") in ours]

    async def run(self):
        while self.queue and not self.connection.lost:
            while self.faults("stall") and not self.connection.lost:
                await self.connection.reshaped.wait()
            at, data = self.queue.popleft()
            delay = sum(f.get("ms", 100) for f in self.faults("latency")) / 1000
            await asyncio.sleep(max(at + delay - asyncio.get_running_loop().time(), 0))
            if callable(data):
                data()
                continue
            await self.pass_slowly(data)
            self.size -= len(data)
            self.connection.made_room()
        self.task = None

    async def pass_slowly(self, data):
        """As fast as bandwidth allows, in pieces as small as it makes them."""
        rates = [f.get("bytes_per_s", 65536) for f in self.faults("bandwidth")]
        step = 1 if self.faults("bytewise") else max(min(rates) // 50, 1) if rates else len(data)
        for i in range(0, len(data), step):
            if self.connection.lost:
                return
            self.pass_on(data[i:i + step])
            await asyncio.sleep(step / min(rates) if rates else 0)

    def pass_on(self, data):
        if callable(data):
            data()
        else:
            self.out(data)


class Connection(asyncio.Protocol):
    """read(), write() and the ends.  on_open(connection) is a coroutine that
    serves it; kind and pod say what it has turned out to be."""

    def __init__(self, on_open, counts, faults=None, tls=None):
        self.on_open, self.counts, self.faults = on_open, counts, faults
        self.tls_context, self.tls = tls, None
        self.kind, self.pod, self.taken = "new", "", set()  # the faults that have hit it
        self.shape, self.shots, self.fired, self.sent, self.mute = [], {}, set(), 0, False
        self.reshaped = asyncio.Event()
        self.plain, self.plain_size = deque(), 0  # what was received, and not read yet
        self.ended = self.lost = self.closing = self.swallowed = False
        self.other_ended = self.we_ended = False  # a FIN has come, has gone
        self.holding = False  # the kernel takes no more for now
        self.readable, self.writable = asyncio.Event(), asyncio.Event()
        self.task = None

    # ---- what the event loop tells ----

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(ROOM)
        self.inward, self.outward = Lane(self, "in", self.decrypt), Lane(self, "out", self.emit)
        self.handshaking = self.begun = False
        if self.faults:
            self.counts.opened(self)
            self.faults.opened(self)
        if self.closing:
            return
        if self.tls_context:
            self.handshaking = True
            self.raw_in, self.raw_out = ssl.MemoryBIO(), ssl.MemoryBIO()
            context = self.faults.context(self) or self.tls_context
            self.tls = context.wrap_bio(self.raw_in, self.raw_out, server_side=True)
        else:
            self.begin()

    def data_received(self, data):
        if self.closing:
            return
        if self.handshaking and self.faults.takes(self, "garbage-handshake"):
            self.transport.write(GARBAGE)
            self.end_output()
            return
        self.inward.put(data)
        self.hold_reading()

    def eof_received(self):
        self.other_ended = True
        self.inward.put(self.end_input)
        return not self.closing

    def pause_writing(self):
        self.holding = True

    def resume_writing(self):
        self.holding = False
        self.made_room()

    def connection_lost(self, _):
        self.lost = self.ended = True
        self.reshaped.set()
        self.finish_handshake()
        if self.faults:
            self.counts.closed(self)
            self.faults.closed(self)
        self.readable.set()
        self.writable.set()
        if self.task and self.kind != "tunnel":  # a tunnel's end is its own affair
            self.task.cancel()

    # ---- faults ----

    def reshape(self, shape, shots):
        """shape: the faults that are on for it.  shots: those that happen once, when
        so many bytes more have been sent."""
        self.shape = shape
        self.shots = {f: self.shots.get(f, self.sent + f.get("after", 0)) for f in shots if f not in self.fired}
        self.reshaped.set()
        self.reshaped = asyncio.Event()
        self.fire()

    def fire(self):
        for fault in [f for f, at in self.shots.items() if self.sent >= at]:
            self.fired.add(fault)
            del self.shots[fault]
            if fault.name == "cut":
                self.cut(fault.get("how", "rst"))
            elif not self.we_ended:
                self.transport.write(GARBAGE)

    def emit(self, data):
        """To the kernel: up to the byte behind which something is to happen, and on."""
        while data and self.shots and not self.closing:
            n = max(min(self.shots.values()) - self.sent, 0)
            self.transport.write(data[:n])
            self.sent += len(data[:n])
            data = data[n:]
            self.fire()
        if data and not self.we_ended and not self.transport.is_closing():
            self.transport.write(data)
            self.sent += len(data)

    # ---- TLS ----

    def begin(self):
        self.task = asyncio.create_task(self.on_open(self))

    def finish_handshake(self, well=False):
        if self.begun:
            self.counts.handshake_ended(well)
        self.begun = self.handshaking = False

    def decrypt(self, data):
        if not self.tls:
            self.received(data)
            return
        self.raw_in.write(data)
        if self.handshaking and not self.shake_hands():
            return
        try:
            while part := self.tls.read(ROOM):
                self.received(part)
            self.end_input()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self.end_input()
        self.flush()

    def shake_hands(self):
        if not self.begun:
            self.begun = True
            self.counts.handshake_begun()
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self.flush()
            return False
        except ssl.SSLError:
            self.flush()
            self.finish_handshake()
            self.end_output()
            return False
        self.finish_handshake(well=True)
        self.begin()
        return True

    def flush(self):
        if self.raw_out.pending and not self.lost:
            self.outward.put(self.raw_out.read())

    def received(self, data):
        self.plain.append(data)
        self.plain_size += len(data)
        self.readable.set()

    def end_input(self):
        self.ended = True
        self.readable.set()
        if self.kind == "watch" and self.task:  # nobody would read it
            self.task.cancel()
        if self.handshaking:
            self.end_output()

    def hold_reading(self):
        if self.plain_size + self.inward.size > ROOM and not self.lost:
            self.transport.pause_reading()

    def made_room(self):
        if self.plain_size + self.inward.size <= ROOM and not self.lost and not self.transport.is_closing():
            self.transport.resume_reading()
        if not self.holding and self.outward.size <= ROOM:
            self.writable.set()

    # ---- what those who serve it use ----

    async def read(self):
        """The next bytes; b"" behind the last ones."""
        while not self.plain:
            if self.ended:
                return b""
            self.readable.clear()
            await self.readable.wait()
        data = self.plain.popleft()
        self.plain_size -= len(data)
        if not self.plain:
            self.made_room()
        return data

    def unread(self, data):
        if data:
            self.plain.appendleft(data)
            self.plain_size += len(data)

    def send(self, data):
        """Does not wait; what is written behind the end is lost."""
        if self.lost or self.closing or self.mute or not data:
            return
        if self.tls:
            self.tls.write(data)
            self.flush()
        else:
            self.outward.put(data)

    async def write(self, data):
        """Waits while the other end does not read.  ConnectionResetError: it has gone."""
        while self.holding or self.outward.size > ROOM:
            self.writable.clear()
            await self.writable.wait()
            if self.lost:
                break
        if self.lost:
            raise ConnectionResetError
        self.send(data)

    def become(self, kind, pod=""):
        """Has turned out to be: new, api, watch or tunnel."""
        if self.kind != kind or self.pod != pod:
            self.counts.turned(self, kind)
            self.kind, self.pod = kind, pod
            self.faults.reshape(self)

    def user(self):
        """Subject of the client's certificate: {field: [values]}; None without one."""
        certificate = self.tls and self.tls.getpeercert()
        if not certificate:
            return None
        subject = {}
        for part in certificate["subject"]:
            for name, value in part:
                subject.setdefault(name, []).append(value)
        return subject

    # ---- ends ----

    def close(self):
        """In good order, behind all that was sent."""
        if self.closing or self.lost:
            return
        if self.tls and not self.handshaking:
            try:
                self.tls.unwrap()
            except ssl.SSLError:
                pass  # its own end has not come yet
            self.flush()
        self.closing = self.ended = True
        self.readable.set()
        self.outward.put(self.end_output)

    def end_output(self):
        """A FIN, behind all that was sent.  What comes is thrown away until the other end closes: to close with bytes
        unread would send a reset, which overtakes the FIN."""
        if self.lost or self.we_ended:
            return
        self.closing = self.we_ended = True
        if self.other_ended:
            self.transport.close()
            return
        with suppress(OSError):  # a reset has come, and is told soon
            self.transport.write_eof()
        self.transport.resume_reading()
        asyncio.get_running_loop().call_later(LINGER_S, self.transport.abort)

    def cut(self, how):
        """Now, without a word of TLS.  how: fin or rst."""
        if self.lost:
            return
        raw = self.transport.get_extra_info("socket")
        self.closing = True
        if how == "rst":
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.end_input()
            self.end_output()
