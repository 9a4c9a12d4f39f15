"""A network namespace: one machine more, with a cable to this one that can lose all it carries."""
import ctypes
import os
import secrets
import subprocess

from .cluster import die_with_parent
from .waiting import until

CLONE_NEWNET = 0x40000000
NOBODY = "02:00:00:00:00:99"  # a hardware address that no one has
_libc = ctypes.CDLL(None, use_errno=True)


class Island:
    """`with island:` puts the calling thread there: the sockets it makes belong to
    the island, afterwards too.  `shore` is this machine's address, seen from there.
    Needs root, iproute2 and util-linux: impossible() says what is missing."""

    def __init__(self):
        name = secrets.token_hex(4)
        net = f"198.{18 + secrets.randbelow(2)}.{secrets.randbelow(256)}"
        low = 4 * secrets.randbelow(64)
        self.shore, self.there = f"{net}.{low + 1}", f"{net}.{low + 2}"
        self.cable = f"isle{name}"
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], preexec_fn=die_with_parent)
        self.space = f"/proc/{self.holder.pid}/ns/net"
        until(lambda: os.readlink(self.space) != os.readlink("/proc/thread-self/ns/net"), "a network namespace")
        self.home, self.isle = (os.open(path, os.O_RDONLY) for path in ("/proc/thread-self/ns/net", self.space))
        self.run(self.home, "link add", self.cable, "type veth peer name eth0 netns", str(self.holder.pid))
        for space, address, device in ((self.home, self.shore, self.cable), (self.isle, self.there, "eth0")):
            self.run(space, "address add", f"{address}/30", "dev", device)
            self.run(space, "link set", device, "up")
        self.run(self.isle, "link set lo up")

    def run(self, space, *words):
        """ip(8), in one of the two."""
        command = ["ip", *" ".join(words).split()]
        subprocess.run(command, check=True, capture_output=True, preexec_fn=lambda: enter(space))

    @staticmethod
    def impossible():
        if os.geteuid():
            return "needs root"
        done = subprocess.run(["unshare", "--net", "ip", "link", "add", "type", "veth"], capture_output=True, text=True)
        return f"needs network namespaces: {done.stderr.strip()}" if done.returncode else None

    def command(self, *args):
        """What runs args there."""
        return ["nsenter", f"--net={self.space}", *args]

    def lose(self, yes):
        """All packets between there and here vanish, or arrive again.  Neither side's
        kernel is told: each sends to a hardware address that nobody has."""
        for space, address, device in ((self.home, self.there, self.cable), (self.isle, self.shore, "eth0")):
            how = f"replace {address} lladdr {NOBODY} nud permanent" if yes else f"del {address}"
            self.run(space, "neighbour", how, "dev", device)

    def __enter__(self):
        enter(self.isle)

    def __exit__(self, *_):
        enter(self.home)

    def end(self):
        self.holder.kill()
        self.holder.wait()
        for space in (self.home, self.isle):
            os.close(space)


def enter(space):
    if _libc.setns(space, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
