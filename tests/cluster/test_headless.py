"""Use without a person before it: a command beside the forwards, -wait, -detach, service managers, the
environment; and that nothing is left behind, however it ends."""
import os
import re
import secrets
import signal
import socket
import sys
import time

import pytest

from rig import apps
from rig.porter import BINARY
from rig.waiting import LIMIT, until

PAGE = "curl -sf localhost:$PORTER_API_PORT"
NO_PODS = "no ready pod: service 'dead' has no pods"
# Writes each signal it gets, and its si_code: 0 where a process sent it, 128 where the kernel did for a terminal.
LISTENER = """\
import signal
those = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, those)
print("listening", flush=True)
while True:
    got = signal.sigwaitinfo(those)
    print(signal.Signals(got.si_signo).name, got.si_code, flush=True)
    if got.si_signo == signal.SIGTERM:
        exit(7)
"""
LISTEN = ["--", sys.executable, "-c", LISTENER]


@pytest.fixture
def porter(new_porter, cluster):
    """One that holds no connection: what is not served at once is reset."""
    porter = new_porter(check_interval="300ms", reconnect_delay="300ms", hold="0s")
    porter.cluster("one", cluster.kubeconfig())
    return porter


@pytest.fixture
def app(namespace, porter):
    """A forward called api, of a service with a pod; its local port."""
    namespace.pod("app")
    namespace.service("app")
    return porter.forward("one", namespace.name, "app", 80, name="api")


@pytest.fixture
def dead(namespace, porter):
    """One of a service without pods."""
    namespace.service("dead")
    return porter.forward("one", namespace.name, "dead", 80)


@pytest.fixture
def launch(porter, starter):
    """A function that starts porter with some options, in its folder."""
    def start(*options, **how):
        return starter.start(BINARY, "-config", porter.write(), *options, cwd=porter.folder, **how)
    return start


def wait_logged(porter, started, words):
    started.until(lambda: porter.logged(words), f"logged: {words}")


def wait_lines(started, n):
    """Its first n lines, when it has written them."""
    started.until(lambda: started.out().count("\n") >= n, f"{n} lines on stdout")
    return started.out().splitlines()


# ---- a command ----

def test_as_cron_has_it_stdout_is_the_command_s_alone(app, launch, starter):
    porter = launch("-wait", "20s", "--", "sh", "-c", PAGE)
    assert porter.told() == (0, "app\n", "")
    assert starter.left() == []


@pytest.mark.parametrize("script, status", [("exit 37", 37), ("kill -KILL $$", 128 + 9), ("kill -TERM $$", 128 + 15)])
def test_the_command_s_status_is_porter_s(app, launch, script, status):
    assert launch("--", "sh", "-c", script).told() == (status, "", "")


@pytest.mark.parametrize("command, status, words", [
    ("no-such-command", 127, "there is no such command"),
    ("./porter.ini", 126, "the command cannot be executed"),
    ("/", 126, "the command cannot be executed"),
])
def test_a_command_that_cannot_be_run_is_found_out_before_anything_starts(dead, launch, command, status, words):
    assert launch("--", command).told() == (status, "", f"Error: cannot run '{command}': {words}\n")


def test_a_script_without_its_interpreter(app, launch, porter):
    (porter.folder / "script").write_text("#!/no/such/interpreter\n")
    (porter.folder / "script").chmod(0o755)
    assert launch("--", "./script").told() == (127, "", "Error: cannot run './script': No such file or directory\n")


def test_all_forwards_are_in_its_environment(namespace, app, launch, porter):
    other = porter.forward("one", namespace.name, "app", 80, name="web-2", local_address="127.0.0.3")
    status, out, err = launch("--", "sh", "-c", f"env; {PAGE}; curl -sf $PORTER_WEB_2_ADDR:$PORTER_WEB_2_PORT").told()
    assert (status, err) == (0, "")
    *env, page, other_page = out.splitlines()
    assert {line for line in env if line.startswith("PORTER_")} == {
        "PORTER_API_ADDR=127.0.0.1", f"PORTER_API_PORT={app}",
        "PORTER_WEB_2_ADDR=127.0.0.3", f"PORTER_WEB_2_PORT={other}"}
    assert (page, other_page) == ("app", "app")


def test_two_that_would_share_a_variable_are_refused(namespace, launch, porter):
    for name in ("a-b", "a.b"):
        porter.forward("one", namespace.name, "dead", 80, name=name)
    status, out, err = launch("--", "touch", "ran").told()
    assert (status, out) == (125, "") and not (porter.folder / "ran").exists()
    assert err == ("Error: forwards 'a-b' and 'a.b' would both be PORTER_A_B_PORT to the command: "
                   "one needs another name\n")


def test_without_a_file(namespace, app, cluster, starter, tmp_path):
    porter = starter.start(BINARY, "-kubeconfig", cluster.kubeconfig(), "-n", namespace.name, "svc/app", ":80",
                           "--", "sh", "-c", "curl -sf localhost:$PORTER_APP_PORT", cwd=tmp_path)
    assert porter.told() == (0, "app\n", "")
    assert starter.left() == []


# ---- signals ----

def test_signals_are_passed_on_and_the_command_decides(app, launch, starter):
    porter = launch(*LISTEN)
    assert wait_lines(porter, 1) == ["listening"]
    sent = [signal.SIGUSR1, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR2, signal.SIGTERM]
    for n, number in enumerate(sent[:-1], 2):
        porter.signal(number)
        wait_lines(porter, n)
    porter.signal(signal.SIGTERM)
    assert porter.told() == (7, "".join(f"{line}\n" for line in ["listening", *(f"{s.name} 0" for s in sent)]), "")
    assert starter.left() == []


def test_what_a_terminal_sends_reaches_the_command_once(app, launch):
    porter = launch(*LISTEN, terminal=True)
    wait_lines(porter, 1)
    for n in range(2, 7):  # where porter sent another each time, it would be seen among five
        porter.type(b"\x03")
        wait_lines(porter, n)
    porter.signal(signal.SIGTERM)
    assert porter.told() == (7, "listening\n" + "SIGINT 128\n" * 5 + "SIGTERM 0\n", "")


def test_the_command_is_told_that_the_terminal_has_gone(app, launch):
    porter = launch(*LISTEN, terminal=True)
    wait_lines(porter, 1)
    porter.close()
    assert wait_lines(porter, 2)[1:] == ["SIGHUP 0"]
    porter.signal(signal.SIGTERM)
    assert porter.wait() == 7


def test_the_command_reads_from_the_terminal(app, launch):
    porter = launch("--", "sh", "-c", "read line && echo it was $line", terminal=True)
    porter.type(b"hello\n")
    assert porter.told() == (0, "it was hello\n", "")


def test_the_command_is_told_that_porter_was_killed(app, launch, starter):
    porter = launch(*LISTEN)
    wait_lines(porter, 1)
    command, = set(starter.left()) - {porter.process.pid}
    porter.process.kill()
    assert porter.wait() == -signal.SIGKILL
    assert starter.reap(command) == 7
    assert porter.out().splitlines()[1:] == ["SIGTERM 0"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_stopped_before_the_command(namespace, app, dead, launch, porter, starter, number):
    probing = porter.folder / "probing"
    porter.forward("one", namespace.name, "app", 80, probe=f'exec sh -c "> {probing} && exec sleep 1000"')
    started = launch("-wait", "60s", "--", "touch", "ran")
    started.until(probing.exists, "the probe runs")
    started.signal(number)
    assert started.told() == (125, "", "") and not (porter.folder / "ran").exists()
    assert starter.left() == []


# ---- what goes wrong before the command, or without one ----

def spoil_nothing(porter, taken):
    pass


def spoil_configuration(porter, taken):
    porter.sections[1][1]["transport"] = "carrier-pigeon"


def spoil_port(porter, taken):
    porter.sections[-1][1].update(local_address="127.0.0.1", local_port=taken)


@pytest.mark.parametrize("how, by_itself", [([], True), (["-detach"], True), (["--", "touch", "ran"], False)])
@pytest.mark.parametrize("spoil, options, words, own, beside_command", [
    (spoil_nothing, ["-nope"], "unknown option '-nope'", 2, 125),
    (spoil_configuration, [], "transport in [cluster one] must be", 3, 125),
    (spoil_port, [], "port ", 4, 125),
    (spoil_nothing, ["-wait", "1s"], f"'one/dead' is not Active in time: {NO_PODS}", 5, 124),
], ids=["usage", "configuration", "port", "late"])
def test_what_stops_it_is_told_in_words_and_by_the_status(app, dead, launch, porter, starter, how, by_itself, spoil,
                                                          options, words, own, beside_command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        spoil(porter, taken.getsockname()[1])
        started = launch("-headless", *options, *how)
        assert started.wait() == (own if by_itself else beside_command)
    assert started.err().startswith(f"Error: {words}") and started.err().count("Error") == 1
    assert how == [] or started.out() == ""
    assert not (porter.folder / "ran").exists()
    assert starter.left() == []


def test_every_status_is_in_the_help(starter):
    status, out, _ = starter.start(BINARY, "-help").told()
    assert status == 0
    told = re.findall(r"^  (\d+) ", out[out.index("\nexit status"):], re.M)
    assert set(told) >= {"0", "1", "2", "3", "4", "5", "124", "125", "126", "127", "128"}


# ---- -wait ----

def test_wait_for_a_pod_that_comes_later_and_go_on(namespace, dead, launch, porter):
    started = launch("-headless", "-wait", "10s")
    wait_logged(porter, started, NO_PODS)
    namespace.pod("dead")
    started.until(lambda: "one/dead Active" in started.out(), "Active")
    time.sleep(10)  # it has no limit any more
    assert apps.http_get(dead) == "dead"
    started.signal(signal.SIGTERM)
    assert started.wait() == 0 and started.err() == ""


def test_wait_that_is_ended_early_is_no_success(dead, launch, porter):
    started = launch("-headless", "-wait", "60s")
    wait_logged(porter, started, NO_PODS)
    started.signal(signal.SIGTERM)
    assert started.wait() == 1


# ---- the terminal goes ----

def test_it_ends_with_its_terminal(app, launch, porter, starter):
    started = launch(terminal=True)
    wait_logged(porter, started, "forward active")
    started.close()
    assert started.wait() == 0 and porter.logged("stopping")
    assert starter.left() == []


def test_but_not_if_it_is_headless(app, launch, porter):
    started = launch("-headless", terminal=True)
    wait_logged(porter, started, "forward active")
    started.close()
    wait_logged(porter, started, "configuration reloaded")
    assert apps.http_get(app) == "app"


# ---- -detach ----

def in_background(started, porter):
    """The pid that it has told, when it has gone there."""
    status, out, err = started.told()
    told = re.fullmatch(r"porter runs in the background: pid (\d+), log (.*)\n", out)
    assert (status, err) == (0, "") and told[2] == str(porter.log_file)
    return int(told[1])


def test_detach_returns_when_all_are_served(namespace, app, dead, launch, porter, starter):
    started = launch("-detach", "-wait", "60s")
    wait_logged(porter, started, NO_PODS)
    namespace.pod("dead")
    pid = in_background(started, porter)
    assert (apps.http_get(app), apps.http_get(dead)) == ("app", "dead")  # at once: see the fixture
    assert starter.left() == [pid] and os.getsid(pid) == pid
    assert [os.readlink(f"/proc/{pid}/fd/{n}") for n in range(3)] == [os.devnull] * 3
    os.kill(pid, signal.SIGTERM)
    assert starter.reap(pid) == 0
    assert porter.logged("stopping") and starter.left() == []


def test_detached_it_outlives_its_terminal(app, launch, porter):
    started = launch("-detach", terminal=True)
    pid = in_background(started, porter)
    started.close()
    time.sleep(1)  # for what may come of that
    assert apps.http_get(app) == "app"
    assert os.getsid(pid) == pid and not porter.logged("configuration")


def test_detach_that_is_interrupted_leaves_nothing_behind(dead, launch, porter, starter):
    started = launch("-detach", "-wait", "60s", terminal=True)
    wait_logged(porter, started, NO_PODS)
    started.type(b"\x03")
    status, out, _ = started.told()
    assert status != 0 and out == ""
    until(lambda: starter.left() == [], "nothing is left")


def test_detach_that_was_stopped_on_its_way_is_no_success(dead, launch, porter, starter):
    started = launch("-detach", "-wait", "60s")
    wait_logged(porter, started, NO_PODS)
    pid, = set(starter.left()) - {started.process.pid}
    os.kill(pid, signal.SIGTERM)
    status, out, _ = started.told()
    assert status != 0 and out == ""
    assert porter.logged("stopping") and starter.left() == []


def test_detach_without_a_log_file_is_refused(app, launch, porter):
    porter.sections[0][1]["log"] = ""
    assert launch("-detach").told() == (3, "", "Error: in the background the log needs a file\n"
                                        "  name one with -log FILE\n")


# ---- a service manager ----

class Manager:
    """What a service manager is told."""

    def __init__(self):
        self.name = f"porter-test-{secrets.token_hex(8)}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{self.name}")
        self.socket.settimeout(LIMIT)
        self.env = {"NOTIFY_SOCKET": f"@{self.name}"}

    def told_until(self, wanted):
        """All lines from now on until the one that is wanted."""
        lines = []
        while wanted not in lines:
            lines += self.socket.recv(4096).decode().splitlines()
        return lines


@pytest.fixture
def manager():
    manager = Manager()
    yield manager
    manager.socket.close()


def test_a_service_manager_is_told_at_once_where_nobody_waits(dead, launch, manager):
    porter = launch("-headless", env=manager.env)
    manager.told_until("READY=1")
    manager.told_until("STATUS=0 of 1 forwards are Active")
    porter.signal(signal.SIGHUP)
    reloading, = [line for line in manager.told_until("READY=1") if not line.startswith("STATUS=")][:-2]
    assert reloading == "RELOADING=1"
    porter.signal(signal.SIGTERM)
    assert "READY=1" not in manager.told_until("STOPPING=1")
    assert porter.wait() == 0


def test_with_wait_it_is_told_when_all_are_active(namespace, dead, launch, porter, manager):
    started = launch("-headless", "-wait", "60s", env=manager.env)
    wait_logged(porter, started, NO_PODS)
    manager.told_until("STATUS=0 of 1 forwards are Active")
    namespace.pod("dead")
    lines = manager.told_until("READY=1")
    assert lines[lines.index("READY=1") + 1] == "STATUS=1 of 1 forwards are Active"  # told together


def test_nobody_else_is_given_its_socket(namespace, app, launch, porter, manager):
    seen = porter.folder / "seen"
    porter.forward("one", namespace.name, "app", 80, probe=f'exec sh -c "env > {seen}.part && mv {seen}.part {seen}"')
    started = launch("--", "sh", "-c", f"until [ -e {seen} ]; do sleep 0.1; done; env", env=manager.env)
    assert started.wait() == 0
    for env in (started.out(), seen.read_text()):
        assert "PATH=" in env and "NOTIFY_SOCKET" not in env
    assert "READY=1" in manager.told_until("STOPPING=1")


# ---- the environment ----

@pytest.fixture
def probed(namespace, porter):
    """A forward that is probed at each check, of which there is none but the first for an hour; and the file
    that each probe adds a line to."""
    namespace.pod("app")
    namespace.service("app")
    porter.sections[0][1].update(check_interval="1h", log="by-the-file.log")
    probes = porter.folder / "probes"
    return porter.forward("one", namespace.name, "app", 80, probe=f'exec sh -c "echo >> {probes}"'), probes


def test_the_environment_comes_before_the_file(probed, porter, starter):
    port, probes = probed
    env = {"PORTER_CONFIG": str(porter.write()), "PORTER_LOG": "by-the-environment.log", "PORTER_VERBOSE": "true",
           "PORTER_CHECK_INTERVAL": "300ms"}
    started = starter.start(BINARY, "-headless", cwd=porter.folder, env=env)
    log = porter.folder / "by-the-environment.log"
    started.until(lambda: probes.exists() and probes.read_text().count("\n") > 3, "several probes")
    assert apps.http_get(port) == "app"
    started.until(lambda: "DEBUG" in log.read_text(), "lines of connections")
    assert not (porter.folder / "by-the-file.log").exists()


def test_options_come_before_the_environment(probed, porter, launch):
    port, _ = probed
    env = {"PORTER_CONFIG": "nowhere.ini", "PORTER_LOG": "by-the-environment.log", "PORTER_VERBOSE": "true"}
    started = launch("-headless", "-log", "by-option.log", "-verbose=false", env=env)
    started.until(lambda: "one/app Active" in started.out(), "Active")
    assert apps.http_get(port) == "app"
    started.signal(signal.SIGTERM)
    assert started.wait() == 0
    log = (porter.folder / "by-option.log").read_text()
    assert "started" in log and "DEBUG" not in log
    assert not list(porter.folder.glob("by-the-*.log"))
