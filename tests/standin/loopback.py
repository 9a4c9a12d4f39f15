"""Connections inside the stand-in, between what runs in a pod and what connects
to it there: they behave as TCP on loopback does, without sockets."""
import asyncio
from collections import deque

ROOM = 256 << 10  # bytes one direction takes before its writer waits


class Pipe:
    """One direction."""

    def __init__(self):
        self.parts, self.size = deque(), 0
        self.ended = self.broken = self.deaf = False  # deaf: nobody reads any more
        self.readable, self.writable = asyncio.Event(), asyncio.Event()

    async def read(self):
        """The next bytes; b"" at the end.  ConnectionResetError behind the last ones, if it was cut."""
        while not self.parts:
            if self.broken or self.deaf:
                raise ConnectionResetError
            if self.ended:
                return b""
            self.readable.clear()
            await self.readable.wait()
        part = self.parts.popleft()
        self.size -= len(part)
        self.writable.set()
        return part

    async def write(self, data):
        while self.size >= ROOM and not self.broken and not self.deaf:
            self.writable.clear()
            await self.writable.wait()
        if self.broken or self.deaf or self.ended:
            raise ConnectionResetError
        if data:
            self.parts.append(data)
            self.size += len(data)
            self.readable.set()

    def set(self, what):
        setattr(self, what, True)
        self.readable.set()
        self.writable.set()


class End:
    """One end of a connection."""

    def __init__(self, inward, outward):
        self.inward, self.outward = inward, outward

    async def read(self):
        return await self.inward.read()

    async def write(self, data):
        await self.outward.write(data)

    def end_write(self):
        self.outward.set("ended")

    def close(self):
        """With bytes unread it is a reset, as the kernel does it."""
        if self.inward.parts and not self.inward.broken:
            self.abort()
        self.outward.set("ended")
        self.inward.set("deaf")

    def abort(self):
        self.outward.set("broken")
        self.inward.set("deaf")

    def unread(self):
        """Bytes written that the other end has not read."""
        return self.outward.size


def pair():
    one, other = Pipe(), Pipe()
    return End(one, other), End(other, one)
