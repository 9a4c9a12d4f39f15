"""API servers that only a proxy or a bastion leads to: real ones of each kind carry
what a forward carries, say in words what is wrong, and are found again."""
import os
import socket
import threading

import pytest

from rig import apps
from rig.proxies import Bastion, microsocks, tinyproxy
from rig.waiting import free_port, until

SECRET = "op3n-sesame"
BYTES = 4 << 20


@pytest.fixture
def started(tmp_path):
    """A function that starts a proxy: started(tinyproxy, ...); it ends with the test."""
    made = []

    def start(kind, *args):
        made.append(kind(tmp_path, *args))
        return made[-1]
    yield start
    for proxy in made:
        proxy.stop()


@pytest.fixture
def bastion(started):
    return started(Bastion)


@pytest.fixture
def by(new_porter, cluster, tmp_path, bastion):
    """A Porter, and by(name, ...) adds a cluster that is reached in its own way; returns the Porter, by."""
    porter = new_porter()

    def add(name, proxy_url=None, server=None, **settings):
        folder = tmp_path / name
        folder.mkdir()
        changes = {"proxy-url": proxy_url, "server": server}
        porter.cluster(name, cluster.kubeconfig("developer", folder, **{k: v for k, v in changes.items() if v}),
                       **settings)
        return name

    def start(**env):
        clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        clean["PATH"] = f"{bastion.path}:{clean['PATH']}"
        return porter.start(env=clean | env)
    porter.start_by = start
    return porter, add


def said(porter, name, words):
    """The states in which a forward's trouble was told with these words."""
    lines = [line for line in porter.log() if f"forward={name} " in line and words in line]
    return {"Failed" if "forward failed" in line else "Reconnecting" for line in lines}


def keeps_the_secret(porter):
    return SECRET not in "".join(porter.lines) + "".join(porter.log())


def children(porter):
    pid = porter.process.pid
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return file.read().split()


def test_every_kind_carries_all_transports_and_is_found_again(
        by, namespace, cluster, started, bastion, new_relay):
    namespace.pod("app")
    porter, add = by
    plain, locked = started(tinyproxy), started(tinyproxy, f"BasicAuth me {SECRET}")
    socks, locked_socks = started(microsocks), started(microsocks, "-u", "me", "-P", SECRET)
    front = new_relay(plain.port, shows=cluster)
    add("http", f"http://127.0.0.1:{plain.port}", transport="websocket")
    add("http-v4", f"http://127.0.0.1:{plain.port}", transport="v4")
    add("http-locked", f"http://me:{SECRET}@127.0.0.1:{locked.port}", transport="spdy")
    add("https", f"https://127.0.0.1:{front.port}")
    add("socks", f"socks5://127.0.0.1:{socks.port}")
    add("socks-locked", f"socks5://me:{SECRET}@127.0.0.1:{locked_socks.port}", transport="spdy",
        server=f"https://localhost:{cluster.port}")
    add("ssh", ssh="bastion")
    add("command", proxy_command=f"nc -X 5 -x 127.0.0.1:{socks.port} %h %p", transport="spdy")
    names = [title.split()[1] for title, _ in porter.sections[1:]]
    ports = {name: porter.forward(name, namespace.name, "app", 7007, type="pod") for name in names}
    bulk = {name: porter.forward(name, namespace.name, "app", 7011, type="pod") for name in names}
    porter.start_by()
    for name, port in ports.items():
        assert porter.wait_echo(port) == b"hello", name
        assert porter.wait(apps.duplex, bulk[name], BYTES, name), name

    held = [apps.connect(port) for port in ports.values()]
    for s in held:
        assert apps.echo_on(s) == b"hello"
    for proxy in (plain, locked, socks, locked_socks, bastion):
        proxy.stop()
    for s in held:
        with s:
            assert apps.read_to_reset(s) == b""  # the proxy had carried it
    for name in names:
        porter.wait_state(f"{name}/app", "Reconnecting")
    for name, way in (("http", f"proxy 127.0.0.1:{plain.port}"), ("socks", f"proxy 127.0.0.1:{socks.port}")):
        porter.until(lambda n=name, w=way: said(porter, f"{n}/app", f"{w}: connection refused"), f"{name} is refused")
    porter.until(lambda: said(porter, "ssh/app", "ssh bastion: "), "ssh says why")
    for proxy in (plain, locked, socks, locked_socks, bastion):
        proxy.start()
    assert {name: porter.wait_echo(port) for name, port in ports.items()} == dict.fromkeys(names, b"hello")
    assert keeps_the_secret(porter)


def test_each_kind_has_its_words(by, namespace, cluster, started, bastion):
    namespace.pod("app")
    porter, add = by
    locked, narrow = started(tinyproxy, f"BasicAuth me {SECRET}"), started(tinyproxy, "ConnectPort 1")
    socks, locked_socks = started(microsocks), started(microsocks, "-u", "me", "-P", SECRET)
    nobody = free_port()
    away = f"https://127.0.0.1:{nobody}"

    def named(proxy):
        return f"proxy 127.0.0.1:{proxy.port}: "
    wanted = {
        add("no-user", f"http://127.0.0.1:{locked.port}"): ("Failed", named(locked) + "wants a user and password"),
        add("wrong", f"http://me:x{SECRET}@127.0.0.1:{locked.port}"):
            ("Failed", named(locked) + "refuses the user and password"),
        add("narrow", f"http://127.0.0.1:{narrow.port}"): ("Failed", named(narrow) + "answered 403 "),
        add("away", f"http://me:{SECRET}@127.0.0.1:{locked.port}", server=away):
            ("Reconnecting", named(locked) + "answered 500 "),
        add("gone", f"http://me:{SECRET}@127.0.0.1:{nobody}"):
            ("Reconnecting", f"proxy 127.0.0.1:{nobody}: connection refused (127.0.0.1:{nobody})"),
        add("no-socks-user", f"socks5://127.0.0.1:{locked_socks.port}"):
            ("Failed", named(locked_socks) + "wants a user and password"),
        add("wrong-socks", f"socks5://me:x{SECRET}@127.0.0.1:{locked_socks.port}"):
            ("Failed", named(locked_socks) + "refuses the user and password"),
        add("away-socks", f"socks5://127.0.0.1:{socks.port}", server=away):
            ("Reconnecting", named(socks) + f"cannot reach 127.0.0.1:{nobody}: connection refused"),
        add("stranger", ssh="stranger"): ("Failed", "ssh stranger: "),
        add("away-ssh", ssh="bastion", server=away): ("Reconnecting", "ssh bastion: "),
        add("no-program", proxy_command="/nowhere/x %h"):
            ("Failed", "/nowhere/x: cannot run '/nowhere/x': No such file or directory"),
        add("no-words", proxy_command="sh -c 'exit 7'"): ("Reconnecting", "sh: ended with status 7"),
    }
    for name in wanted:
        porter.forward(name, namespace.name, "app", 7007, type="pod")
    porter.start_by()
    for name, (state, words) in wanted.items():
        porter.until(lambda n=name, w=words: said(porter, f"{n}/app", w), f"{name}: {words}")
        assert said(porter, f"{name}/app", words) == {state}, name
    assert said(porter, "stranger/app", "Permission denied (publickey)")
    assert said(porter, "away-ssh/app", "connect failed: Connection refused")
    assert keeps_the_secret(porter)


def test_another_proxy_url_counts_at_once(by, namespace, cluster, started, tmp_path):
    namespace.pod("app")
    porter, add = by
    first, second = started(tinyproxy), started(tinyproxy)
    add("one", f"http://127.0.0.1:{first.port}")
    echo = porter.forward("one", namespace.name, "app", 7007, type="pod")
    porter.start_by()
    assert porter.wait_echo(echo) == b"hello"
    with apps.connect(echo) as old:
        assert apps.echo_on(old) == b"hello"
        cluster.kubeconfig("developer", tmp_path / "one", **{"proxy-url": f"http://127.0.0.1:{second.port}"})
        porter.until(lambda: porter.logged("kubeconfig read again"), "the kubeconfig is read again")
        assert apps.echo_on(old) == b"hello"
        first.stop()
        assert apps.read_to_reset(old) == b""
    assert porter.wait_echo(echo) == b"hello"
    assert not porter.logged(f"proxy 127.0.0.1:{first.port}: connection refused")


def test_a_program_ends_with_its_connection(by, namespace):
    """So does that of a forward which is dropped, and all when porter ends."""
    namespace.pod("app")
    porter, add = by
    add("one", ssh="bastion")
    echo = porter.forward("one", namespace.name, "app", 7007, type="pod")
    second = porter.forward("one", namespace.name, "app", 7011, type="pod", name="second")
    porter.start_by()
    assert porter.wait_echo(echo) == b"hello"
    assert porter.wait(apps.duplex, second, 1000, "x")
    with_both = len(children(porter))
    assert with_both >= 2
    porter.drop("forward second")
    porter.reload()
    porter.until(lambda: len(children(porter)) < with_both, "a program less")
    assert porter.wait_echo(echo) == b"hello"
    left = children(porter)
    porter.stop()
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in left), "no program is left")


class Connecting:
    """An HTTP proxy in a thread: notes whom it is asked for, and connects to one port whatever that is."""

    def __init__(self, to):
        self.to, self.asked = to, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=[client], daemon=True).start()

    def serve(self, client):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        self.asked.append(head.split(b"\r\n")[0].decode())
        server = socket.create_connection(("127.0.0.1", self.to))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=self.one_way, args=[server, client], daemon=True).start()
        self.one_way(client, server)

    @staticmethod
    def one_way(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other end is the test's subject


def test_the_environment_leads_to_names_that_only_the_proxy_knows(by, namespace, cluster, new_porter, tmp_path):
    namespace.pod("app")
    proxy = Connecting(cluster.port)
    known = cluster.kubeconfig("developer", tmp_path, **{
        "server": "https://api.invalid:6443", "tls-server-name": "localhost"})
    for env, served in (({"HTTPS_PROXY": f"127.0.0.1:{proxy.port}"}, True),
                        ({"https_proxy": f"http://127.0.0.1:{proxy.port}", "NO_PROXY": "other.invalid"}, True),
                        ({"HTTPS_PROXY": f"127.0.0.1:{proxy.port}", "no_proxy": "x, invalid:6443"}, False)):
        porter = new_porter()
        porter.cluster("one", known)
        echo = porter.forward("one", namespace.name, "app", 7007, type="pod")
        before = len(proxy.asked)
        porter.start(env=os.environ | env)
        if served:
            assert porter.wait_echo(echo) == b"hello"
            assert set(proxy.asked) == {"CONNECT api.invalid:6443 HTTP/1.1"}
        else:
            porter.until(lambda p=porter: said(p, "one/app", "cannot look up host 'api.invalid'"), "it goes straight")
            assert len(proxy.asked) == before
        porter.stop()
