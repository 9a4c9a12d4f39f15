"""What the bench puts on a forwarder: transfers, small questions, and a server
that is far away.  All go to the plain server in a pod (cluster/backend).

Sockets block, with the kernel's own time limit: Python's would cost a poll() a
call.  Downloads are discarded inside the kernel (MSG_TRUNC), since the client
shares its cores with those that are measured.
"""
import asyncio
import multiprocessing
import socket
import struct
import threading
import time

PORT = 7020  # of the plain server
LIMIT_S = 60
BLOCK = memoryview(bytearray(1 << 20))


def order(port, n, more=b""):
    """A connection with an order: n as tests/cluster/backend/habits.go says."""
    s = socket.create_connection(("127.0.0.1", port))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", LIMIT_S, 0))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", LIMIT_S, 0))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.sendall(b"%d -\n" % n + more)
    return s


def receive(s, n):
    while n:
        got = s.recv_into(BLOCK, min(n, len(BLOCK)), socket.MSG_TRUNC)
        if not got:
            raise EOFError(f"ended with {n} bytes missing")
        n -= got


def down(port, n):
    with order(port, n) as s:
        receive(s, n)


def up(port, n):
    with order(port, -n) as s:
        for at in range(0, n, len(BLOCK)):
            s.sendall(BLOCK[:min(n - at, len(BLOCK))])
        receive(s, len(b"done\n"))


def ask(port):
    """A new connection and one byte each way."""
    with order(port, 0, b"x") as s:
        receive(s, 1)


def answers(port):
    try:
        ask(port)
        return True
    except (OSError, EOFError):
        return False


def wait(port):
    """Until it answers."""
    while not answers(port):
        time.sleep(0.002)


def together(jobs):
    """Runs each (f, *arguments) in a thread of its own; returns the seconds all took."""
    failed = []

    def run(f, *arguments):
        try:
            f(*arguments)
        except (OSError, EOFError) as e:
            failed.append(e)
    threads = [threading.Thread(target=run, args=job) for job in jobs]
    began = time.perf_counter()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise failed[0]
    return time.perf_counter() - began


def sample(goes_on, f, *arguments):
    """Calls f as long as goes_on(number of calls so far); returns the milliseconds each took."""
    times = []
    while goes_on(len(times)):
        began = time.perf_counter()
        f(*arguments)
        times.append((time.perf_counter() - began) * 1000)
    return times


def connections(port, goes_on):
    return sample(goes_on, ask, port)


def in_turn(ports, seconds, pause=0.005):
    """New connections to each port in turn, with pauses: as connections()."""
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        times += connections(ports[len(times) % len(ports)], lambda n: n < 1)
        time.sleep(pause)
    return times


def bytes_on_open(port, goes_on):
    with order(port, 0) as s:
        def ping():
            s.send(b"x")
            receive(s, 1)
        return sample(goes_on, ping)[1:]  # the first is a new connection's


def beside(f, *arguments):
    """f in a process of its own: in a thread it would hold up those who measure."""
    p = multiprocessing.get_context("fork").Process(target=f, args=arguments, daemon=True)
    p.start()
    return p


def far_away(port, to, delay_s):
    """A TCP proxy that holds all bytes for delay_s, each way; never returns."""
    async def carry(reader, writer):
        held = asyncio.Queue()

        async def let_go():
            while (item := await held.get())[1]:
                await asyncio.sleep(item[0] - time.monotonic())
                writer.write(item[1])
            writer.close()
        going = asyncio.create_task(let_go())
        try:
            while data := await reader.read(1 << 16):
                held.put_nowait((time.monotonic() + delay_s, data))
        except ConnectionError:
            pass
        held.put_nowait((0, b""))
        await going

    async def serve(reader, writer):
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", to)
        for w in (writer, there_writer):
            w.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(carry(reader, there_writer), carry(there_reader, writer))

    async def main():
        async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
            await server.serve_forever()
    asyncio.run(main())
