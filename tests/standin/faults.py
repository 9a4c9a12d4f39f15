"""The table of faults: which are on, whom they hit, and what those about requests
and tunnels do.  What is done below TLS is done in wire.py; the names, and what
each means, stand at the head of control.py.
"""
import asyncio
import struct

from . import web, ws

SHAPES = {"black-hole", "stall", "latency", "bandwidth", "bytewise"}  # last as long as they are on
SHOTS = {"cut", "garbage-record"}  # happen once to a connection
HANDSHAKE = {"garbage-handshake", "expired"}  # befall new connections
ANSWERS = {"garbage-head", "status", "no-answer"}  # instead of the answer to a request
BODIES = {"half-answer", "garbage-json"}  # in the answer to a request, or in a running watch
WATCHES = BODIES | {"watch-error", "long-line"}
FRAMES = {"ws-garbage", "ws-masked", "ws-partial", "ws-close",
          "spdy-garbage", "spdy-endless", "spdy-goaway"}  # once into each tunnel
STREAMS = {"spdy-reset", "spdy-no-reply"}
PONGS = {"ws-no-pong", "spdy-no-pong", "spdy-slow-pong"}
NAMES = SHAPES | SHOTS | HANDSHAKE | ANSWERS | WATCHES | FRAMES | STREAMS | PONGS | {"refuse"}

NOT_JSON = b'{"kind":"Pod\x00\xff\x1b[2J,]}\n'


class Fault:
    def __init__(self, number, spec):
        self.number, self.name = number, spec.pop("name", "")
        self.where, self.pod, self.path = (spec.pop(key, None) for key in ("where", "pod", "path"))
        self.count, self.only, self.more = spec.pop("count", None), spec.pop("only", None), spec
        self.hits = 0
        if self.name not in NAMES:
            raise ValueError(f"no such fault: {self.name}")

    def get(self, key, default=None):
        return self.more.get(key, default)

    def is_for(self, kind, pod, path=""):
        return (self.where in (None, kind) and (self.path is None or self.path in path) and
                (self.pod is None or self.pod in (pod, pod.partition("/")[2])))

    def takes(self, taken):
        """Counts a victim, by what it has taken before; False: it is not one, all are found."""
        if self not in taken:
            if self.count is not None and self.hits >= self.count:
                return False
            self.hits += 1
            taken.add(self)
        return True

    def report(self):
        return {"id": self.number, "name": self.name, "hits": self.hits}


class Faults:
    """on_change() is called whenever a fault has begun: those who wait may be hit by it."""

    def __init__(self, on_change, refuse, expired):
        self.on_change, self.refuse, self.expired = on_change, refuse, expired
        self.table, self.last = [], 0
        self.connections, self.tunnels = {}, set()  # a connection's value: the last fault before it

    # ---- on and off ----

    async def begin(self, spec):
        self.last += 1
        fault = Fault(self.last, spec)
        self.table.append(fault)
        if fault.name == "refuse":
            await self.refuse(True)
        for connection in list(self.connections):
            self.reshape(connection)
        meetings = [asyncio.create_task(self.meet(tunnel)) for tunnel in self.tunnels]
        if meetings:
            await asyncio.wait(meetings, timeout=1)  # one that does not read holds up its own
        self.on_change()
        return fault

    async def end(self, number=None):
        """One, or all."""
        ended = [f for f in self.table if number in (None, f.number)]
        self.table = [f for f in self.table if f not in ended]
        if any(f.name == "refuse" for f in ended) and not any(f.name == "refuse" for f in self.table):
            await self.refuse(False)
        for connection in list(self.connections):
            self.reshape(connection)
            if connection.swallowed and not any(f.name == "black-hole" for f in connection.shape):
                connection.cut("rst")  # what it has lost nobody can give back
        return ended

    # ---- whom they hit ----

    def on(self, connection, names, path=""):
        """Those of the names that are on for a connection, each of which counts it."""
        return [f for f in self.table if f.name in names and f.is_for(connection.kind, connection.pod, path) and
                self.is_of_age(f, connection) and f.takes(connection.taken)]

    def is_of_age(self, fault, connection):
        """fault.only: old, those that were there before it; new, the others."""
        was_there = self.connections.get(connection, fault.number) < fault.number
        return fault.only is None or was_there == (fault.only == "old")

    def next(self, connection, request, names):
        """The first that is on for a request, and has not hit it yet."""
        for f in self.table:
            if (f.name in names and f not in request.taken and f.is_for(request.kind, request.pod, request.target) and
                    self.is_of_age(f, connection) and f.takes(request.taken)):
                return f
        return None

    # ---- connections ----

    def opened(self, connection):
        self.connections[connection] = self.last
        self.reshape(connection)

    def closed(self, connection):
        self.connections.pop(connection, None)

    def reshape(self, connection):
        connection.reshape(self.on(connection, SHAPES), self.on(connection, SHOTS))

    def takes(self, connection, name):
        return bool(self.on(connection, {name}))

    def context(self, connection):
        return self.expired() if self.takes(connection, "expired") else None

    # ---- requests ----

    async def answers(self, connection, request, counts):
        """Whether one has answered, or has seen to it that nobody does."""
        fault = self.next(connection, request, ANSWERS)
        if not fault:
            return False
        if fault.name == "status":
            counts.answered(request.kind, fault.get("code", 500))
            await connection.write(status_answer(fault))
        elif fault.name == "garbage-head":
            counts.answered(request.kind, "garbage")
            await connection.write(bytes(range(256)) * 4)
            connection.close()
        else:
            counts.answered(request.kind, "none")
            await ws.drain(connection)
        return True

    async def spoils(self, connection, request, said):
        """Whether one has put something else into the place of an answer."""
        fault = self.next(connection, request, BODIES)
        if fault and fault.name == "garbage-json":
            await connection.write(web.answer(200, NOT_JSON))
        elif fault:
            await connection.write(said[:len(said) - 20])
            await leave(connection, fault)
        return bool(fault)

    async def spoils_watch(self, connection, request):
        """Into a running watch.  Returns whether it is over."""
        fault = self.next(connection, request, WATCHES)
        if not fault:
            return False
        if fault.name == "watch-error":
            code = fault.get("code", 410)
            said = web.Refusal(code, fault.get("message", "too old resource version: 1 (2)"), REASONS.get(code, ""))
            await connection.write(web.event("ERROR", said.status))
            return True
        if fault.name == "half-answer":
            await connection.write(web.event("MODIFIED", {"kind": "Pod", "metadata": {"name": "cut"}})[:-20])
            await leave(connection, fault)
        elif fault.name == "garbage-json":
            await connection.write(web.chunk(NOT_JSON))
        else:
            await connection.write(web.chunk(b'{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"'))
            for _ in range(0, fault.get("bytes", 64 << 20), 65536):
                await connection.write(web.chunk(b"x" * 65536))
            await connection.write(web.chunk(b'"}}}\n'))
        return False

    # ---- tunnels ----

    async def tunnel_opened(self, tunnel):
        self.tunnels.add(tunnel)
        await self.meet(tunnel)

    def tunnel_closed(self, tunnel):
        self.tunnels.discard(tunnel)

    async def meet(self, tunnel):
        """What happens once to a tunnel."""
        for fault in self.table:
            if fault.name in FRAMES and fault not in tunnel.met and tunnel.speaks(fault.name) and \
                    fault in self.on(tunnel.connection, {fault.name}):
                tunnel.met.add(fault)
                await FRAME_ACTS[fault.name](tunnel, fault)
            elif fault.name == "spdy-reset" and fault in self.on(tunnel.connection, {fault.name}):
                await tunnel.reset_streams()


async def leave(connection, fault):
    """then: close, the default, or silence."""
    if fault.get("then", "close") == "silence":
        await ws.drain(connection)
    connection.cut("fin")


def status_answer(fault):
    code = fault.get("code", 500)
    fields = {"Retry-After": fault.get("retry_after")} if fault.get("retry_after") is not None else {}
    if not fault.get("body", True):
        return web.head(code, {"Content-Length": 0, **fields})
    if fault.get("hex"):
        return web.answer(code, bytes.fromhex(fault.get("hex")), fields)
    message = fault.get("message", f"the stand-in answers {code}")
    return web.Refusal(code, message, REASONS.get(code, ""), **fields).answer()


REASONS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 410: "Expired",
           429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}


# ---- frames ----

async def ws_garbage(tunnel, _):
    tunnel.connection.send(b"\xf3\x05garbage" * 10)


async def ws_masked(tunnel, _):
    tunnel.connection.send(ws.frame(ws.BINARY, b"\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x02", mask=b"mask"))


async def ws_partial(tunnel, fault):
    tunnel.connection.send(ws.frame(ws.BINARY, b"\x02" + bytes(999))[:500])  # for no stream and no channel there is
    if fault.get("then", "close") == "silence":
        tunnel.connection.mute = True
    else:
        tunnel.connection.cut("fin")


async def ws_close(tunnel, fault):
    reason = fault.get("reason", "").encode()
    tunnel.connection.send(ws.frame(ws.CLOSE, struct.pack(">H", fault.get("code", 1011)) + reason))
    tunnel.connection.close()


async def spdy_garbage(tunnel, _):
    await tunnel.session.put([b"\x80\x02\x00\x63\xff\x00\x00\x40" + bytes(range(64))])


async def spdy_endless(tunnel, _):
    await tunnel.session.put([b"\x80\x03\x00\x63\x00\xff\xff\xff"])


async def spdy_goaway(tunnel, fault):
    await tunnel.session.go_away()
    if fault.get("then", "open") == "close":
        tunnel.connection.close()


FRAME_ACTS = {"ws-garbage": ws_garbage, "ws-masked": ws_masked, "ws-partial": ws_partial, "ws-close": ws_close,
              "spdy-garbage": spdy_garbage, "spdy-endless": spdy_endless, "spdy-goaway": spdy_goaway}
