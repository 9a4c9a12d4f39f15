"""The tests' way in, plain HTTP on a loopback port; client.py wraps it.  What
tests/cluster/node has:

    GET  /pods/NAMESPACE/NAME                  what the pod has seen
    POST /pods/NAMESPACE/NAME/read             its stubborn port begins to read
    POST /pods/NAMESPACE/NAME/restart?down=2s  its container restarts, and is down that long
    POST /pods/NAMESPACE/NAME/listen?port=7007&yes=false  a port refuses new connections (yes=true: takes them again)

And what a stand-in has:

    GET    /counts     counts.py: connections, handshakes, requests
    POST   /forget     what has happened so far: older resource versions are too old (410)
    POST   /faults     begins one; the body says which: {"name": ...}; the answer has its id
    GET    /faults     those that are on, and how many connections or requests each has hit
    DELETE /faults/ID, /faults    ends one, all

Every fault may have
    where   api, watch or tunnel (the kind of connection or request), or new: nothing has been asked on it yet
    pod     NAME or NAMESPACE/NAME, for tunnels to it
    path    what the request's path and query contain, for faults in answers
    count   hits so many connections (requests, for faults in answers) and no more
    only    old: connections that are there; new: those that come
and, by name, with fields of their own and their defaults:

  below TLS
    black-hole      what comes and goes is swallowed (direction both, in: from the client, out: to it); when the
                    fault ends those that have lost something are reset
    stall           nothing goes on (direction both); all does when the fault ends
    latency         ms (100), each way
    bandwidth       bytes_per_s (65536), each way
    bytewise        each byte in a packet of its own
    cut             how (rst; or fin), after so many more bytes sent (0)
    garbage-record  bytes that are no TLS record, after so many more bytes sent (0)
    garbage-handshake   the same instead of the server's hello, then the end
    expired         new connections get a certificate that has expired
    refuse          nobody listens

  answers
    garbage-head    no HTTP, then the end
    status          code (500), message, body (true: a Status; false: none), hex (the body's bytes), retry_after
    no-answer       never
    half-answer     cut short in the middle, then (close; or silence); also a line of each running watch
    garbage-json    no JSON; also as a line of each running watch
    watch-error     an ERROR event in each watch, running or new: code (410), message
    long-line       a line of so many bytes (64 MiB) in each watch, running or new

  tunnels: each that is open, and each as soon as it is
    ws-garbage      a frame of a kind that does not exist
    ws-masked       a masked frame
    ws-partial      half a frame, then (close; or silence)
    ws-close        a close frame, code (1011), reason, then the end
    ws-no-pong      pings are not answered
    spdy-garbage    a frame of another version, of a kind that does not exist
    spdy-endless    the beginning of a frame of a kind that does not exist, of 16 MiB
    spdy-goaway     then (open; or close)
    spdy-no-pong    pings are not answered
    spdy-slow-pong  they are, after ms (1000)
    spdy-no-reply   new streams get no SYN_REPLY and are not served
    spdy-reset      data streams are reset, those that are there, and new ones behind their SYN_REPLY
"""
from . import web
from .pods import seconds


class Control:
    def __init__(self, node, faults, counts):
        self.node, self.faults, self.counts = node, faults, counts

    async def serve(self, connection):
        try:
            while request := await web.read_request(connection):
                try:
                    said = web.answer(200, await self.act(request))
                except LookupError as e:
                    said = web.answer(404, f"{e}\n".encode())
                except ValueError as e:
                    said = web.answer(400, f"{e}\n".encode())
                await connection.write(said)
                if "close" in request.tokens("connection"):
                    break
        except ConnectionResetError:
            pass
        finally:
            connection.close()

    async def act(self, request):
        what, *rest = request.parts
        if what == "pods" and len(rest) >= 2:
            return await self.pod(request, *rest)
        act = getattr(self, f"{request.method.lower()}_{what}", None)
        if not act:
            raise LookupError("no such thing")
        return await act(request, *rest)

    async def get_counts(self, _):
        return self.counts.report()

    async def post_forget(self, _):
        self.node.store.forget()
        return {}

    async def post_faults(self, request):
        return (await self.faults.begin(request.json())).report()

    async def get_faults(self, _):
        return [f.report() for f in self.faults.table]

    async def delete_faults(self, _, number=None):
        return [f.report() for f in await self.faults.end(number and int(number))]

    async def pod(self, request, namespace, name, what="report"):
        pod = self.node.pods.get((namespace, name))
        if not pod:
            raise LookupError("no such pod")
        if what == "read":
            pod.app.released.set()
        elif what == "restart":
            await self.node.restart(pod, seconds(request.query.get("down", "0s")))
        elif what == "listen":
            pod.app.listen(int(request.query["port"]), request.query["yes"] == "true")
        elif what != "report":
            raise LookupError("no such thing")
        return pod.report()
