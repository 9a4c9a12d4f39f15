"""The port-forward endpoint: SPDY in WebSocket, bare SPDY, and v4, each as the
API server (which checks rights and ends the first itself) and the kubelet
behind it (which serves the others) do it together.
"""
import asyncio
import random
import struct

from . import rights, runtime, web, ws
from .pods import NODE
from .spdy import Malformed, Session
from .web import Refusal, bad_request

TUNNELED, V4, DIRECT = "SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io", "portforward.k8s.io"
PAIR_S = 30  # how long one stream of a pair waits for the other


async def serve(api, connection, request, target, user):
    """Returns status and answer of a refusal, or when the tunnel has ended."""
    if request.method == "GET" and not rights.allows(api.store, user, "create", target.whole, ""):
        raise Refusal(403, f'{target.resource} "{target.name}" is forbidden: ', "Forbidden", target.details())
    obj = api.find(target)
    if "upgrade" not in request.tokens("connection") or "upgrade" not in request.headers:
        raise bad_request("Upgrade request required")
    ports = numbers(request.query.get("ports", ""))
    pod = find_pod(api, obj, target)
    if isinstance(pod, bytes):
        return refuse(api, connection, 500, pod)
    carry, status, words = transport(request, ports)
    if not carry:
        return refuse(api, connection, status, words)
    pod.tunnels["opened"] += 1
    pod.tunnels["open"] += 1
    api.counts.answered("tunnel", 101)
    try:
        await carry(api, connection, request, pod, ports)
    except ConnectionResetError:
        pass
    finally:
        pod.tunnels["open"] -= 1
        connection.close()
    return 101, None


def transport(request, ports):
    """Who carries what is asked for; or None, status and words of a refusal."""
    if request.headers["upgrade"].lower() != "websocket":
        spoken = request.headers.get("x-stream-protocol-version", "")
        return direct if spoken == DIRECT else None, 403, (
            f"unable to upgrade: unable to negotiate protocol: client supports [{spoken}], server accepts [{DIRECT}]\n"
            .encode())
    offers = [word.strip() for word in request.headers.get("sec-websocket-protocol", "").split(",")]
    if TUNNELED in offers:
        return tunneled, None, None
    if V4 not in offers and offers != [""]:
        return None, 403, b""
    return v4 if ports else None, 400, b'query parameter "port" is required\n'


def refuse(api, connection, status, words):
    """As the kubelet does it, or the library in it; behind it the connection ends."""
    api.counts.answered("tunnel", status)
    fields = {"Content-Length": len(words), "Content-Type": "text/plain; charset=utf-8"} if words else {}
    connection.send(web.head(status, fields or {"Connection": "close"}) + words)
    connection.close()
    return status, None


def numbers(text):
    try:
        return [int(n) for n in filter(None, text.split(","))]
    except ValueError as e:
        raise bad_request(f'cannot convert to []int32: strconv.ParseUint: parsing "{text}": invalid syntax') from e


def find_pod(api, obj, target):
    """The pod as its node has it, or the node's words why not."""
    name = obj["spec"].get("nodeName")
    if not name:
        raise bad_request(f"pod {target.name} does not have a host assigned")
    node = api.store.get("nodes", "", name)
    if node or name != NODE:
        status = node["status"] if node else {}
        port = status.get("daemonEndpoints", {}).get("kubeletEndpoint", {}).get("Port", 0)
        address = (status.get("addresses") or [{}])[0].get("address", "127.0.0.1")
        raise Refusal(500, f"error dialing backend: dial tcp {address}:{port}: connect: connection refused")
    pod = api.node.pods.get((target.namespace, target.name))
    if not pod or pod.phase != "Running":
        return f'pod not found ("{target.name}_{target.namespace}")\n'.encode()
    return pod


def accept(connection, request, protocol):
    connection.send(web.head(101, {
        "Upgrade": "websocket", "Connection": "Upgrade",
        "Sec-WebSocket-Accept": ws.accept(request.headers.get("sec-websocket-key", "")),
        "Sec-WebSocket-Protocol": protocol}))


class Tunnel:
    """One of any transport, as faults meet it."""

    def __init__(self, faults, connection, websocket, session=None):
        self.faults, self.connection, self.websocket, self.session = faults, connection, websocket, session
        self.met = set()  # the faults that have happened to it

    async def __aenter__(self):
        await self.faults.tunnel_opened(self)
        return self

    async def __aexit__(self, *_):
        self.faults.tunnel_closed(self)

    def speaks(self, fault):
        return bool(self.session) if fault.startswith("spdy-") else self.websocket

    def has(self, fault):
        return self.faults.takes(self.connection, fault)

    async def pongs(self):
        for fault in self.faults.on(self.connection, {"spdy-slow-pong"}):
            await asyncio.sleep(fault.get("ms", 1000) / 1000)
        return not self.has("spdy-no-pong")

    async def reset_streams(self):
        for stream in list(self.session.streams.values()) if self.session else []:
            if stream.headers.get("streamtype") == "data":
                await stream.reset()


# ---- SPDY, in WebSocket or not ----

async def tunneled(api, connection, request, pod, ports):
    accept(connection, request, TUNNELED)

    async def put(pieces):
        await connection.write(ws.messages(pieces))

    async with spdy_tunnel(api, connection, pod, True, put) as tunnel:
        reader = ws.Reader(connection, lambda: not tunnel.has("ws-no-pong"))
        try:
            async for _, payload in reader.parts():
                await tunnel.session.feed(payload)
        except Malformed as e:
            await tunnel.session.fail(e)
            await ws.drain(connection)
        finally:
            tunnel.session.over()


async def direct(api, connection, request, pod, ports):
    connection.send(web.head(101, {"Connection": "Upgrade", "Upgrade": "SPDY/3.1",
                                   "X-Stream-Protocol-Version": DIRECT}))

    async def put(pieces):
        await connection.write(b"".join(pieces))

    async with spdy_tunnel(api, connection, pod, False, put) as tunnel:
        try:
            while data := await connection.read():
                await tunnel.session.feed(data)
        except Malformed as e:
            await tunnel.session.fail(e)
        finally:
            tunnel.session.over()


def spdy_tunnel(api, connection, pod, websocket, put):
    tunnel = Tunnel(api.faults, connection, websocket)
    tunnel.session = Session(put, Pairs(pod, tunnel).opened, tunnel.pongs)
    return tunnel


class Pairs:
    """Two streams, error and data, are one connection to the pod."""

    def __init__(self, pod, tunnel):
        self.pod, self.tunnel = pod, tunnel
        self.waiting = {}  # by request id: the first stream, and a timer

    async def opened(self, stream):
        kind, port = stream.headers.get("streamtype"), stream.headers.get("port", "")
        if kind not in ("error", "data") or not port.isdigit() or not 0 < int(port) < 65536:
            await stream.reset()
            return
        if self.tunnel.has("spdy-no-reply"):
            return
        if random.random() < 0.5:  # the library starts a thread for each stream
            await asyncio.sleep(0)
        await stream.session.reply(stream)
        number = stream.headers.get("requestid", "")
        first, timer = self.waiting.pop(number, (None, None))
        if first:
            timer.cancel()
            pair = {s.headers["streamtype"]: s for s in (first, stream)}
            if self.tunnel.has("spdy-reset"):
                await pair["data"].reset()
            await self.carry(pair.get("data"), pair.get("error"), int(port))
        else:
            give_up = asyncio.get_running_loop().call_later(PAIR_S, self.too_late, number)
            self.waiting[number] = stream, give_up

    def too_late(self, number):
        stream, _ = self.waiting.pop(number)
        stream.session.start(stream.reset())

    async def carry(self, data, error, port):
        if not data or not error:  # two of one kind
            return
        try:
            await runtime.forward(self.pod, port, data)
        except runtime.Broken as e:
            await self.tell(data, error, words(self.pod, port, e))
        except ConnectionResetError:
            pass
        else:
            await end_all(data, error)
        for stream in (data, error):
            stream.session.streams.pop(stream.number, None)

    async def tell(self, data, error, text):
        try:
            if not error.gone:
                await error.write(text)
            if data.we_ended:
                data.drop()
            await error.reset()
            await data.reset()
        except ConnectionResetError:
            pass


async def end_all(*streams):
    try:
        for stream in streams:
            await stream.end()
    except ConnectionResetError:
        pass


def words(pod, port, why):
    return f"error forwarding port {port} to pod {pod.sandbox}, uid : {why}".encode()


# ---- v4 ----

class Channel:
    """A stream of a WebSocket whose messages begin with the channel's number."""

    def __init__(self, connection, number):
        self.connection, self.number = connection, number
        self.slot, self.ended = None, False
        self.readable, self.writable = asyncio.Event(), asyncio.Event()

    async def take(self, data):
        while self.slot is not None and not self.ended:
            self.writable.clear()
            await self.writable.wait()
        self.slot = data
        self.readable.set()

    def finish(self):
        self.ended = True
        self.readable.set()
        self.writable.set()

    async def read(self):
        while self.slot is None:
            if self.ended:
                return b""
            self.readable.clear()
            await self.readable.wait()
        data, self.slot = self.slot, None
        self.writable.set()
        return data

    async def write(self, data):
        await self.connection.write(ws.frame(ws.BINARY, bytes([self.number]) + data))

    async def end(self):
        """There is no end of one direction."""


async def v4(api, connection, request, pod, ports):
    accept(connection, request, request.headers.get("sec-websocket-protocol", ""))
    channels = [Channel(connection, n) for n in range(2 * len(ports))]
    for channel in channels:
        await channel.write(struct.pack("<H", ports[channel.number // 2]))
    carried = [asyncio.create_task(carry_v4(pod, port, *channels[2 * i:2 * i + 2])) for i, port in enumerate(ports)]
    closing = asyncio.create_task(close_behind(connection, carried))
    number = 0
    async with Tunnel(api.faults, connection, True) as tunnel:
        async for begins, payload in ws.Reader(connection, lambda: not tunnel.has("ws-no-pong")).parts():
            if begins and payload:
                number, payload = payload[0], payload[1:]
            if payload and number < len(channels) and not number % 2:
                await channels[number].take(payload)
    for channel in channels:
        channel.finish()
    await closing


async def close_behind(connection, carried):
    await asyncio.wait(carried)
    connection.send(ws.frame(ws.CLOSE, struct.pack(">H", 1000)))
    connection.close()


async def carry_v4(pod, port, data, error):
    try:
        await runtime.forward(pod, port, data)
    except runtime.Broken as e:
        try:
            await error.write(words(pod, port, e))
        except ConnectionResetError:
            pass
    data.finish()
