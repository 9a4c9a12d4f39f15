"""until(): the only way tests wait.  free_port(): ports nobody else is given."""
import os
import random
import socket
import time

LIMIT = 60  # seconds: generous, for machines with other things to do

# Ports of tests that run beside each other in processes of their own differ by construction.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))

_given = set()


def until(check, what, limit=LIMIT):
    """Calls check() until it returns something true, and returns that."""
    end = time.monotonic() + limit
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} seconds: {what}")
        time.sleep(0.05)


def free_port():
    """A free port of 127.0.0.1 below those the kernel deals out itself, so that
    no outgoing connection can take it before its user does."""
    while True:
        port = random.randrange(10240 + WORKER, 32768, WORKERS)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port
