"""Forwards named on the command line, as with kubectl: what is said, where it goes, and how it ends."""
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from rig import apps
from rig.porter import BINARY
from rig.waiting import LIMIT, free_port

SOON = os.environ | {"PORTER_RECONNECT_DELAY": "300ms", "TERM": "dumb"}  # no screen, at a terminal either
FORWARDING = re.compile(r"Forwarding from (127\.0\.0\.1|\[::1\]):(\d+) -> (\d+)\n")


@pytest.fixture
def adhoc(new_porter, namespace, cluster, tmp_path):
    """A function that starts porter with some words, in a namespace with the pod and the service "web", and
    returns it; its stderr is in the file "errors"."""
    namespace.pod("web")
    namespace.service("web")

    def start(*words, user="developer", **how):
        porter = new_porter()
        options = ["-kubeconfig", cluster.kubeconfig(user, tmp_path), "-n", namespace.name]
        with open(porter.folder / "errors", "w") as errors:
            return porter.start([BINARY, *options, *words], **{"stderr": errors, "env": SOON} | how)
    return start


def told(porter, count):
    """Waits for so many forwards, and returns {local port: remote port}; each is on both addresses."""
    porter.until(lambda: len(porter.lines) >= 2 * count, f"{count} forwards")
    found = [FORWARDING.fullmatch(line) for line in porter.lines]
    assert all(found), porter.lines
    ports = {int(match[2]): int(match[3]) for match in found}
    assert sorted(porter.lines) == sorted(f"Forwarding from {host}:{port} -> {remote}\n"
                                          for host in ("127.0.0.1", "[::1]") for port, remote in ports.items())
    assert len(ports) == count
    return ports


def errors(porter):
    return (porter.folder / "errors").read_text()


# ---- what is forwarded ----

def test_a_service_and_a_pod_as_kubectl_names_them(adhoc):
    api, same = free_port(), free_port()
    porter = adhoc("svc/web", f"{api}:80", "pod/web", str(same), ":7007")
    ports = told(porter, 3)
    echo, = ports.keys() - {api, same}
    assert ports == {api: 8080, same: same, echo: 7007}
    assert apps.http_get(api) == "web"
    assert apps.echo(echo) == b"hello"
    assert "INFO: forward active forward=developer/web" in errors(porter)
    assert not porter.log_file.exists()
    assert not [line for line in porter.lines if not line.startswith("Forwarding from")]


@pytest.mark.parametrize("words, remote", [
    (("svc/web", ":http"), 8080), (("service/web", ":echo"), 7007), (("services/web", ":7"), 7007),
    (("SVC/web", ":80"), 8080), (("po/web", ":http"), 8080), (("pods/web", ":echo"), 7007), (("web", ":7007"), 7007)])
def test_types_by_their_names_and_ports_by_theirs(adhoc, words, remote):
    port, = told(adhoc(*words), 1)
    if remote == 8080:
        assert apps.http_get(port) == "web"
    else:
        assert apps.echo(port) == b"hello"


@pytest.mark.parametrize("type", ["deploy", "deployment", "deployments.apps"])
def test_a_deployment(adhoc, namespace, type):
    namespace.deployment("app")
    port, = told(adhoc(f"{type}/app", ":7007", user="admin"), 1)
    assert apps.echo(port) == b"hello"


def test_both_addresses_serve(adhoc):
    port, = told(adhoc("pod/web", ":7007"), 1)
    for host in ("127.0.0.1", "::1"):
        with apps.socket.create_connection((host, port), timeout=LIMIT) as s:
            assert apps.echo_on(s) == b"hello"


def test_the_port_is_told_when_it_serves_and_once(adhoc, namespace):
    """The pod comes late, and is replaced later."""
    def troubles():
        return errors(porter).count(" forward=developer/late reason=")
    porter = adhoc("pod/late", ":7007", "pod/web", ":7007")
    porter.until(lambda: "developer/late" in errors(porter) and len(porter.lines) == 2, "the one that is there is told")
    pod = namespace.pod("late")
    late, = told(porter, 2).keys() - {int(FORWARDING.fullmatch(porter.lines[0])[2])}
    assert apps.echo(late) == b"hello"
    before = troubles()
    pod.delete(0)
    porter.until(lambda: not pod.exists() and troubles() > before, "the pod is missed")
    namespace.pod("late")
    porter.until(lambda: errors(porter).count("forward active forward=developer/late ") == 2, "it serves again")
    assert porter.wait_echo(late) == b"hello"
    assert len(porter.lines) == 4


# ---- kubectl's own words ----

def kubectl():
    """The one that tests/bench fetches, or else the machine's."""
    cached = Path(os.environ.get("PORTER_CLUSTER_PROGRAMS", "/nowhere")).parent / "kubectl-1.35"
    return str(cached) if cached.exists() else shutil.which("kubectl")


def said_by(program, folder, count):
    """The lines of a program until there are so many, and then it is ended."""
    process = subprocess.Popen([str(word) for word in program], cwd=folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        return [process.stdout.readline() for _ in range(count)]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.real("a kubectl is to talk to it")
@pytest.mark.skipif(not kubectl(), reason="there is no kubectl")
@pytest.mark.parametrize("words, count", [
    (["svc/web", "PORT:80"], 2), (["svc/web", "PORT:http"], 2), (["service/web", "PORT:7", ":80"], 4),
    (["pod/web", "PORT:7007"], 2), (["web", "PORT", ":8080"], 4), (["deploy/app", ":http"], 2)])
def test_the_lines_are_those_of_kubectl(namespace, new_porter, cluster, tmp_path, words, count):
    namespace.pod("web")
    namespace.service("web")
    namespace.deployment("app")
    kubeconfig, port = cluster.kubeconfig("admin", tmp_path), str(free_port())
    words = [word.replace("PORT", port) for word in words]

    def lines(program):
        """Any free port differs."""
        given = said_by([*program, *words], tmp_path, count)
        return sorted(line if f":{port} " in line else re.sub(r":\d+ ->", ": ->", line) for line in given)
    theirs = lines([kubectl(), "--kubeconfig", kubeconfig, "-n", namespace.name, "port-forward"])
    ours = lines(["sh", "-c", 'exec "$@" 2>errors', "sh", BINARY, "-kubeconfig", kubeconfig, "-n", namespace.name])
    assert ours == theirs


# ---- where it looks ----

def two_contexts(path, good, namespace):
    """A kubeconfig whose current context is of no use; "right" is the good one's, with a namespace."""
    text = good.read_text()
    head, tail = text.split("contexts:\n")
    entry, tail = tail.split("current-context:")
    user = re.search(r"user: (\S+)", entry)[1]
    right = entry.replace(f"user: {user}\n", f"user: {user}\n    namespace: {namespace}\n").replace(
        f"name: {user}\n", "name: right\n")
    wrong = entry.replace(f"user: {user}\n", "user: nobody\n").replace(f"name: {user}\n", "name: wrong\n")
    rest = tail.split("\n", 1)[1]
    path.write_text(f"{head}contexts:\n{right}{wrong}current-context: wrong\n{rest}")
    return path


def test_a_context_by_name_and_its_namespace(namespace, new_porter, cluster, tmp_path):
    namespace.pod("web")
    path = two_contexts(tmp_path / "two.yaml", cluster.kubeconfig("developer", tmp_path), namespace.name)
    porter = new_porter()
    porter.start([BINARY, "-kubeconfig", path, "-context", "right", "pod/web", ":7007"], stderr=subprocess.DEVNULL)
    port, = told(porter, 1)
    assert apps.echo(port) == b"hello"


@pytest.mark.parametrize("place", ["KUBECONFIG", "HOME"])
def test_without_options_it_looks_where_kubectl_does(namespace, new_porter, cluster, tmp_path, place):
    namespace.pod("web")
    good = cluster.kubeconfig("developer", tmp_path)
    (tmp_path / ".kube").mkdir()
    shutil.copy(good, tmp_path / ".kube/config")
    porter = new_porter()
    env = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
    env[place] = str(good if place == "KUBECONFIG" else tmp_path)
    porter.start([BINARY, "-n", namespace.name, "web", ":7007"], env=env, stderr=subprocess.DEVNULL)
    port, = told(porter, 1)
    assert apps.echo(port) == b"hello"


# ---- what is wrong ----

@pytest.mark.parametrize("words, status, said", [
    (["svc/web"], 3, "Error: svc/web: which port? as in: svc/web 8080:80\n"),
    (["-n", "shop"], 2, "Error: -context, -n and -kubeconfig are for use without a file\n"),
    (["srv/web", "8080:80"], 3, "Error: unknown type 'srv' in 'srv/web'\n  there are svc, pod, deploy, sts and ds\n"),
    (["svc/web", "8080:70000"], 3, "Error: the remote port in '8080:70000' must be a number from 1 to 65535, or a"),
    (["svc/web", "x:80"], 3, "Error: the local port in 'x:80' must be a number from 1 to 65535, or nothing"),
    (["svc/Web", "80"], 3, "Error: the name in 'svc/Web' must be lower-case letters"),
    (["svc/web", "8080:80", "http"], 3, "Error: http: at which local port? as in: 8080:http\n"),
    (["svc/a", "8080:80", "svc/b", "8080:80"], 3, "8080"),
    (["svc/web", ":80", "-context", "nowhere"], 3, "'nowhere'"),
    (["svc/web", ":80", "-n", "Shop"], 3, "Error: a namespace must be"),
    (["svc/web", ":80", "-kubeconfig", "nowhere.yaml"], 3, "nowhere.yaml"),
])
def test_words_that_do_not_fit(tmp_path, cluster, words, status, said):
    env = os.environ | {"KUBECONFIG": str(cluster.kubeconfig("developer", tmp_path))}
    done = subprocess.run([BINARY, *words], cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=LIMIT)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr and done.stderr.startswith("Error: ")


def test_a_taken_port_is_named(tmp_path, cluster):
    with apps.socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
        kubeconfig = cluster.kubeconfig("developer", tmp_path)
        done = subprocess.run([BINARY, "-kubeconfig", kubeconfig, "svc/web", f"{port}:80"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith(f"Error: port {port} is in use by non-nanoporter process: ")
    assert "change local_port of 'developer/web'\n" in done.stderr


def test_what_is_not_there_is_told_and_comes_later(adhoc, namespace):
    porter = adhoc("svc/shop", ":7")
    porter.until(lambda: "ERROR: forward failed forward=developer/shop" in errors(porter), "it is told")
    assert porter.lines == []
    namespace.pod("shop")
    namespace.service("shop")
    port, = told(porter, 1)
    assert porter.wait_echo(port) == b"hello"


# ---- its end ----

def test_ctrl_c_at_a_terminal_ends_it(adhoc):
    ours, theirs = os.openpty()
    try:
        porter = adhoc("pod/web", ":7007", by=["setsid", "-c"], stdin=theirs, stdout=theirs)
        os.close(theirs)
        said = b""
        while said.count(b"\n") < 2:
            said += os.read(ours, 4096)
        assert all(FORWARDING.fullmatch(line + "\n") for line in said.decode().split("\r\n")[:-1])
        os.write(ours, b"\x03")
        assert porter.process.wait(LIMIT) == 0
    finally:
        os.close(ours)


def test_a_terminal_that_goes_away_ends_it(adhoc):
    ours, theirs = os.openpty()
    porter = adhoc("pod/web", ":7007", by=["setsid", "-c"], stdin=theirs, stdout=theirs)
    os.close(theirs)
    os.read(ours, 4096)
    os.close(ours)
    assert porter.process.wait(LIMIT) == 0


def test_hangup_ends_it_in_good_order(adhoc):
    porter = adhoc("pod/web", ":7007")
    told(porter, 1)
    porter.process.send_signal(signal.SIGHUP)
    assert porter.process.wait(LIMIT) == 0
    assert "INFO: stopping signal=1" in errors(porter)
