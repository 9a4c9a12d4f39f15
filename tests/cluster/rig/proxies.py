"""Proxies of each kind on this machine, as Debian has them: tinyproxy, microsocks, sshd."""
import os
import socket
import subprocess

from .cluster import die_with_parent
from .waiting import free_port, until

TINYPROXY = """\
Port {port}
Listen 127.0.0.1
Timeout 600
{more}
"""
SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
"""
SSH = """\
Host bastion
    IdentityFile {folder}/client
Host stranger
    IdentityFile {folder}/other
Host *
    HostName 127.0.0.1
    Port {port}
    User {user}
    UserKnownHostsFile {folder}/known
    IdentitiesOnly yes
"""


class Proxy:
    """One program that listens at `port`, in the foreground; may be stopped, and started again."""

    def __init__(self, folder, command, port=None):
        self.command, self.port, self.process = command, port or free_port(), None
        self.log = folder / f"proxy-{self.port}.log"
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(c) for c in self.command], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=die_with_parent, start_new_session=True)
        until(self.listens, f"{self.command[0]} listens at {self.port}")
        return self

    def listens(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except ConnectionRefusedError:
            return False

    def stop(self):
        """With all the processes that serve its connections."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, 9)
        self.process.wait()


def tinyproxy(folder, *lines):
    """HTTP; `lines`: of its configuration, such as "BasicAuth me secret"."""
    port = free_port()
    config = folder / f"tinyproxy-{port}.conf"
    config.write_text(TINYPROXY.format(port=port, more="\n".join(lines)))
    return Proxy(folder, ["tinyproxy", "-d", "-c", config], port)


def microsocks(folder, *options):
    """SOCKS5; options such as "-u", "me", "-P", "secret"."""
    port = free_port()
    return Proxy(folder, ["microsocks", "-i", "127.0.0.1", "-p", port, *options], port)


class Bastion(Proxy):
    """sshd, and in `path` an ssh that knows it as "bastion", whose key it knows; as "stranger",
    it does not."""

    def __init__(self, folder):
        self.folder = folder / "bastion"
        self.path = self.folder / "bin"
        self.path.mkdir(parents=True)
        if not os.geteuid():
            os.makedirs("/run/sshd", exist_ok=True)
        for name in ("host", "client", "other"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name], check=True)
        port = free_port()
        about = {"port": port, "folder": self.folder, "user": os.environ.get("USER", "root")}
        (self.folder / "sshd_config").write_text(SSHD.format(**about))
        (self.folder / "ssh_config").write_text(SSH.format(**about))
        key = (self.folder / "host.pub").read_text()
        (self.folder / "known").write_text(f"[127.0.0.1]:{port} {key}")
        (self.path / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {self.folder}/ssh_config "$@"\n')
        (self.path / "ssh").chmod(0o755)
        super().__init__(folder, ["/usr/sbin/sshd", "-D", "-e", "-f", self.folder / "sshd_config"], port)

    def stop(self):
        """Those that serve connections are sessions of their own."""
        children = [int(p) for p in self.tree(self.process.pid)]
        super().stop()
        for pid in children:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass  # it has seen its end

    def tree(self, pid):
        try:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                children = file.read().split()
        except FileNotFoundError:
            return []
        return children + [p for c in children for p in self.tree(c)]
