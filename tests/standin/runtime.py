"""One connection, carried as a container runtime carries it: see
tests/cluster/node/runtime.go for what each does, and why."""
import asyncio
import random

SECOND = 1
PIECE = 32 << 10  # what Go copies at a time


class Broken(Exception):
    """Why a connection could not be had, or has ended, in the runtime's words."""


def netns(sandbox):
    return f"/var/run/netns/cni-{sandbox[:8]}"


def socat(text):
    return f"exit status 1: 2026/01/02 03:04:05 socat[6] E {text}\n"


class Containerd:
    passes = False  # the client's half-close

    def closed(self, sandbox):
        return f'network namespace for sandbox "{sandbox}" is closed'

    def failed(self, sandbox, port):
        return (f'failed to execute portforward in network namespace "{netns(sandbox)}": failed to connect to '
                f'localhost:{port} inside namespace "{sandbox}", IPv4: {refused(port)} IPv6 dial tcp6: address '
                "localhost: no suitable address ")

    def broke(self, sandbox, why):
        return f'failed to execute portforward in network namespace "{netns(sandbox)}": {why}'


class Crio(Containerd):
    def closed(self, sandbox):
        return f"sandbox {sandbox} is not running"

    def failed(self, sandbox, port):
        return (f'port forward into network namespace "{netns(sandbox)}": failed to connect to localhost:{port} inside '
                f"namespace {sandbox}: {refused(port)}")

    def broke(self, sandbox, why):
        return f'port forward into network namespace "{netns(sandbox)}": {why}'


class Docker(Containerd):
    passes = True

    def closed(self, sandbox):
        return f"container not running ({sandbox})"

    def failed(self, sandbox, port):
        return socat(f"connect(5, AF=2 127.0.0.1:{port}, 16): Connection refused")

    def broke(self, sandbox, why):
        return socat(f"read(5, 0x5598, 8192): {why}")


RUNTIMES = {"containerd": Containerd(), "cri-o": Crio(), "docker": Docker()}


def refused(port):
    return f"dial tcp4 127.0.0.1:{port}: connect: connection refused"


def reset(ip, port):
    way = f"tcp4 127.0.0.1:{random.randrange(32768, 61000)}->{ip}:{port}"
    return f"writeto {way}: read {way}: read: connection reset by peer"


async def forward(pod, port, stream):
    """Carries stream (read, write, end) to a port of the pod.  Raises Broken."""
    runtime = RUNTIMES[pod.runtime]
    if pod.ended or pod.phase != "Running":
        raise Broken(runtime.closed(pod.sandbox))
    try:
        connection = pod.app.connect(port)
    except ConnectionRefusedError:
        await stream.end()
        raise Broken(runtime.failed(pod.sandbox, port)) from None
    down = asyncio.create_task(copy(connection, stream))
    up = asyncio.create_task(copy(stream, connection))
    try:
        well = await (carry_passing(connection, down, up) if pod.passes or runtime.passes else carry(down, up))
    finally:
        down.cancel()
        up.cancel()
        connection.close()
        await stream.end()
    if not well:
        raise Broken(runtime.broke(pod.sandbox, reset(pod.ip, port)))


async def copy(source, sink):
    """Returns whether the source came to its end in good order."""
    try:
        while data := await source.read():
            for at in range(0, len(data), PIECE):
                await sink.write(data[at:at + PIECE] if len(data) > PIECE else data)
        return True
    except ConnectionResetError:
        return False


async def carry(down, up):
    """Once either way has ended the other has one second."""
    await asyncio.wait([down, up], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait([down, up], timeout=SECOND)
    return all(way.result() for way in (down, up) if way.done())


async def carry_passing(connection, down, up):
    """The client's end is passed on, and the application's is waited for."""
    up.add_done_callback(lambda _: connection.end_write())
    return await down
