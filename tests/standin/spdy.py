"""SPDY/3.1 as the kubelet's library serves it: streams, which five workers feed,
and pings.  What the streams carry is the caller's.

There is no flow control: whoever does not read holds up a worker, then the
worker's queue fills, then nothing is read from the tunnel any more.
"""
import asyncio
import struct
import zlib
from collections import deque

SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 1, 2, 3, 6, 7
FIN = 1
PROTOCOL_ERROR, CANCEL = 1, 5
WORKERS, QUEUE = 5, 50
# The header block of a reply is empty; so the library's compressor, which has a dictionary, makes it:
FIRST_REPLY, REPLY = (bytes.fromhex(text) for text in ("78f9e3c6a7c26260606000000000ffff", "026100000000ffff"))


class Malformed(Exception):
    """A frame that ends the session, with a GOAWAY before it or without."""

    def __init__(self, go_away=True):
        super().__init__()
        self.go_away = go_away


class Stream:
    """read(), write(), end() and reset(), of one stream that the client has opened."""

    def __init__(self, session, number, headers, finished):
        self.session, self.number, self.headers = session, number, headers
        self.slot = None  # what the worker has, and nobody has read yet
        self.finished, self.gone, self.we_ended = finished, False, False
        self.readable = asyncio.Event()
        self.worker = session.workers[number % WORKERS]

    def offer(self, data):
        """Whether it was taken."""
        if self.gone or self.finished:
            return True
        if self.slot is not None:
            return False
        self.slot = data
        self.readable.set()
        return True

    def finish(self):
        """Behind what was offered before."""
        if self.slot is not None and not self.gone:
            return False
        self.finished = True
        self.readable.set()
        return True

    def drop(self):
        """A reset from the client, or the end of the tunnel: what reads it sees an end."""
        self.gone, self.slot = True, None
        self.readable.set()
        self.worker.resume()

    async def read(self):
        while self.slot is None:
            if self.finished or self.gone:
                return b""
            self.readable.clear()
            await self.readable.wait()
        data, self.slot = self.slot, None
        self.worker.resume()
        return data

    async def write(self, data):
        if self.gone or self.we_ended:
            raise ConnectionResetError
        await self.session.send_data(self.number, data)

    async def end(self):
        if not self.gone and not self.we_ended:
            self.we_ended = True
            await self.session.send_data(self.number, b"", FIN)

    async def reset(self, why=CANCEL):
        if not self.gone:
            self.drop()
            await self.session.send_control(RST_STREAM, struct.pack(">II", self.number, why))


class Worker:
    """Handles frames in order; one that cannot be handled holds up those behind it."""

    def __init__(self):
        self.queue, self.room, self.busy = deque(), asyncio.Event(), False

    async def push(self, handle):
        """handle() returns whether it could."""
        if not self.queue and handle():
            return
        while len(self.queue) >= QUEUE:
            self.room.clear()
            await self.room.wait()
        self.queue.append(handle)
        self.resume()

    def resume(self):
        """What is handled may call it again."""
        if self.busy:
            return
        self.busy = True
        while self.queue and self.queue[0]():
            self.queue.popleft()
        self.busy = False
        self.room.set()


class Session:
    """put(pieces) is a coroutine that sends what the library writes, piece by
    piece; opened(stream) is one called for each new stream: it accepts or resets
    it; pongs() is one that says, in its own time, whether to answer a ping.
    """

    def __init__(self, put, opened, pongs):
        self.put, self.opened, self.pongs = put, opened, pongs
        self.workers = [Worker() for _ in range(WORKERS)]
        self.streams, self.last, self.replied, self.turn = {}, 0, False, 0
        self.inflate = zlib.decompressobj()
        self.buffer, self.need, self.tasks = bytearray(), 8, set()

    async def feed(self, data):
        """Takes what came.  Malformed: the session is over."""
        self.buffer += data
        while len(self.buffer) >= 8:
            first, second = struct.unpack_from(">II", self.buffer)
            n = 8 + (second & 0xffffff)
            if len(self.buffer) < n:
                return
            payload = bytes(memoryview(self.buffer)[8:n])
            del self.buffer[:n]
            if first >> 31:
                await self.control(first, second >> 24, payload)
            else:
                await self.data(first, second >> 24, payload)

    async def data(self, number, flags, payload):
        stream = self.streams.get(number)
        if not stream:
            return
        if payload:
            await stream.worker.push(lambda: stream.offer(payload))
        if flags & FIN:
            await stream.worker.push(stream.finish)

    async def control(self, first, flags, payload):
        kind = first & 0xffff
        if first >> 16 != 0x8003:
            return
        if kind in (0, 5) or kind > 9:
            raise Malformed(go_away=False)
        if kind == SYN_STREAM:
            await self.syn_stream(flags, payload)
        elif kind == RST_STREAM and len(payload) >= 4:
            stream = self.streams.pop(struct.unpack_from(">I", payload)[0], None)
            if stream:
                await stream.worker.push(lambda: stream.drop() or True)
        elif kind == PING and len(payload) >= 4:
            await self.ping(payload[:4])
        elif kind == GOAWAY:
            raise Malformed  # the library answers in kind

    async def ping(self, number):
        worker, self.turn = self.workers[self.turn], (self.turn + 1) % WORKERS
        if number[3] & 1:
            await worker.push(lambda: self.start(self.pong(number)))

    async def pong(self, number):
        if await self.pongs():
            await self.send_control(PING, number)

    async def syn_stream(self, flags, payload):
        number = struct.unpack_from(">I", payload)[0] if len(payload) >= 10 else 0
        headers = self.header_block(payload[10:])
        if not number & 1 or number <= self.last:
            await self.send_control(RST_STREAM, struct.pack(">II", number, PROTOCOL_ERROR))
            return
        self.last = number
        stream = self.streams[number] = Stream(self, number, headers, bool(flags & FIN))
        await stream.worker.push(lambda: self.start(self.opened(stream)))

    def header_block(self, block):
        try:
            plain = self.inflate.decompress(block)
            count, at, texts = struct.unpack_from(">I", plain)[0], 4, []
            for _ in range(2 * count):
                n = struct.unpack_from(">I", plain, at)[0]
                texts.append(plain[at + 4:at + 4 + n].decode())
                at += 4 + n
        except (zlib.error, struct.error, UnicodeDecodeError) as e:
            raise Malformed from e
        return dict(zip(texts[::2], texts[1::2]))

    async def reply(self, stream):
        block = REPLY if self.replied else FIRST_REPLY
        self.replied = True
        await self.send_control(SYN_REPLY, struct.pack(">I", stream.number), block)

    def start(self, coroutine):
        task = asyncio.create_task(until_lost(coroutine))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return True

    async def send_control(self, kind, payload, more=b""):
        pieces = [b"\x80\x03", struct.pack(">H", kind), struct.pack(">I", len(payload) + len(more))]
        pieces += [payload[at:at + 4] for at in range(0, len(payload), 4)]
        await self.put(pieces + ([more] if more else []))

    async def send_data(self, number, data, flags=0):
        await self.put([struct.pack(">I", number), struct.pack(">I", flags << 24 | len(data)), data])

    async def fail(self, malformed):
        if malformed.go_away:
            await self.go_away()
        self.over()

    async def go_away(self):
        await self.send_control(GOAWAY, struct.pack(">II", 0, 0))

    def over(self):
        for stream in list(self.streams.values()):
            stream.drop()


async def until_lost(coroutine):
    """Nobody waits for it, and the connection may go before it is done."""
    try:
        await coroutine
    except ConnectionResetError:
        pass
