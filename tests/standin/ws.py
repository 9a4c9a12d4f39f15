"""WebSocket (RFC 6455), the server's side, as the two libraries do it that
kube-apiserver and the kubelet use."""
import asyncio
import base64
import hashlib
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
BUFFER = 4096  # of the API server's library: what is longer goes out in fragments
RECORD = 16384  # it passes on what comes from the kubelet by TLS records


def accept(key):
    return base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()


def frame(opcode, payload, fin=True, mask=None):
    n, bit = len(payload), 0x80 if mask else 0
    length = bytes([bit | n]) if n < 126 else struct.pack(">BH", bit | 126, n) if n < 65536 else \
        struct.pack(">BQ", bit | 127, n)
    return b"".join([bytes([fin << 7 | opcode]), length, mask or b"", unmasked(payload, mask) if mask else payload])


def messages(pieces):
    """Each piece that was written, as the API server sends it: fragments behind
    which an empty one may come, the end of the message."""
    out = []
    for piece in pieces:
        for at in range(0, len(piece), RECORD):
            part = piece[at:at + RECORD]
            if len(part) > 2 * BUFFER:
                out += frame(BINARY, part, fin=False), frame(CONTINUATION, b"")
            elif len(part) > BUFFER:
                out += frame(BINARY, part[:BUFFER], fin=False), frame(CONTINUATION, part[BUFFER:])
            else:
                out.append(frame(BINARY, part))
    return b"".join(out)


def unmasked(payload, mask):
    n = len(payload)
    whole = (mask * (n // 4 + 1))[:n]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(whole, "little")).to_bytes(n, "little")


class Wrong(Exception):
    """The other end breaks the protocol."""


class Reader:
    """Frames from a connection; pings are answered, a close is answered and ends them."""

    def __init__(self, connection, pongs=lambda: True):
        self.connection, self.buffer, self.pongs = connection, bytearray(), pongs

    async def need(self, n):
        while len(self.buffer) < n:
            part = await self.connection.read()
            if not part:
                raise EOFError
            self.buffer += part
        taken = bytes(memoryview(self.buffer)[:n])
        del self.buffer[:n]
        return taken

    async def frame(self):
        """(opcode, FIN, payload) of the next data frame; None: closed."""
        while True:
            first, second = await self.need(2)
            opcode, n = first & 15, second & 127
            if not second & 0x80:
                raise Wrong("bad MASK")
            if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
                raise Wrong(f"bad opcode {opcode}")
            if n > 125:
                n = int.from_bytes(await self.need(2 if n == 126 else 8), "big")
            mask = await self.need(4)
            payload = unmasked(await self.need(n), mask)
            if opcode == CLOSE:
                return None
            if opcode == PING and self.pongs():
                self.connection.send(frame(PONG, payload))
            if opcode < CLOSE:
                return opcode, bool(first & 0x80), payload

    async def parts(self):
        """Yields (begins, payload) of each data frame until the close, whose answer is sent."""
        begins = True
        try:
            while got := await self.frame():
                opcode, fin, payload = got
                if opcode == TEXT:
                    break
                yield begins, payload
                begins = fin
            self.connection.send(frame(CLOSE, struct.pack(">H", 1000)))
        except Wrong as e:
            self.connection.send(frame(CLOSE, struct.pack(">H", 1002) + str(e).encode()))
        except EOFError:
            pass
        self.connection.close()


async def drain(connection):
    while await connection.read():
        await asyncio.sleep(0)
