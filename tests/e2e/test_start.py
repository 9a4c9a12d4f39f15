"""What a user meets before any cluster does: options, configurations that are
not there or not right, and the end by a signal."""
import os
import pty
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever runs the tests: what is started has it so, too
PORTER = Path(os.environ.get("PORTER", "porter")).resolve()
LIMIT = 60  # seconds, for a loaded machine

KUBECONFIG = """\
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: t0ken}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


def run(folder, *options):
    """(status, stdout, stderr) of one that ends by itself."""
    done = subprocess.run([PORTER, *options], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=LIMIT)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def taken():
    """A port of 127.0.0.1 that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        yield s.getsockname()[1]


def write(folder, **forward):
    (folder / "k.yaml").touch(0o600)
    (folder / "k.yaml").write_text(KUBECONFIG)
    keys = {"cluster": "prod", "namespace": "default", "service": "api", "type": "service", "local_port": 8080,
            "remote_port": 80, **forward}
    lines = ["[cluster prod]", "kubeconfig = k.yaml", "[forward api]", *(f"{k} = {v}" for k, v in keys.items() if v)]
    (folder / "porter.ini").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("dashes", ["-", "--"])
def test_help_and_version(tmp_path, dashes):
    status, out, _ = run(tmp_path, f"{dashes}help")
    assert status == 0 and "-config FILE" in out and "a local port is taken" in out
    status, out, _ = run(tmp_path, f"{dashes}version")
    assert status == 0 and out.startswith("porter ")


@pytest.mark.parametrize("options, words", [
    (["-nope"], "unknown option '-nope'"),
    (["-verbose=yes"], "-verbose must be true or false, not 'yes'"),
    (["-config"], "a value is missing behind '-config'"),
])
def test_options_that_do_not_fit(tmp_path, options, words):
    status, out, err = run(tmp_path, *options)
    assert (status, out) == (2, "")
    assert err == f"Error: {words}\n  porter -help lists the options\n"


def test_without_a_configuration_it_says_ways_to_begin(tmp_path):
    status, _, err = run(tmp_path)
    assert status == 3
    assert err.startswith("Error: there is no configuration file 'porter.ini'\nWays to begin:\n")
    assert "porter svc/web 8080:80" in err and "yaml2ini config.yaml > porter.ini" in err
    sample = err[err.index("    [cluster prod]"):]
    (tmp_path / "porter.ini").write_text(sample)
    (tmp_path / "home/.kube").mkdir(parents=True)
    (tmp_path / "home/.kube/config").write_text("not: [a kubeconfig")
    _, _, err = run(tmp_path)
    assert "kubeconfig" in err and "porter.ini:1" in err  # the sample itself is right


@pytest.mark.parametrize("options", [["-config", "a\x1b[2J\n"], ["-log", "a\x1b[2J\n/b"]])
def test_what_is_shown_of_an_argument_is_text(tmp_path, options):
    write(tmp_path)
    status, _, err = run(tmp_path, *options)
    assert status == 3 and "\x1b" not in err
    assert "'a?[2J?" in err.splitlines()[0]


def test_a_configuration_may_come_through_a_pipe(tmp_path):
    write(tmp_path, local_port="http")
    command = f'"{PORTER}" -config <(sleep 0.1; cat porter.ini)'
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=LIMIT)
    assert done.returncode == 3
    assert "local_port in [forward api] must be a number from 1 to 65535, not 'http'" in done.stderr


def test_a_pipe_is_not_read_again(tmp_path, taken):
    write(tmp_path, local_port=taken, local_address="127.0.0.3")
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen([PORTER, "-config", "pipe", "-headless"], cwd=tmp_path, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True) as process:
        (tmp_path / "pipe").write_text((tmp_path / "porter.ini").read_text())
        assert process.stdout.readline().startswith("prod/api Reconnecting: ")
        process.send_signal(signal.SIGHUP)
        end = time.monotonic() + LIMIT
        while "through a pipe: it cannot be read again" not in (tmp_path / "porter.log").read_text():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.02)
        process.terminate()
        assert process.wait(LIMIT) == 0


def test_all_mistakes_are_told_with_their_lines(tmp_path):
    write(tmp_path, local_port="http", type="svc", remote_port=None, remote_prot=80)
    status, _, err = run(tmp_path)
    assert status == 3
    assert err == ("Error: type in [forward api] must be 'service', 'pod', 'deployment', 'statefulset', 'daemonset' or "
                   "'selector', not 'svc' (porter.ini:7)\n"
                   "Error: local_port in [forward api] must be a number from 1 to 65535, not 'http' (porter.ini:8)\n"
                   "Error: unknown key 'remote_prot' in [forward api] (porter.ini:9)\n"
                   "  did you mean 'remote_port'?\n")


def test_a_log_that_cannot_be_opened_is_an_error(tmp_path):
    write(tmp_path)
    status, _, err = run(tmp_path, "-log", "nowhere/porter.log")
    assert status == 3
    assert err == "Error: cannot write the log file 'nowhere/porter.log': No such file or directory\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(tmp_path, number, taken):
    write(tmp_path, local_port=taken, local_address="127.0.0.3")
    with subprocess.Popen([PORTER, "-headless"], cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True) as process:
        line = process.stdout.readline()
        assert line.startswith("prod/api Reconnecting: ") and "connection refused (127.0.0.1:1)" in line
        process.send_signal(number)
        assert process.wait(LIMIT) == 0
    log = (tmp_path / "porter.log").read_text()
    assert "INFO: started" in log and "INFO: stopping" in log and "t0ken" not in log


@pytest.mark.parametrize("words, screen", [
    ("exec {}", True), ("exec {} </dev/null", False), ("{} & wait", False), ("{} | cat", False)])
def test_the_terminal_is_left_to_others(tmp_path, taken, words, screen):
    write(tmp_path, local_port=taken, local_address="127.0.0.3")
    mine, its = pty.openpty()
    with subprocess.Popen(["sh", "-c", words.format(PORTER)], cwd=tmp_path, env=os.environ | {"TERM": "xterm"},
                          preexec_fn=lambda: os.login_tty(its)) as process:
        os.close(its)
        said = b""
        while b"Reconnecting" not in said:
            said += os.read(mine, 4096)
        os.close(mine)
        process.wait(LIMIT)
    assert (b"\x1b[?1049h" in said) == screen


@pytest.mark.parametrize("term, options, ends", [
    ("xterm", [], True), ("dumb", [], True), ("xterm", ["-headless"], False)])
def test_the_end_of_the_terminal(tmp_path, taken, term, options, ends):
    write(tmp_path, local_port=taken, local_address="127.0.0.3")
    mine, its = pty.openpty()
    with subprocess.Popen([PORTER, *options], cwd=tmp_path, env=os.environ | {"TERM": term},
                          preexec_fn=lambda: os.login_tty(its)) as process:
        os.close(its)
        said = b""
        while b"Reconnecting" not in said:
            said += os.read(mine, 4096)
        assert (b"\x1b[?1049h" in said) == (term == "xterm" and ends)
        os.close(mine)
        if ends:
            assert process.wait(LIMIT) == 0
        else:
            end = time.monotonic() + LIMIT
            while "configuration reloaded" not in (tmp_path / "porter.log").read_text():
                assert process.poll() is None and time.monotonic() < end
                time.sleep(0.02)
            process.terminate()
            assert process.wait(LIMIT) == 0
