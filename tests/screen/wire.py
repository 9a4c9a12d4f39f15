"""A terminal that keeps what the program writes, byte by byte, and reads no more than it is let."""
import ctypes
import os
import re
import signal
import subprocess
import threading
import unicodedata

from .picture import picture
from .terminal import Terminal

FRAME, END = b"\x1b[?2026h", b"\x1b[?2026l"
# All that the program has to say to a terminal: CAN; modes; a place; erase; a look.
SEQUENCE = re.compile(rb"\x18|\x1b\[(?:\?(?:1049|2004|2026|25|7)[hl]|(?:\d+;\d+)?H|[JK]|0(?:;\d+)*m)")
UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
ALONE = CLONE_NEWNET | (CLONE_NEWUSER if os.geteuid() else 0)
_libc = ctypes.CDLL(None, use_errno=True)


def may_be_alone():
    return subprocess.run(["true"], preexec_fn=lambda: os._exit(bool(_libc.unshare(ALONE)))).returncode == 0


class Wire(Terminal):
    """alone: the program has a network of its own, in which there is nobody else."""

    def __init__(self, *size, alone=False):
        super().__init__(*size)
        self.alone = alone
        self.said, self.reads = bytearray(), threading.Event()
        self.reads.set()

    def begin(self):
        super().begin()
        if self.alone and _libc.unshare(ALONE):
            raise OSError(ctypes.get_errno(), "unshare")

    def read(self):
        try:
            while self.reads.wait():
                said = os.read(self.master, 65536)
                with self.lock:
                    self.said += said
                    self.stream.feed(said)
        except OSError:
            pass  # the last one who had it has closed it

    def close(self):
        self.reads.set()
        super().close()

    def frames(self, since=0):
        """The whole ones, without their marks, behind that byte."""
        return re.findall(re.escape(FRAME) + b"(.*?)" + re.escape(END), bytes(self.said[since:]), re.S)

    def harms(self):
        """What it was sent that is neither text to be seen nor a sequence known here."""
        text = SEQUENCE.sub(b"", bytes(self.said)).decode()
        return {c for c in text if unicodedata.category(c) in UNSEEN}

    def is_the_same_anew(self):
        """Whether what is seen, made of changes to changes, is what one sees who begins now."""
        seen = picture(self)
        with self.lock:
            self.cells.reset()
        self.porter.process.send_signal(signal.SIGWINCH)
        self.until(lambda: picture(self) == seen, "\n".join(["it looks as before:", *seen]))
