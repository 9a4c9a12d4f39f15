"""The process: one stand-in, on the files of its folder, until it is killed.

    python3 -m standin.server FOLDER [BOOKMARK_SECONDS]

The folder is what rig.cluster.prepare() makes; cluster.json is added to it when
all is up.
"""
import asyncio
import functools
import gc
import json
import shutil
import signal
import ssl
import subprocess
import sys
from pathlib import Path

from rig.cluster import USERS, grant
from rig.waiting import free_port

from .api import Api, Target
from .control import Control
from .counts import Counts
from .faults import Faults
from .kinds import new
from .pods import Node
from .store import Store
from .wire import Connection


class Listener:
    """The server's port, which faults can close for a while."""

    def __init__(self, new_connection):
        self.new_connection, self.port, self.server = new_connection, 0, None

    async def open(self):
        loop = asyncio.get_running_loop()
        while not self.server:
            port = self.port or free_port()
            try:
                self.server = await loop.create_server(self.new_connection, "127.0.0.1", port, backlog=1024)
                self.port = port
            except OSError:
                await asyncio.sleep(0.05)

    async def refuse(self, yes):
        if yes and self.server:
            self.server.close()
            self.server = None
        elif not yes:
            await self.open()


class Roles:
    """What rig.cluster.grant() takes for an API."""

    def __init__(self, store):
        self.store = store

    def post(self, path, body):
        target = Target(path.strip("/").split("/"))
        self.store.put(target.resource, new(target, body))


def tls_context(folder, certificate="server"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{certificate}.crt", folder / f"{certificate}.key")
    context.load_verify_locations(folder / "ca.crt")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def expired_context(folder):
    """One with a certificate that has expired."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    if not (folder / "expired.crt").exists():
        names = "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n"
        (folder / "expired.ext").write_text(names)
        shutil.copy(folder / "server.key", folder / "expired.key")
        openssl("req", "-new", "-config", "req.cnf", "-key", "expired.key", "-subj", "/CN=x", "-out", "expired.csr")
        openssl("x509", "-req", "-in", "expired.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "-1", "-extfile", "expired.ext", "-out", "expired.crt")
    return tls_context(folder, "expired")


async def run(folder, bookmark_s):
    loop, store, counts = asyncio.get_running_loop(), Store(), Counts()
    listener = Listener(lambda: Connection(api.serve, counts, faults, context))
    faults = Faults(store.wake, listener.refuse, functools.cache(lambda: expired_context(folder)))
    tokens = dict(line.split(",")[:2] for line in (folder / "tokens.csv").read_text().split())
    api = Api(store, Node(store), tokens, faults, counts, bookmark_s)
    for user, rules in USERS.items():
        grant(Roles(store), user, rules or [])
    context = tls_context(folder)
    await listener.open()
    quiet = Api(store, api.node, tokens, Faults(store.wake, None, None), Counts(), bookmark_s)
    own = await loop.create_server(lambda: Connection(quiet.serve, quiet.counts, quiet.faults, context), "127.0.0.1", 0)
    control = Control(api.node, faults, counts)
    way_in = await loop.create_server(lambda: Connection(control.serve, counts), "127.0.0.1", 0)
    about = {"port": listener.port, "own_port": own.sockets[0].getsockname()[1],
             "control": "http://127.0.0.1:%d" % way_in.sockets[0].getsockname()[1]}
    part = folder / "cluster.part"
    part.write_text(json.dumps(about))
    part.rename(folder / "cluster.json")
    gc.freeze()
    await asyncio.Event().wait()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    asyncio.run(run(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 5))
