"""A stand-in as tests have it: its process, its faults, its counts.

    standin = Standin(folder)                 # its cluster: standin.cluster
    with standin.fault("black-hole", where="tunnel"):
        ...
    standin.cut("rst", where="tunnel")
    assert standin.counts()["handshakes"]["most_at_once"] <= 4

The names of faults, and what each may have, stand at the head of control.py.
Faults and counts are about who comes by the cluster's kubeconfigs: what tests ask
themselves (Cluster.api, Namespace, Pod) has a port of its own.
"""
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from rig.cluster import Cluster, die_with_parent, prepare
from rig.waiting import until

TESTS = Path(__file__).resolve().parent.parent


class Fault:
    """One that is on, until end(); as a context manager, until its end."""

    def __init__(self, remote, number):
        self.remote, self.number = remote, number

    def hits(self):
        """How many connections or requests it has hit."""
        return next(f["hits"] for f in self.remote.ask("GET", "/faults") if f["id"] == self.number)

    def end(self):
        self.remote.ask("DELETE", f"/faults/{self.number}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Remote:
    """The control endpoint of a stand-in that runs already."""

    def __init__(self, control):
        self.control = control

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control + path, data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def fault(self, name, **how):
        """Begins one.  how: where, pod, path, count, only, and what the fault itself may have."""
        return Fault(self, self.ask("POST", "/faults", {"name": name, **how})["id"])

    def cut(self, how="rst", **which):
        """Ends connections that are there, by rst or fin; returns how many."""
        with self.fault("cut", how=how, only="old", **which) as fault:
            return fault.hits()

    def clear(self):
        """Ends all faults."""
        self.ask("DELETE", "/faults")

    def forget(self):
        """Resource versions told so far are too old from now on."""
        self.ask("POST", "/forget")

    def counts(self):
        """accepted; open by kind (new, api, watch, tunnel); handshakes: begun, finished,
        failed, most_at_once (since the last call); requests: {kind: {status: how many}}, both as strings."""
        return self.ask("GET", "/counts")

    def open(self, kind):
        return self.counts()["open"][kind]

    def asked(self, kind, status=None):
        """How many requests of a kind were answered, with that status."""
        by_status = self.counts()["requests"].get(kind, {})
        return sum(by_status.values()) if status is None else by_status.get(str(status), 0)


class Standin(Remote):
    """Starts one in a new folder, whose name is the cluster's; keys: ec or rsa, for its CA
    and server; bookmark_s: between two bookmarks of a watch."""

    def __init__(self, folder, keys="ec", bookmark_s=5):
        self.folder = Path(folder)
        prepare(self.folder, keys)
        path = os.pathsep.join(str(p) for p in (TESTS, TESTS / "cluster"))
        with open(self.folder / "standin.log", "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "standin.server", self.folder, str(bookmark_s)], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": path}, preexec_fn=die_with_parent,
                start_new_session=True)
        until(self.is_up, "stand-in up")
        self.cluster = Cluster(self.folder)
        super().__init__(self.cluster.control)

    def is_up(self):
        assert self.process.poll() is None, self.log()
        return (self.folder / "cluster.json").exists()

    def log(self):
        return (self.folder / "standin.log").read_text()

    def stop(self):
        self.process.kill()
        self.process.wait()
