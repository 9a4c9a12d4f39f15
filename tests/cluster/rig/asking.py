"""Asks porters that run: as `porter -status` and its like do, and by hand as those that mean no good."""
import json
import os
import socket
import subprocess
from datetime import datetime
from pathlib import Path

import jsonschema

from .waiting import LIMIT

TOP = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("PORTER") or TOP / "porter").resolve()
SCHEMA = json.loads((TOP / "status.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
END = b"\0"  # the last message of a whole answer


def ask(*options, by=(), binary=BINARY, **how):
    """(status, stdout, stderr) of one that asks; how: as subprocess.run() has it."""
    command = [str(word) for word in (*by, binary, *options)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, **how)
    return done.returncode, done.stdout, done.stderr


def read(text):
    """What each line of -status -json says, all of it by the schema."""
    found = [json.loads(line) for line in text.splitlines()]
    for one in found:
        VALIDATOR.validate(one)
    return found


def moment(text):
    """Seconds since the epoch of a moment as JSON has it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def call(port, question=None, uid=None):
    """A conversation with whoever forwards that port, which may have been asked something; the caller's."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(LIMIT)
    s.connect(f"\0nanoporter/{os.geteuid() if uid is None else uid}/127.0.0.1:{port}")
    if question:
        s.send(f"nanoporter/1 {question}".encode())
    return s


def receive(s):
    """The next message; b"" at the end.  One that was cut off with a word is told of the cut before the word."""
    try:
        return s.recv(1 << 16)
    except ConnectionResetError:
        return s.recv(1 << 16)


def hear(s):
    """The messages that are left, to the end."""
    return list(iter(lambda: receive(s), b""))
