"""A terminal whose bytes are counted, and forwards that change so many times a second by
what others ask (control.h): what the bench measures a screen by."""
import os
import socket
import struct
import termios
import threading
import time
from fcntl import ioctl

FRAME = b"\x1b[?2026h"


class Terminal:
    """One that reads all that comes at once."""

    def __init__(self, columns, rows):
        self.mine, self.its = os.openpty()
        ioctl(self.its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.bytes = self.frames = 0
        self.reader = threading.Thread(target=self.read, daemon=True)

    def how(self):
        """To start a program here, as Popen has it, by setsid(1)."""
        return {"by": ("setsid", "--ctty"), "stdin": self.its, "stdout": self.its, "stderr": self.its,
                "env": os.environ | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}}

    def begin(self):
        os.close(self.its)
        self.reader.start()

    def read(self):
        try:
            while said := os.read(self.mine, 1 << 16):
                self.bytes += len(said)
                self.frames += said.count(FRAME)
        except OSError:
            os.close(self.mine)  # the program has ended


def ask(port, request):
    """Asks whoever forwards that port of 127.0.0.1; returns all it says behind its "ok"."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.connect(f"\0nanoporter/{os.getuid()}/127.0.0.1:{port}")
        s.sendall(f"nanoporter/1 {request}".encode())
        said = b""
        while part := s.recv(1 << 16):
            said += part
    assert said.startswith(b"ok") and said.endswith(b"\0"), said
    return said[2:-1].decode()


def change(port, names, a_second, seconds):
    """Stops the forwards of these names one after the other, and then starts them again, by whoever forwards that
    port.  Returns how many were a second: fewer than asked for, where the machine is slow."""
    began, n = time.perf_counter(), 0
    while (now := time.perf_counter()) < began + seconds:
        if n > (now - began) * a_second:
            time.sleep(0.002)
            continue
        verb = ("disable", "enable")[n // len(names) % 2]
        ask(port, f"{verb} {names[n % len(names)]}")
        n += 1
    return n / (time.perf_counter() - began)
