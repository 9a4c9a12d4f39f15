"""A relay between the program under test and an API server.  It can do what networks
do without a word, and, where it shows the server's own certificate, read along."""
import asyncio
import ssl
import threading

from .cluster import identity

QUEUE = 1 << 16


class Relay:
    """Carries each connection to a port of this machine, and its end.

    Without `reads` it carries bytes.  With `reads`, a cluster whose API server is
    at that port, it is in the middle of the TLS: `requests` has the first lines of
    the requests so far, which `rewrite` may change, and `said` what the server
    answered to them, port-forwards aside.  Requests must come in one piece each,
    and with a token.  With `shows`, a cluster, what it takes is TLS with that one's
    certificate, and what it carries is inside."""

    def __init__(self, to, host="127.0.0.1", port=0, reads=None, shows=None):
        self.to, self.reads = to, reads
        self.requests, self.said, self.rewrite = [], bytearray(), lambda line: line
        self.connections = set()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        context = shown(reads or shows) if reads or shows else None
        self.server = self.call(asyncio.start_server(self.serve, host, port, ssl=context))
        self.port = self.server.sockets[0].getsockname()[1]

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def silence(self):
        """What the connections there are now have to carry vanishes from now on, their
        ends, too.  New ones are carried."""
        async def all_now():
            for c in self.connections:
                c.silent = True
        self.call(all_now())

    def asked(self, text, watch=False):
        """The first lines so far with this text, of watches or of other requests."""
        return [line for line in self.requests if text in line and ("watch=" in line) == watch]

    def close(self):
        async def end():
            self.server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self.loop.is_running():
            self.call(end())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()

    async def serve(self, reader, writer):
        one = Connection(self, writer)
        self.connections.add(one)
        try:
            await one.carry(reader)
        except (OSError, ssl.SSLError):
            pass  # either end has gone in disorder, and abort() says so to the other
        except asyncio.CancelledError:
            pass  # close(); to end as cancelled would have asyncio's server complain
        finally:
            one.abort()
            self.connections.discard(one)


def shown(cluster):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cluster.folder / "server.crt", cluster.folder / "server.key")
    return context


class Connection:
    def __init__(self, relay, writer):
        self.relay, self.writers, self.silent = relay, [writer], False
        self.forwards = False  # it has become a port-forward

    async def carry(self, reader):
        relay = self.relay
        context = relay.reads and identity(relay.reads.folder, "developer")[0]
        there, writer = await asyncio.open_connection("127.0.0.1", relay.to, ssl=context or None, limit=QUEUE)
        self.writers.append(writer)
        await asyncio.gather(self.one_way(reader, writer, relay.reads and self.request),
                             self.one_way(there, self.writers[0], relay.reads and self.answer))

    async def one_way(self, reader, writer, look):
        while data := await reader.read(QUEUE):
            if not self.silent:
                writer.write(look(data) if look else data)
                await writer.drain()
        if self.silent:
            await asyncio.Event().wait()  # the end vanishes, too
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()

    def request(self, data):
        if self.forwards or not data.startswith((b"GET ", b"POST ")):
            return data
        line, rest = data.split(b"\r\n", 1)
        self.forwards = b"/portforward" in line
        self.relay.requests.append(line.decode())
        return self.relay.rewrite(line.decode()).encode() + b"\r\n" + rest

    def answer(self, data):
        if not self.forwards:
            self.relay.said += data
        return data

    def abort(self):
        for w in self.writers:
            if not w.is_closing():
                w.transport.abort()
