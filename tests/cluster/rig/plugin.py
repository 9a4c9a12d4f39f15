"""Credential plugins: programs that kubeconfigs name to log in with."""
import json
import shlex
import sys
from pathlib import Path

ISSUER = Path(__file__).with_name("issuer.py")
API = "client.authentication.k8s.io/v1"


class Plugin:
    """A shell script in a folder that does not exist yet; it tells how often it was run."""

    def __init__(self, folder, script):
        folder.mkdir()
        self.count, self.path = folder / "runs", folder / f"{folder.name}-plugin"
        self.path.write_text(f"#!/bin/sh\necho >>{shlex.quote(str(self.count))}\n{script}\n")
        self.path.chmod(0o755)

    @classmethod
    def minting(cls, folder, cluster, user, seconds):
        """One whose tokens are a cluster's ID tokens."""
        words = [sys.executable, ISSUER, cluster.folder, user, seconds]
        return cls(folder, "exec " + shlex.join(map(str, words)))

    @classmethod
    def giving(cls, folder, **status):
        """One that always gives the same."""
        return cls(folder, f"cat <<'END'\n{answer(**status)}\nEND")

    def runs(self):
        return len(self.count.read_text()) if self.count.exists() else 0

    def login(self, **fields):
        """A kubeconfig's user."""
        return {"exec": {"apiVersion": API, "command": str(self.path), "interactiveMode": "Never", **fields}}


def answer(**status):
    return json.dumps({"apiVersion": API, "kind": "ExecCredential", "status": status})
