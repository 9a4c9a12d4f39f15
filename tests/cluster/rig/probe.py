"""A port-forward by hand: SPDY/3.1 straight after the upgrade, one tunnel, any
number of connections.  It tests the test node without the program under test.
"""
import socket
import struct

from .apps import read_exactly
from .cluster import identity
from .waiting import LIMIT

SYN_STREAM, RST_STREAM, PING = 1, 3, 6
FIN = 1


class Refused(Exception):
    """The upgrade was answered with another status than 101."""

    def __init__(self, status, text):
        super().__init__(f"{status}: {text}")
        self.status = status


class Tunnel:
    def __init__(self, pod, user="developer"):
        cluster = pod.namespace.cluster
        context, headers = identity(cluster.folder, user)
        self.socket = context.wrap_socket(socket.create_connection(("127.0.0.1", cluster.port), LIMIT),
                                          server_hostname="127.0.0.1")
        headers |= {"Host": "test", "Connection": "Upgrade", "Upgrade": "SPDY/3.1", "Content-Length": 0,
                    "X-Stream-Protocol-Version": "portforward.k8s.io"}
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        self.socket.sendall(f"POST {pod.path}/portforward HTTP/1.1\r\n{lines}\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += read_exactly(self.socket, 1)
        status = int(head.split()[1])
        if status != 101:
            self.socket.settimeout(1)
            raise Refused(status, self.socket.recv(4096).decode())
        self.next, self.zlib = 1, b"\x78\x01"
        self.data, self.ended = {}, {}  # by stream: bytes so far; "end" or "reset"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def open(self, port):
        """A connection, as the id of its data stream."""
        error, data = self.next, self.next + 2
        self.next += 4
        for stream, kind, flags in ((error, b"error", FIN), (data, b"data", 0)):
            headers = ((b"streamtype", kind), (b"port", b"%d" % port), (b"requestid", b"%d" % error))
            block = struct.pack(">I", len(headers)) + b"".join(
                struct.pack(">I", len(text)) + text for pair in headers for text in pair)
            stored = self.zlib + b"\0" + struct.pack("<HH", len(block), len(block) ^ 0xffff) + block
            self.zlib = b""
            self.control(SYN_STREAM, flags, struct.pack(">IIH", stream, 0, 0) + stored + b"\0\0\0\xff\xff")
            self.data[stream] = b""
        return data

    def control(self, kind, flags, payload):
        self.socket.sendall(struct.pack(">HHI", 0x8003, kind, flags << 24 | len(payload)) + payload)

    def send(self, stream, data, flags=0):
        self.socket.sendall(struct.pack(">II", stream, flags << 24 | len(data)) + data)

    def read(self, stream, n):
        """Until the stream has given n bytes, or ended; returns all it gave."""
        while len(self.data[stream]) < n and stream not in self.ended:
            self.frame()
        return self.data[stream]

    def finish(self, stream):
        """Until both streams of a connection ended: its bytes, the error's text."""
        while not {stream, stream - 2} <= self.ended.keys():
            self.frame()
        return self.data[stream], self.data[stream - 2].decode()

    def frame(self):
        first, second = struct.unpack(">II", read_exactly(self.socket, 8))
        payload = read_exactly(self.socket, second & 0xffffff)
        if not first >> 31:
            self.data[first] += payload
            if second >> 24 & FIN:
                self.ended.setdefault(first, "end")
        elif first & 0xffff == RST_STREAM:
            self.ended[struct.unpack(">I", payload[:4])[0]] = "reset"
        elif first & 0xffff == PING:
            self.control(PING, 0, payload)
