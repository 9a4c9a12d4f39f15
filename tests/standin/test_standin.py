"""What the stand-in does that tests of the program would not notice if it did
not: watches and lists in parts, and that each fault is on the wire."""
import base64
import errno
import http.client
import json
import socket
import ssl
import struct
import threading

import pytest

from rig import apps
from rig.cluster import identity
from rig.kube import ApiError
from rig.probe import Refused, Tunnel
from rig.waiting import until
from standin import faults

LIMIT = 60


# ---- the API ----

class Watch:
    """The events of a watch, as they come."""

    def __init__(self, namespace, query):
        context, headers = identity(namespace.cluster.folder, "developer")
        self.connection = http.client.HTTPSConnection("127.0.0.1", namespace.cluster.port, timeout=LIMIT,
                                                      context=context)
        self.connection.request("GET", f"{namespace.path}/pods?watch=1&{query}", headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200

    def line(self):
        return self.answer.readline()

    def next(self):
        """(type, name, version) of the next event; None at the end."""
        line = self.line()
        if not line:
            return None
        event = json.loads(line)
        metadata = event["object"]["metadata"]
        return event["type"], metadata.get("name"), metadata.get("resourceVersion")

    def upto(self, kind):
        """(type, name) of the events up to one of that type."""
        told = [self.next()[:2]]
        while told[-1][0] != kind:
            told.append(self.next()[:2])
        return told


def version(namespace):
    return namespace.api.get(f"{namespace.path}/pods")["metadata"]["resourceVersion"]


def test_a_watch_tells_what_its_selector_sees(namespace):
    watch = Watch(namespace, f"resourceVersion={version(namespace)}&labelSelector=app%3Dweb")
    namespace.pod("other")
    pod = namespace.pod("web")
    namespace.api.patch(pod.path, {"metadata": {"labels": {"app": "else"}}})
    assert watch.upto("DELETED") == [("ADDED", "web"), ("MODIFIED", "web"), ("DELETED", "web")]
    namespace.api.patch(pod.path, {"metadata": {"labels": {"app": "web"}}})
    pod.delete(0)
    assert watch.upto("DELETED") == [("ADDED", "web"), ("MODIFIED", "web"), ("DELETED", "web")]


def test_a_watch_without_a_version_begins_with_what_there_is(namespace):
    namespace.pod("a")
    namespace.pod("b")
    watch = Watch(namespace, "timeoutSeconds=1")
    assert [watch.next()[:2], watch.next()[:2], watch.next()] == [("ADDED", "a"), ("ADDED", "b"), None]


def test_bookmarks_carry_the_version_on(new_standin, new_namespace):
    namespace = new_namespace(new_standin(bookmark_s=0.2).cluster)
    before = version(namespace)
    watch = Watch(namespace, f"resourceVersion={before}&allowWatchBookmarks=true&fieldSelector=metadata.name%3Dx")
    namespace.pod("other")
    after = version(namespace)
    assert until(lambda: [e for e in [watch.next()] if e[2] == after], "a bookmark")[0] == ("BOOKMARK", None, after)


def test_a_version_too_old_is_told_in_the_stream(standin, namespace):
    before = version(namespace)
    namespace.pod("a")
    standin.forget()
    event = json.loads(Watch(namespace, f"resourceVersion={before}").line())
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert Watch(namespace, f"resourceVersion={version(namespace)}&timeoutSeconds=1").next() is None


def test_lists_in_parts_are_of_one_moment(standin, namespace):
    for name in "abcde":
        namespace.pod(name, wait=False)
    names, path = [], f"{namespace.path}/pods?limit=2"
    part = namespace.api.get(path)
    namespace.pod("bb")
    while True:
        names += [item["metadata"]["name"] for item in part["items"]]
        if "continue" not in part["metadata"]:
            break
        more = part["metadata"]["continue"]
        part = namespace.api.get(f"{path}&continue={more}")
    assert names == list("abcde")
    standin.forget()
    with pytest.raises(ApiError) as refused:
        namespace.api.get(f"{path}&continue={more}")
    assert refused.value.status == 410 and '"reason":"Expired"' in str(refused.value)


# ---- faults ----

def client(namespace, user="developer"):
    return namespace.cluster.client(user)


def ask(namespace, api=None):
    """A request, on a new connection: its status, or what was raised."""
    try:
        (api or client(namespace)).get(f"{namespace.path}/pods")
        return 200
    except ApiError as e:
        return e.status
    except (OSError, ValueError, http.client.HTTPException) as e:
        return type(e)


def websocket(namespace, pod):
    """A tunnel of SPDY in WebSocket, as a socket."""
    context, headers = identity(namespace.cluster.folder, "developer")
    s = context.wrap_socket(socket.create_connection(("127.0.0.1", namespace.cluster.port), LIMIT),
                            server_hostname="127.0.0.1")
    headers |= {"Host": "test", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
                "Sec-WebSocket-Protocol": "SPDY/3.1+portforward.k8s.io"}
    lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    s.sendall(f"GET {pod.path}/portforward?ports=7007 HTTP/1.1\r\n{lines}\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += apps.read_exactly(s, 1)
    assert head.startswith(b"HTTP/1.1 101 ")
    return s


def was_reset(s):
    return s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET


def rest(s, n=1 << 20):
    """All that comes, up to n bytes, until the end or a pause of half a second."""
    got = b""
    s.settimeout(0.5)
    try:
        while len(got) < n and (part := s.recv(65536)):
            got += part
    except OSError:
        pass
    return got


@pytest.mark.parametrize("name, fields, result", [
    ("status", {"code": 503}, 503), ("status", {"code": 404, "body": False}, 404),
    ("status", {"code": 429, "retry_after": 7}, 429), ("garbage-head", {}, http.client.BadStatusLine),
    ("half-answer", {}, http.client.IncompleteRead), ("garbage-json", {}, UnicodeDecodeError),
    ("cut", {"how": "rst"}, ConnectionResetError), ("cut", {"how": "fin"}, ssl.SSLZeroReturnError),
    ("refuse", {}, ConnectionRefusedError), ("garbage-handshake", {}, ssl.SSLError),
    ("expired", {}, ssl.SSLCertVerificationError)])
def test_a_request_meets_the_fault_while_it_is_on(standin, namespace, name, fields, result):
    with standin.fault(name, **fields) as fault:
        assert ask(namespace) == result
        assert fault.hits() == (name != "refuse")
    assert ask(namespace) == 200


@pytest.mark.parametrize("name, fields", [
    ("garbage-record", {}), ("ws-garbage", {}), ("ws-masked", {}), ("ws-partial", {}), ("ws-close", {"code": 1001}),
    ("spdy-garbage", {}), ("spdy-endless", {}), ("spdy-goaway", {}), ("cut", {"how": "fin"}), ("cut", {"after": 100})])
def test_a_tunnel_meets_the_fault_at_once_or_when_it_opens(standin, namespace, name, fields):
    pod = namespace.pod("app")
    with websocket(namespace, pod) as old:
        fault = standin.fault(name, where="tunnel", pod="app", **fields)
        said = rest(old)
        assert said or name in ("garbage-record", "cut")
        assert name != "ws-close" or said == b"\x88\x02" + struct.pack(">H", 1001)
        try:
            with websocket(namespace, pod) as new:
                assert rest(new) == said
        except (OSError, EOFError):
            assert name in ("garbage-record", "cut")
        assert fault.hits() == 2
    assert ask(namespace) == 200


@pytest.mark.parametrize("name, fields", [("latency", {"ms": 200}), ("bandwidth", {"bytes_per_s": 200000}),
                                          ("bytewise", {})])
def test_slow_wires_carry_everything(standin, namespace, name, fields):
    pod = namespace.pod("app")
    with standin.fault(name, **fields), Tunnel(pod) as tunnel:
        stream = tunnel.open(7019)
        tunnel.send(stream, b"30000 slow\n")
        assert len(tunnel.finish(stream)[0]) == 30000


@pytest.mark.parametrize("direction", ["both", "in", "out"])
def test_a_stall_goes_on_and_a_black_hole_does_not(standin, namespace, direction):
    pod = namespace.pod("app")
    for name in ("stall", "black-hole"):
        with Tunnel(pod) as tunnel, standin.fault(name, where="tunnel", direction=direction) as fault:
            stream = tunnel.open(7007)
            tunnel.send(stream, b"hello")
            tunnel.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                tunnel.read(stream, 5)
            tunnel.socket.settimeout(LIMIT)
            assert ask(namespace) == 200
            fault.end()
            if name == "stall":
                assert tunnel.read(stream, 5) == b"hello"
            else:
                until(lambda: was_reset(tunnel.socket), "a reset")


def test_streams_that_are_reset_or_never_answered(standin, namespace):
    pod = namespace.pod("app")
    with Tunnel(pod) as tunnel:
        old = tunnel.open(7007)
        tunnel.send(old, b"x")
        assert tunnel.read(old, 1) == b"x"
        with standin.fault("spdy-reset"):
            tunnel.read(old, 2)
            new = tunnel.open(7007)
            tunnel.read(new, 1)
        assert tunnel.ended[old] == tunnel.ended[new] == "reset"
        with standin.fault("spdy-no-reply", count=1):
            lost = tunnel.open(7007)
            tunnel.send(lost, b"x")
            tunnel.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                tunnel.read(lost, 1)
        assert pod.seen(7007)["accepted"] == 2


@pytest.mark.parametrize("name, fields, spdy, ws", [
    ("spdy-no-pong", {}, False, True), ("spdy-slow-pong", {"ms": 100}, True, True), ("ws-no-pong", {}, True, False)])
def test_pongs_that_do_not_come(standin, namespace, name, fields, spdy, ws):
    with standin.fault(name, **fields), websocket(namespace, namespace.pod("app")) as s:
        s.sendall(b"\x89\x80mask" + b"\x82\x8c\0\0\0\0" + struct.pack(">HHII", 0x8003, 6, 4, 1))
        got = rest(s)
        assert (b"\x80\x03" in got) == spdy
        assert (b"\x8a\x00" in got) == ws


@pytest.mark.parametrize("name, fields", [("watch-error", {}), ("garbage-json", {}), ("half-answer", {}),
                                          ("long-line", {"bytes": 1 << 20})])
def test_a_running_watch_meets_the_fault(new_standin, new_namespace, name, fields):
    standin = new_standin(bookmark_s=600)
    namespace = new_namespace(standin.cluster)
    watch = Watch(namespace, f"resourceVersion={version(namespace)}")
    with standin.fault(name, where="watch", **fields) as fault:
        if name == "half-answer":
            with pytest.raises(http.client.IncompleteRead):
                watch.answer.read()
        else:
            line = watch.line()
            assert len(line) > fields.get("bytes", 0)
            assert line == faults.NOT_JSON or b'"ERROR"' in line or name == "long-line"
        assert fault.hits() == 1


def test_no_answer_at_all(standin, namespace):
    with standin.fault("no-answer", path="/pods"):
        api = client(namespace)
        assert api.get("/readyz") == "ok"
        api.connection.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            api.get(f"{namespace.path}/pods")
    assert standin.asked("api", "none") == 1


def test_a_fault_hits_so_many_and_of_one_pod_only(standin, namespace):
    one, other = namespace.pod("one"), namespace.pod("other")
    with standin.fault("status", where="tunnel", pod="one", count=2) as fault:
        for _ in range(2):
            with pytest.raises(Refused):
                Tunnel(one)
            Tunnel(other).socket.close()
        Tunnel(one).socket.close()
        assert fault.hits() == 2
    assert standin.asked("tunnel", 500) == 2 and standin.asked("tunnel", 101) == 3


@pytest.mark.parametrize("only, old_result, new_result", [("old", 500, 200), ("new", 200, 500)])
def test_a_fault_hits_old_connections_or_new_ones(standin, namespace, only, old_result, new_result):
    old = client(namespace)
    assert ask(namespace, old) == 200
    with standin.fault("status", only=only):
        assert (ask(namespace, old), ask(namespace)) == (old_result, new_result)


def test_cut_is_for_connections_that_are_there(standin, namespace):
    pod = namespace.pod("app")
    with Tunnel(pod) as one, Tunnel(pod) as other:
        until(lambda: standin.open("tunnel") == 2, "both open")
        assert standin.cut("rst", where="api") == 0
        assert standin.cut("rst", where="tunnel") == 2
        for tunnel in (one, other):
            until(lambda: was_reset(tunnel.socket), "a reset")
    Tunnel(pod).socket.close()
    until(lambda: standin.open("tunnel") == 0, "none open")


def test_a_close_over_bytes_unread_is_no_reset(standin, namespace):
    with Tunnel(namespace.pod("app")) as tunnel, standin.fault("stall", where="tunnel", direction="in"):
        tunnel.socket.sendall(bytes(1 << 20))
        with standin.fault("spdy-goaway", where="tunnel", then="close"):
            assert apps.read_all(tunnel.socket).startswith(b"\x80\x03\x00\x07")
        assert tunnel.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    until(lambda: not sum(standin.counts()["open"].values()), "none open")


def test_counts_of_handshakes(standin, namespace):
    sockets = [socket.create_connection(("127.0.0.1", namespace.cluster.port)) for _ in range(3)]
    for s in sockets:
        s.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a hello
    until(lambda: standin.counts()["handshakes"]["begun"] == 3, "three begun")
    assert standin.counts()["handshakes"]["most_at_once"] == 3
    assert ask(namespace) == 200
    assert standin.counts()["handshakes"]["most_at_once"] == 4
    for s in sockets:
        s.close()
    until(lambda: standin.counts()["handshakes"]["failed"] == 3, "three failed")
    counts = standin.counts()
    assert counts["handshakes"] == {"begun": 4, "finished": 1, "failed": 3, "most_at_once": 0}
    assert counts["accepted"] == 4 and counts["requests"] == {"api": {"200": 1}}


def test_two_hundred_tunnels(standin, namespace):
    pod = namespace.pod("app")
    tunnels = [None] * 200

    def open_some(first):
        for i in range(first, 200, 4):
            tunnels[i] = Tunnel(pod)
            stream = tunnels[i].open(7007)
            tunnels[i].send(stream, b"%03d" % i)
            assert tunnels[i].read(stream, 3) == b"%03d" % i

    threads = [threading.Thread(target=open_some, args=[first]) for first in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(tunnels) and standin.open("tunnel") == 200
    assert pod.seen(7007)["open"] == 200
    for tunnel in tunnels:
        tunnel.socket.close()
