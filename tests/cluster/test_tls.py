"""Servers that cannot be used, by TLS or before it: each has words of its own,
and none disturbs the forwards beside it."""
import datetime
import ipaddress
import socket
import ssl
import threading
from base64 import b64encode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage, NameOID

from rig import apps
from rig.waiting import free_port

DAY = datetime.timedelta(days=1)


class Authority:
    """A CA, and the certificates it makes."""

    def __init__(self, folder):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = name_of("test authority")
        self.pem = pem_of(self.sign(self.name, self.key, x509.BasicConstraints(ca=True, path_length=None)))

    def sign(self, subject, key, *extensions, expired=False):
        now = datetime.datetime.utcnow()
        builder = x509.CertificateBuilder(
            issuer_name=self.name, subject_name=subject, public_key=key.public_key(),
            serial_number=x509.random_serial_number(), not_valid_before=now - 9 * DAY,
            not_valid_after=now - DAY if expired else now + 9 * DAY)
        for e in extensions:
            builder = builder.add_extension(e, critical=isinstance(e, x509.BasicConstraints))
        return builder.sign(self.key, hashes.SHA256())

    def context(self, host="127.0.0.1", usage=Usage.SERVER_AUTH, expired=False, least=ssl.TLSVersion.TLSv1_2,
                asks=False):
        """A server's TLS, with a new certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([alternative_name(host)])
        file = self.folder / f"{free_port()}.pem"
        file.write_bytes(pem_of(self.sign(name_of("server"), key, names, x509.ExtendedKeyUsage([usage]),
                                          expired=expired)) +
                         key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = least
        context.load_cert_chain(file)
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def alternative_name(host):
    is_ip = host.replace(".", "").isdigit()
    return x509.IPAddress(ipaddress.ip_address(host)) if is_ip else x509.DNSName(host)


def pem_of(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class Server:
    """Accepts connections and gives each to serve(), in a thread of its own."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.serve, self.connections = serve, []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return  # closed
            self.connections.append(connection)
            threading.Thread(target=self.one, args=[connection], daemon=True).start()

    def one(self, connection):
        try:
            self.serve(connection)
        except OSError:
            pass  # what the other end makes of it is the test's subject

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # ends accept()
        except OSError:
            pass  # it was closed before
        self.listener.close()
        for c in self.connections:
            c.close()


def tls(**how):
    def serve(authority):
        context = authority.context(**how)
        return lambda connection: context.wrap_socket(connection, server_side=True).recv(65536)
    return serve


def plain(act):
    return lambda authority: act


def answer_plain_http(connection):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def hear_and_close(connection):
    connection.recv(65536)
    connection.close()


# Name of the kind: what it does, its state, words.  {port} and {host} are put in.
SERVERS = {
    "expired": (tls(expired=True), "Failed", "certificate expired on 20"),
    "other-host": (tls(host="other.test"), "Failed", "certificate is for 'other.test', not for '127.0.0.1'"),
    "client-cert": (tls(usage=Usage.CLIENT_AUTH), "Failed", "certificate is not for servers"),
    "tls13": (tls(least=ssl.TLSVersion.TLSv1_3), "Failed", "server requires TLS 1.3, which BearSSL does not support"),
    "asks": (tls(asks=True), "Failed", "client certificate"),
    "plain-http": (plain(answer_plain_http), "Failed", "server speaks plain HTTP here, not TLS"),
    "closes": (plain(hear_and_close), "Reconnecting",
               "127.0.0.1:{port} closed the connection during the TLS handshake"),
    "silent": (plain(lambda connection: threading.Event().wait()), "Reconnecting",
               "TLS handshake with 127.0.0.1:{port}: no answer in 15 s"),
}
# Without a server of ours: its URL, state, words.
OTHERS = {
    "wrong-ca": ("https://127.0.0.1:{real}", "Failed", "certificate is signed by an unknown authority"),
    "refused": ("https://127.0.0.1:{port}", "Reconnecting", "connection refused (127.0.0.1:{port})"),
    "unknown-host": ("https://nowhere.invalid:6443", "Reconnecting", "cannot look up host 'nowhere.invalid'"),
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def new_server():
    made = []

    def make(serve):
        made.append(Server(serve))
        return made[-1]
    yield make
    for server in made:
        server.close()


def base64(pem):
    return b64encode(pem).decode()


def said(porter, name, words):
    """The states in which a forward's trouble was told with these words."""
    lines = [line for line in porter.log() if f"forward={name} " in line and words in line]
    return {"Failed" if "forward failed" in line else "Reconnecting" for line in lines}


def test_each_kind_of_bad_server_has_its_words_and_disturbs_nobody(
        namespace, new_porter, cluster, tmp_path, authority, new_server):
    namespace.pod("app")
    porter = new_porter()
    porter.cluster("one", cluster.kubeconfig("developer", tmp_path))
    echo = porter.forward("one", namespace.name, "app", 7007, type="pod")
    wanted = {}

    def add(kind, server, state, words, port):
        folder = tmp_path / kind
        folder.mkdir()
        porter.cluster(kind, cluster.kubeconfig("developer", folder, server=server, **{
            "certificate-authority-data": base64(authority.pem)}))
        porter.forward(kind, namespace.name, "app", 7007, type="pod")
        wanted[f"{kind}/app"] = (state, words.format(port=port))

    for kind, (serve, state, words) in SERVERS.items():
        port = new_server(serve(authority)).port
        add(kind, f"https://127.0.0.1:{port}", state, words, port)
    for kind, (url, state, words) in OTHERS.items():
        port = free_port()
        add(kind, url.format(port=port, real=cluster.port), state, words, port)
    porter.start()
    assert porter.wait_echo(echo) == b"hello"
    with apps.connect(echo) as old:
        assert apps.echo_on(old) == b"hello"
        for name, (state, words) in wanted.items():
            porter.until(lambda: said(porter, name, words), f"{name}: {words}")
            assert said(porter, name, words) == {state}, name
            if state == "Failed":
                assert [line for line in porter.lines if line.startswith(f"{name} Failed: ") and words in line]
        assert apps.echo_on(old) == b"hello"
        assert apps.echo(echo) == b"hello"
    others = [line for line in porter.lines if not line.startswith("one/")]
    assert not [line for line in others if " Active" in line]
    # The words of one are nobody else's.
    for name, (_, words) in wanted.items():
        assert {n for n in wanted if said(porter, n, words)} == {name}


def test_a_forward_recovers_when_its_server_does(
        namespace, porter, cluster, tmp_path, authority, new_server, new_relay):
    namespace.pod("app")
    (tmp_path / "via").mkdir()
    bad = new_server(tls(expired=True)(authority))
    late = free_port()
    ports = {}
    for name, port in (("mended", bad.port), ("late", late)):
        porter.cluster(name, cluster.kubeconfig("developer-ec", tmp_path / "via", server=f"https://127.0.0.1:{port}")
                       .rename(tmp_path / name))
        ports[name] = porter.forward(name, namespace.name, "app", 7007, type="pod")
    porter.start()
    porter.until(lambda: said(porter, "late/app", "connection refused"), "refused")
    porter.until(lambda: said(porter, "mended/app", "certificate"), "expired, or not trusted")
    bad.close()
    new_relay(cluster.port, port=bad.port)
    new_relay(cluster.port, port=late)
    assert [porter.wait_echo(port) for port in ports.values()] == [b"hello"] * 2
