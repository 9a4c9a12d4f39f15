"""Credential plugins that do not do what they should, each in its own words; and secrets, which nobody
sees whom they do not concern."""
import os
import secrets
import shlex
import socket
import threading
from base64 import b64decode, b64encode
from contextlib import contextmanager, suppress

import pytest

from rig import apps
from rig.plugin import Plugin, answer
from rig.porter import BINARY
from rig.waiting import LIMIT

GARBAGE = "garbage-of-a-plugin"
# Name of the kind: what the plugin does, fields of its kubeconfig, words.
BAD = {
    "endless": (f"exec yes {GARBAGE}", {}, "more than 1024 KiB of output"),
    "huge": (f"head -c 100000000 /dev/zero | tr '\\0' x; echo {GARBAGE}", {}, "more than 1024 KiB of output"),
    "silent": ("exit 0", {}, "printed nothing"),
    "garbage": (f"echo {GARBAGE}", {}, "printed no ExecCredential: it is neither JSON nor YAML"),
    "no-json": (f"echo '{{{GARBAGE}'", {}, "printed no ExecCredential: "),
    "empty": (f"echo '{answer()}'", {}, "gave neither a token nor a certificate"),
    "other-version": (f"echo '{answer(token=GARBAGE)}' | sed s:/v1:/v1beta1:", {}, "answered in another version"),
    "no-certificate": (f"echo '{answer(clientCertificateData=GARBAGE, clientKeyData=GARBAGE)}'", {},
                       "gave a certificate that cannot be used"),
    "expired": (f"echo '{answer(token=GARBAGE, expirationTimestamp='2020-02-29T12:00:00Z')}'", {},
                "what it gives has expired at 2020-02-29 12:00:00 UTC"),
    "exit-3": (f"echo {GARBAGE}; echo first >&2; echo 'SSO session has ended: run aws sso login' >&2; exit 3", {},
               ": SSO session has ended: run aws sso login"),
    "no-words": (f"echo {GARBAGE}; exit 3", {}, "exit status 3"),
    "killed": ("kill -KILL $$", {}, "killed by signal 9"),
    "missing": (None, {"command": "no-such-program", "installHint": "get it\nfrom its makers"},
                "plugin no-such-program: no such program: get it from its makers"),
    "not-executable": (None, {"command": "/etc/passwd"}, "plugin /etc/passwd: cannot run it: Permission denied"),
    "terminal": ("exit 0", {"interactiveMode": "Always"}, "it needs a terminal: run it once by hand"),
    "refused": (f"echo '{answer(token=GARBAGE)}'", {}, "server refuses the user's credentials: Unauthorized"),
}


@pytest.fixture
def served(namespace, new_porter, cluster):
    """A Porter with a forward whose cluster needs no plugin."""
    namespace.pod("app")
    porter = new_porter()
    porter.cluster("good", cluster.kubeconfig("developer", porter.folder))
    porter.echo = porter.forward("good", namespace.name, "app", 7007, type="pod")
    return porter


def add(porter, cluster, namespace, name, script, fields):
    """Another cluster, whose user logs in by a plugin; returns that."""
    plugin = Plugin(porter.folder / name, script)
    porter.cluster(name, cluster.kubeconfig("me", plugin.path.parent, plugin.login(**fields)))
    porter.forward(name, namespace.name, "app", 7007, type="pod")
    return plugin


@contextmanager
def untouched(porter):
    """The one that needs no plugin is, all the time."""
    porter.wait_echo(porter.echo)
    flow = apps.Flow(apps.connect(porter.echo), block=1024, pause=0.02)
    with apps.Steady(porter.echo, every=0.05) as client:
        yield
        porter.until(lambda: client.count > 20, "some connections")
    assert client.failed == []
    assert flow.end() > 0
    assert porter.states("good/app") == ["Active"]


def said(porter, name):
    """What it has told of a forward, on stdout."""
    return [line for line in porter.lines if line.startswith(f"{name}/app ")]


def test_each_failure_of_a_plugin_has_its_words_and_disturbs_nobody(served, cluster, namespace):
    plugins = {name: add(served, cluster, namespace, name, script or "exit 0", fields)
               for name, (script, fields, _) in BAD.items()}
    served.start()
    with untouched(served):
        served.until(lambda: all(said(served, name) for name in BAD), "all have told")
    for name, (script, _, words) in BAD.items():
        assert served.states(f"{name}/app")[0] == "Failed", name
        assert words in said(served, name)[0], name
        assert any(words in line for line in served.logged(f"forward={name}/app ")), name
        assert (plugins[name].runs() == 0) == (script is None or name == "terminal"), name
    assert GARBAGE not in "".join(served.lines) + "".join(served.log())


def test_a_plugin_that_has_failed_and_works_again(served, cluster, namespace):
    plugin = add(served, cluster, namespace, "one", "echo 'not logged in' >&2; exit 1", {})
    served.start()
    served.wait_state("one/app", "Failed")
    plugin.path.write_text(f"#!/bin/sh\necho '{answer(token='developer-token')}'\n")
    served.wait_state("one/app", "Active")


@pytest.mark.real("takes a minute: once is enough")
def test_a_plugin_that_hangs_is_ended_with_what_it_has_started(served, cluster, namespace):
    """Those that wait for it wait, and nobody else; then it is told."""
    pids = served.folder / "pids"
    add(served, cluster, namespace, "hangs", f"sleep 1000 & echo $$ $! >{shlex.quote(str(pids))}; wait", {})
    served.start()
    with untouched(served):
        served.until(lambda: said(served, "hangs"), "it is told", 2 * LIMIT)
    assert "not done within 60 s" in said(served, "hangs")[0]
    assert served.states("hangs/app")[0] == "Reconnecting"
    first = pids.read_text().split()
    served.until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in first), "both are gone")


# ---- secrets ----

# What a program sees of all programs' arguments, and of its own environment.
DUMP = "cat /proc/[0-9]*/cmdline >{0}.ps 2>/dev/null; cat /proc/$$/environ >{0}.part; mv {0}.part {0}.env"


REFUSED = ("bad", "proxy", "way", "token", "file", "password")


class Secrets:
    """New ones, by what they are for."""

    def __init__(self):
        self.texts = {}

    def new(self, what):
        self.texts[what] = f"{what}-{secrets.token_hex(12)}"
        return self.texts[what]

    def add(self, what, text):
        self.texts[what] = text
        return text

    def within(self, text):
        """Which of them are seen there, as they are or in Base64."""
        return [what for what, secret in self.texts.items()
                if secret in text or b64encode(secret.encode()).decode()[:-4] in text]


class Refusing:
    """A proxy that nobody may use, until end(); it knows what it was asked."""

    def __init__(self):
        self.listener, self.asked = socket.create_server(("127.0.0.1", 0)), []
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        with suppress(OSError):  # by end()
            while True:
                with self.listener.accept()[0] as connection:
                    self.refuse(connection)

    def refuse(self, connection):
        with suppress(ConnectionError):
            self.asked.append(connection.recv(65536).decode())
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    def end(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()


@pytest.fixture
def refusing():
    refusing = Refusing()
    yield refusing
    refusing.end()


@pytest.fixture
def hidden():
    return Secrets()


@pytest.fixture
def logins(hidden, cluster, tmp_path):
    """Users of kubeconfigs, each with a secret of its kind, and one that is to be reached by a program."""
    hidden.add("key", (cluster.folder / "developer-ec.key").read_text().splitlines()[1])
    (tmp_path / "token-file").write_text(hidden.new("token-file"))
    token = answer(token=hidden.add("plugin-token", cluster.mint("developer", 3600)))
    plugin = Plugin(tmp_path / "plugin", DUMP.format(tmp_path / "plugin-saw") + f"; echo '{token}'")
    bad = Plugin(tmp_path / "bad", f"echo '{answer(token=hidden.new('bad-plugin'))}'; echo 'no luck' >&2; exit 1")
    key = {f"client-{what}-data": b64encode((cluster.folder / f"developer-ec.{end}").read_bytes()).decode()
           for what, end in (("certificate", "crt"), ("key", "key"))}
    return {"plugin": plugin.login(env=[{"name": "PLANTED", "value": hidden.new("variable")}]), "bad": bad.login(),
            "token": {"token": hidden.new("token")}, "file": {"tokenFile": str(tmp_path / "token-file")},
            "password": {"username": "me", "password": hidden.new("password")}, "key": key,
            "proxy": {"token": hidden.new("behind-proxy")}, "way": {"token": hidden.new("behind-program")}}


@pytest.fixture
def planted(served, logins, hidden, refusing, cluster, namespace, tmp_path):
    """served, with a cluster for each of them."""
    way = executable(tmp_path / "way", f"{DUMP.format(tmp_path / 'way-saw')}; exit 1")
    changes = {"proxy": {"proxy-url": f"http://me:{hidden.new('proxy')}@127.0.0.1:{refusing.port}"}}
    settings = {"way": {"proxy_command": way}}
    for name, login in logins.items():
        folder = served.folder / name
        folder.mkdir()
        kubeconfig = cluster.kubeconfig("me", folder, login, **changes.get(name, {}))
        served.cluster(name, kubeconfig, **settings.get(name, {}))
        served.forward(name, namespace.name, "app", 7007, type="pod", name=name)
    return served


def executable(path, script):
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def environment(path):
    """Without what porter tells its children."""
    return without_ours(dict(variable.split("=", 1) for variable in path.read_text().rstrip("\0").split("\0")))


def without_ours(variables):
    return {name: value for name, value in variables.items() if not name.startswith("PORTER_")}


def test_secrets_are_nowhere_but_where_they_are_needed(planted, hidden, refusing, tmp_path):
    """Not in what is logged or shown, in no program's arguments, in no environment but the plugin's."""
    probe = executable(tmp_path / "probe", DUMP.format(tmp_path / "probe-saw"))
    planted.section("forward plugin")["probe"] = f"exec {probe}"
    planted.start(options=["-verbose"])
    for name in ("plugin", "key"):
        planted.wait_state(f"{name}/app", "Active")
    planted.wait_echo(planted.echo)
    planted.until(lambda: all(said(planted, name) for name in REFUSED), "refused")
    assert hidden.within(b64decode(refusing.asked[0].split("Basic ")[1].split()[0]).decode()) == ["proxy"]
    planted.until(lambda: (tmp_path / "probe-saw.env").exists(), "probed")
    planted.until(lambda: planted.logged(" DEBUG: "), "connections are told of")
    planted.stop()
    shown = "".join(planted.lines) + "\n".join(planted.log())
    assert hidden.within(shown) == []
    for who in ("plugin", "probe", "way"):
        assert hidden.within((tmp_path / f"{who}-saw.ps").read_text(errors="replace")) == []
    assert hidden.within((tmp_path / "plugin-saw.env").read_text()) == ["variable"]
    for who in ("probe", "way"):
        assert environment(tmp_path / f"{who}-saw.env") == without_ours(os.environ)


def test_a_command_has_no_secrets_in_its_environment(planted, hidden, tmp_path):
    for name in REFUSED:
        planted.drop(f"forward {name}")
    planted.start([BINARY, "-config", planted.config, "-verbose", "-log", planted.log_file, "-wait", f"{LIMIT}s", "--",
                   "sh", "-c", DUMP.format(tmp_path / "command-saw")])
    status, planted.process = planted.process.wait(2 * LIMIT), None
    planted.reader.join()
    assert status == 0 and planted.lines == []
    assert environment(tmp_path / "command-saw.env") == without_ours(os.environ)
    assert hidden.within((tmp_path / "command-saw.ps").read_text(errors="replace")) == []
    assert hidden.within("\n".join(planted.log())) == []
