"""Local ports that others have: who, to the letter; nothing of theirs is touched, and nothing is started."""
import os
import signal
import socket
import subprocess

import pytest

from holders import BY_NOBODY, NOBODY, Nanoporter, Nginx, Renamed, Script, Squatter
from rig import apps
from rig.porter import BINARY
from rig.waiting import LIMIT, free_port

ME = os.geteuid()


def refused(porter, *options, by=(), binary=BINARY):
    """(status, stdout, stderr) of one that ends by itself."""
    porter.write()
    done = subprocess.run([*by, binary, "-config", "porter.ini", "-headless", *options], cwd=porter.folder,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
    return done.returncode, done.stdout, done.stderr


def nothing_started(porter):
    return porter.log() == []


def line_of(porter, port):
    """Where its local_port stands in the configuration."""
    return porter.ini().splitlines().index(f"local_port = {port}") + 1


def other_port(porter, port, name):
    return f"change local_port of '{name}' (porter.ini:{line_of(porter, port)})\n"


def stranger(porter, port, who, name="prod/api"):
    return (f"Error: port {port} is in use by non-nanoporter process: {who}\n"
            f"  stop it, or {other_port(porter, port, name)}")


def ours(porter, port, pid, name="prod/api"):
    return (f"Error: port {port} is in use by another nanoporter instance (PID: {pid})\n"
            f"  stop it with 'porter -stop -pid {pid}', take over from it with -on-conflict=takeover, or "
            f"{other_port(porter, port, name)}")


def foreign(porter, port, user, pid, name="prod/api"):
    return (f"Error: port {port} is in use by a nanoporter of another user: {user} (PID: {pid})\n"
            f"  have it stopped by {user}, or {other_port(porter, port, name)}")


def add(porter, name="api", **keys):
    return porter.forward("prod", "default", name, 80, **keys)


def goes_on(older):
    """It has its port still, and was not asked for it."""
    apps.connect(older.port).close()
    assert older.process.poll() is None
    assert older.logged("taken over") == []


# ---- strangers ----

@pytest.mark.parametrize("listen, address", [
    ("127.0.0.1:{}", "127.0.0.1"),
    ("[::1]:{} ipv6only=on", "[::1]"),
])
def test_nginx_on_loopback(porter, hold, listen, address):
    port = add(porter)
    nginx = hold(Nginx, port, listen, address)
    assert refused(porter) == (4, "", stranger(porter, port, f"nginx (PID: {nginx.pid})"))
    assert nginx.serves() and nothing_started(porter)


@pytest.mark.parametrize("listen, address", [
    ("{}", "127.0.0.1"),
    ("[::]:{} ipv6only=on", "[::1]"),
    ("[::]:{} ipv6only=off", "127.0.0.1"),
])
@pytest.mark.parametrize("keys", [{}, {"local_address": "127.0.0.1"}], ids=["both", "v4"])
def test_nginx_on_a_wildcard(porter, hold, quiet, listen, address, keys):
    """On one of IPv6 only it is not in the way of a forward that wants IPv4 only."""
    port = add(porter, **keys)
    nginx = hold(Nginx, port, listen, address, by=quiet)
    if keys and "only=on" in listen:
        porter.sections[1][1]["kubeconfig"].write_text("")
        status, _, err = refused(porter, by=quiet)
        assert status == 3 and "is in use" not in err
    else:
        assert refused(porter, by=quiet) == (4, "", stranger(porter, port, f"nginx (PID: {nginx.pid})"))
        assert nginx.serves() and nothing_started(porter)


def test_at_another_address_nobody_is_in_the_way(hold, older):
    porter = older(local_address="127.0.0.2")
    nginx = hold(Nginx, porter.port)
    assert nginx.serves()
    porter.stop()
    porter.start()
    porter.until(lambda: len(porter.logged("INFO: started")) == 2, "it starts again")


@pytest.mark.parametrize("kind", [Script, Renamed])
@pytest.mark.parametrize("options", [[], ["-on-conflict=takeover"]])
def test_one_that_is_called_porter_is_a_stranger(porter, hold, kind, options):
    port = add(porter)
    script = hold(kind, port)
    assert refused(porter, *options) == (4, "", stranger(porter, port, f"porter (PID: {script.pid})"))
    assert script.serves() and nothing_started(porter)


def test_the_go_nanoporter(porter, hold):
    port = add(porter)
    go = hold(Nanoporter, port)
    assert refused(porter) == (4, "", f"Error: port {port} is in use by the Go nanoporter: server (PID: {go.pid})\n"
                                      f"  it hands nothing over: kill {go.pid}\n")
    assert go.serves() and nothing_started(porter)


def test_a_connection_that_is_nobodys_any_more(porter):
    """One that went out by that port, and waits for its peer's last word."""
    port = add(porter)
    with socket.create_server(("127.0.0.1", 0)) as there:
        with socket.socket() as s:
            s.bind(("127.0.0.1", port))
            s.connect(there.getsockname())
        assert refused(porter) == (4, "", f"Error: port {port} is in use by a connection that no process has any more\n"
                                          "  it ends by itself within a minute: try again then\n")
    assert nothing_started(porter)


# ---- other users ----

def test_who_is_not_root_is_told_whose_process_it_is(nobody, hold):
    port = add(nobody)
    script = hold(Script, port)
    assert refused(nobody, by=nobody.by, binary=nobody.binary) == (
        4, "", stranger(nobody, port, "one of user root (PID: unknown)"))
    assert script.serves() and nothing_started(nobody)


def test_another_users_porter(porter, nobody, older):
    """Neither root's nor one of root's."""
    nobody.port = add(nobody, "old")
    command = [nobody.binary, "-config", nobody.config, "-headless", "-log", nobody.log_file]
    nobody.start(by=nobody.by, command=command)
    nobody.until(lambda: nobody.states("prod/old"), "it runs")
    add(porter, local_port=nobody.port)
    assert refused(porter) == (4, "", foreign(porter, nobody.port, "nobody", nobody.process.pid))
    goes_on(nobody)
    nobody.stop()

    nobody.log_file.unlink()
    nobody.drop("forward f1")
    of_root = older()
    add(nobody, local_port=of_root.port)
    assert refused(nobody, by=nobody.by, binary=nobody.binary) == (
        4, "", foreign(nobody, of_root.port, "root", of_root.process.pid))
    goes_on(of_root)
    assert nothing_started(porter) and nothing_started(nobody)


# ---- names that prove nothing ----

@pytest.mark.parametrize("by", [[], BY_NOBODY], ids=["own", "other"])
def test_whoever_has_the_name_only_is_not_a_porter(porter, hold, by):
    if by and ME:
        pytest.skip("needs root")
    port = add(porter)
    squatter = hold(Squatter, 0, f"nanoporter/{ME}/127.0.0.1:{port}", by=by)
    nginx = hold(Nginx, port)
    assert refused(porter) == (4, "", stranger(porter, port, f"nginx (PID: {nginx.pid})"))
    assert nginx.serves() and squatter.alive() and nothing_started(porter)


@pytest.mark.skipif(ME, reason="needs root")
def test_another_user_who_has_both_is_not_one_of_ours(porter, hold):
    """By our name it is a stranger's, by its own another user's."""
    port = add(porter)
    script = hold(Squatter, port, f"nanoporter/{ME}/127.0.0.1:{port}", by=BY_NOBODY)
    assert refused(porter) == (4, "", stranger(porter, port, f"python3 (PID: {script.pid})"))
    assert script.serves() and nothing_started(porter)


def test_another_users_lock_is_not_waited_for(porter, hold, quiet):
    hold(Squatter, 0, f"nanoporter/{ME}/starting", by=[*quiet, *BY_NOBODY])
    port = add(porter)
    nginx = hold(Nginx, port, by=quiet)
    assert refused(porter, by=quiet) == (4, "", stranger(porter, port, f"nginx (PID: {nginx.pid})"))
    assert [line.split(" ", 1)[1] for line in porter.log()] == [
        "WARN: the lock of those that start cannot be had: not waited for"]


# ---- porters of the same user ----

@pytest.mark.parametrize("options, status", [
    (["-on-conflict=fail"], 4),
    (["--", "touch", "ran"], 125),
    (["-on-conflict=fail", "--", "touch", "ran"], 125),
])
def test_one_of_ours_is_left_alone_where_that_is_wanted(porter, older, options, status):
    one = older()
    add(porter, local_port=one.port)
    assert refused(porter, *options) == (status, "", ours(porter, one.port, one.process.pid))
    goes_on(one)
    assert nothing_started(porter) and not (porter.folder / "ran").exists()


def test_who_is_told_to_stop_it_can(porter, older):
    """The remedy, to the letter."""
    one = older()
    add(porter, local_port=one.port)
    _, _, err = refused(porter, "-on-conflict=fail")
    remedy = err.split("'")[1].split()
    assert remedy[0] == "porter"
    assert subprocess.run([BINARY, *remedy[1:]], capture_output=True, timeout=LIMIT).returncode == 0
    assert one.process.wait(LIMIT) == 0


# ---- all at once ----

def add_staging(porter):
    """A forward to a cluster that cannot be."""
    empty = porter.folder / "empty"
    empty.touch(0o600)
    porter.cluster("staging", empty)
    porter.forward("staging", "default", "app", 80)


@pytest.fixture
def crowd(porter, hold, older):
    """A forward to a port of each kind, one to a free port, and one to a cluster that cannot be."""
    crowd = porter
    crowd.free = add(porter, "free")
    ports = [add(porter, "web"), add(porter, "db"), add(porter, "last")]
    crowd.one = older()
    add(porter, "old", local_port=crowd.one.port)
    crowd.holders = [hold(Nginx, ports[0]), hold(Renamed, ports[1]), hold(Nginx, ports[2], "[::1]:{}", "[::1]")]
    add_staging(porter)
    whose = zip(ports, ("nginx", "porter", "nginx"), crowd.holders, ("prod/web", "prod/db", "prod/last"))
    crowd.words = [stranger(porter, port, f"{who} (PID: {holder.pid})", name) for port, who, holder, name in whose]
    return crowd


def untouched(crowd):
    goes_on(crowd.one)
    assert all(holder.serves() for holder in crowd.holders) and nothing_started(crowd)
    with socket.socket() as s:
        s.bind(("127.0.0.1", crowd.free))


def no_kubeconfig(porter):
    line = porter.ini().splitlines().index("[cluster staging]") + 1
    path = porter.section("cluster staging")["kubeconfig"]
    return f"Error: cluster 'staging': {path}: there is no current-context: name a context (porter.ini:{line})\n"


def test_all_that_is_wrong_is_told_at_once(crowd):
    one = ours(crowd, crowd.one.port, crowd.one.process.pid, "prod/old")
    assert refused(crowd, "-on-conflict=fail") == (3, "", "".join([no_kubeconfig(crowd), *crowd.words, one]))
    untouched(crowd)


def test_where_others_are_in_the_way_one_of_ours_is_not_asked(crowd):
    assert refused(crowd) == (3, "", "".join([no_kubeconfig(crowd), *crowd.words]))
    untouched(crowd)


def test_one_of_ours_goes_on_where_something_else_is_wrong(porter, older):
    one = older()
    add_staging(porter)
    add(porter, local_port=one.port)
    assert refused(porter) == (3, "", no_kubeconfig(porter))
    goes_on(one)


# ---- a reload ----

@pytest.mark.parametrize("whose", ["a stranger's", "ours"])
def test_a_reload_takes_nothing_over(older, hold, whose):
    """What was free beside it is not bound either; where another port is named, it is done."""
    porter, other = older(), older() if whose == "ours" else None
    port = other.port if other else free_port()
    nginx = None if other else hold(Nginx, port)
    free = porter.forward("prod", "default", "free", 80)
    porter.forward("prod", "default", "api", 80, local_port=port, name="api")
    words = ours(porter, port, other.process.pid) if other else stranger(porter, port, f"nginx (PID: {nginx.pid})")
    reason = words.removeprefix("Error: ").replace("\n  ", " - ").replace("porter.ini", str(porter.config)).strip()
    porter.reload()
    porter.until(lambda: porter.logged(f'ERROR: configuration not reloaded reason="{reason}"'), "it is told whose")
    for one in (porter, other) if other else (porter,):
        goes_on(one)
    assert other or nginx.serves()
    with pytest.raises(ConnectionRefusedError):
        apps.connect(free)
    porter.section("forward api")["local_port"] = free_port()
    assert porter.reload().endswith("reloaded kept=1 added=2 changed=0 removed=0")


# ---- descriptors ----

@pytest.mark.parametrize("forwards, words", [
    (7, "7 forwards need 67 file descriptors, and there may be 64 (ulimit -n)"),
    (50, "50 forwards need 282 file descriptors, and there may be 64 (ulimit -n)"),
])
def test_too_few_descriptors_are_refused_with_words(porter, forwards, words):
    for _ in range(forwards):
        add(porter)
    status, out, err = refused(porter, by=["sh", "-c", 'ulimit -n 64 && exec "$@"', "sh"])
    assert (status, out) == (1, "") and nothing_started(porter)
    assert err == (f"Error: {words}\n"
                   f"  raise the limit with 'ulimit -n {words.split()[3]}' or more, or name fewer forwards\n")


def test_a_reload_for_which_there_are_too_few_changes_nothing(older):
    porter = older()
    subprocess.run(["prlimit", f"--pid={porter.process.pid}", "--nofile=64"], check=True)
    for _ in range(6):
        add(porter)
    porter.reload()
    said = "7 forwards need 67 file descriptors, and there may be 64 (ulimit -n)"
    assert [line for line in porter.logged("ERROR: configuration not reloaded") if said in line]
    goes_on(porter)
