"""HTTP/1.1 as kube-apiserver speaks it: requests in, answers and chunks out."""
import json
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

HEAD_MAX = 1 << 20
BODY_MAX = 3 << 20
FIRST = 2048  # Go tells the length of an answer only if it is no longer than this


class Request:
    def __init__(self, head):
        line, *fields = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = line.split(" ")
        url = urlsplit(self.target)
        self.path = url.path
        self.parts = [unquote(part) for part in url.path.strip("/").split("/")]
        self.query = dict(parse_qsl(url.query, keep_blank_values=True))
        self.headers = {}
        for field in fields:
            name, _, value = field.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.body = b""
        self.kind, self.pod, self.taken = "api", "", set()  # what faults and counts go by; the faults it has met

    def tokens(self, name):
        return [word.strip().lower() for word in self.headers.get(name, "").split(",")]

    def json(self):
        return json.loads(self.body or b"{}")


async def read_request(connection):
    """None: the other end has closed, or speaks no HTTP."""
    got = b""
    while b"\r\n\r\n" not in got:
        part = await connection.read()
        if not part or len(got) > HEAD_MAX:
            return None
        got += part
    head, _, rest = got.partition(b"\r\n\r\n")
    try:
        request = Request(head)
        length = int(request.headers.get("content-length", 0))
    except ValueError:
        return None
    while len(rest) < min(length, BODY_MAX):
        part = await connection.read()
        if not part:
            return None
        rest += part
    request.body = rest[:length]
    connection.unread(rest[length:])
    return request


def head(status, fields):
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(status, body, fields=None):
    """body: an object for JSON, bytes for anything else."""
    if not isinstance(body, bytes):
        body = json.dumps(body, separators=(",", ":")).encode() + b"\n"
    fields = {"Cache-Control": "no-cache, private", "Content-Type": "application/json",
              "Date": formatdate(usegmt=True), **(fields or {})}
    if len(body) <= FIRST:
        return head(status, fields | {"Content-Length": len(body)}) + body
    chunks = chunk(body[:FIRST]) + chunk(body[FIRST:]) + chunk(b"")
    return head(status, fields | {"Transfer-Encoding": "chunked"}) + chunks


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(kind, obj):
    """A line of a watch."""
    return chunk(json.dumps({"type": kind, "object": obj}, separators=(",", ":")).encode() + b"\n")


def stream_head():
    return head(200, {"Cache-Control": "no-cache, private", "Content-Type": "application/json",
                      "Date": formatdate(usegmt=True), "Transfer-Encoding": "chunked"})


class Refusal(Exception):
    """An answer that is a Status, in kube-apiserver's words."""

    def __init__(self, code, message, reason="", details=None, **fields):
        super().__init__(message)
        self.code, self.fields = code, fields
        known = {"reason": reason or None, "details": details}
        self.status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                       **{key: value for key, value in known.items() if value is not None}, "code": code}

    def answer(self):
        return answer(self.code, self.status, self.fields)


def bad_request(message):
    return Refusal(400, message, "BadRequest")
