"""A configuration that changes while it runs: what is the same goes on with every
connection it has, and what is wrong changes nothing."""
import os
import signal
import socket
import time

import pytest

from rig import apps

KEPT = 48
NEVER = {"check_interval": "10m", "reconnect_delay": "10m", "hold": "2m"}
ROUNDS = 12


@pytest.fixture
def served(namespace, porter):
    """A Porter with a forward to the pod "web", and a connection through it that goes on."""
    namespace.pod("web")
    port = porter.forward("one", namespace.name, "web", 7007, type="pod", name="web")
    porter.start()
    flow = apps.Flow(porter.wait(apps.connect, port), block=1024, pause=0.02)
    flow.goes_on()
    return porter, port, flow


def is_closed(port):
    try:
        apps.connect(port).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # by one that is Failed, before connect(2) has returned
        pass
    return False


def descriptors(porter):
    return len(os.listdir(f"/proc/{porter.process.pid}/fd"))


def untouched(porter, flow, port):
    """The one forward has noticed nothing."""
    flow.goes_on()
    assert apps.echo(port) == b"hello"
    assert porter.states("one/web") == ["Active"]
    assert flow.end() > 0


# ---- what is the same, and what is not ----

class Going(apps.Steady):
    """Sees where each of its connections goes: to the echo, or to the chosen port, which takes the first line."""

    def __init__(self, port):
        super().__init__(port, every=0.005)
        self.went = []

    def one(self, number):
        try:
            with apps.connect(self.ports[0]) as s:
                s.sendall(b"echo\nline\n")
                self.went.append(apps.read_exactly(s, 5))
        except (OSError, EOFError) as e:
            self.failed.append((number, e))


def test_under_load_nothing_but_what_has_changed_notices(namespace, new_porter, cluster):
    pods = {name: namespace.pod(name) for name in ("web", "gone", "other", "new")}
    porter = new_porter(**NEVER)
    porter.cluster("one", cluster.kubeconfig())
    ports = [porter.forward("one", namespace.name, "web", 7007, type="pod") for _ in range(KEPT)]
    gone, other = (porter.forward("one", namespace.name, name, 7007, type="pod", name=name)
                   for name in ("gone", "other"))
    porter.start()
    flows = [apps.Flow(porter.wait(apps.connect, port), block=512, pause=0.1) for port in ports]
    cut = apps.connect(gone)
    assert apps.echo_on(cut) == b"hello"
    tunnels = {"opened": 2 * KEPT, "open": 2 * KEPT}  # each has a spare one
    porter.until(lambda: pods["web"].seen()["tunnels"] == tunnels, "all tunnels are there")

    porter.drop("forward gone")
    porter.section("forward other")["remote_port"] = 7021
    new = porter.forward("one", namespace.name, "new", 7007, type="pod")
    with Going(other) as client:
        porter.until(lambda: len(client.went) > 20, "connections go to the old port")
        said = porter.reload()
        last = client.count  # none that begins later may fail
        porter.until(lambda: b"line\n" in client.went, "connections go to the new port")
    assert said.endswith(f"INFO: configuration reloaded kept={KEPT} added=1 changed=1 removed=1")
    assert [f for f in client.failed if f[0] > last or not isinstance(f[1], ConnectionResetError)] == []
    assert set(client.went) == {b"echo\n", b"line\n"}

    assert porter.wait_echo(new) == b"hello"
    assert apps.read_to_reset(cut) == b""
    assert is_closed(gone)
    assert "one/gone Stopped: no longer in the configuration\n" in porter.lines
    wanted = [flow.bytes + 2 * flow.block for flow in flows]
    porter.until(lambda: all(flow.failed or flow.bytes >= n for flow, n in zip(flows, wanted)), "all flows go on")
    assert all(flow.end() for flow in flows)
    assert pods["web"].seen()["tunnels"]["opened"] == 2 * KEPT
    assert pods["web"].seen(7007)["accepted"] == KEPT
    assert porter.states("one/web") == ["Active"]


def test_again_and_again_nothing_is_left_behind(namespace, served):
    """Each time another forward comes in the place of the one before, at the same local port."""
    porter, port, flow = served
    names = ["blue", "green"]
    for name in names:
        namespace.pod(name)
    spare = porter.forward("one", namespace.name, "blue", 8080, type="pod", name="color")
    for i in range(ROUNDS):
        porter.section("forward color")["service"] = names[i % 2]
        assert "reloaded kept=1" in porter.reload()
        porter.until(lambda: porter.wait_http(spare) == names[i % 2], f"answers from {names[i % 2]}")
        if i == 0:
            few = descriptors(porter) + ROUNDS // 2  # a spare tunnel and a connection come and go
    porter.until(lambda: descriptors(porter) < few, "none is left of each round")
    untouched(porter, flow, port)


def test_other_settings_are_taken_without_a_word_to_forwards(namespace, cluster, reading):
    """Who may not watch pods looks for them at each interval."""
    namespace.pod("web")
    relay, porter = reading(cluster, "no-watch", **NEVER)
    port = porter.forward("one", namespace.name, "web", 7007, type="pod")
    porter.start()
    flow = apps.Flow(porter.wait(apps.connect, port), block=1024, pause=0.02)
    flow.goes_on()
    looks = len(relay.asked("/pods?"))
    porter.section("porter")["check_interval"] = "200ms"
    assert porter.reload().endswith("reloaded kept=1 added=0 changed=0 removed=0")
    porter.until(lambda: len(relay.asked("/pods?")) >= looks + 5, "five looks more")
    untouched(porter, flow, port)


def test_forwards_that_only_change_their_order_and_names_go_on(namespace, served):
    porter, port, flow = served
    porter.sections.append(("forward again", porter.section("forward web")))
    porter.drop("forward web")
    other = porter.forward("two", "nowhere", "web", 80)
    porter.sections[-2:] = reversed(porter.sections[-2:])
    assert porter.reload().endswith("reloaded kept=1 added=1 changed=0 removed=0")
    assert not is_closed(other)
    untouched(porter, flow, port)


def test_other_credentials_cut_nothing(new_namespace, new_porter, clusters, tmp_path):
    porter, flows = new_porter(), {}
    files = {c.name: c.kubeconfig("developer", tmp_path) for c in clusters}
    for c in clusters:
        namespace = new_namespace(c)
        namespace.pod("web")
        porter.cluster(c.name, files[c.name])
        flows[c.name] = porter.forward(c.name, namespace.name, "web", 7007, type="pod", name=c.name)
    porter.start()
    for name in flows:
        flows[name] = apps.Flow(porter.wait(apps.connect, flows[name]), block=1024, pause=0.02)
        flows[name].goes_on()
    files["one"].write_text(clusters[0].kubeconfig("create-only", tmp_path).read_text())
    assert porter.reload().endswith("reloaded kept=2 added=0 changed=0 removed=0")
    assert len(porter.logged("INFO: kubeconfig read again cluster=one")) == 1
    for name, flow in flows.items():
        flow.goes_on()
        assert flow.end() > 0
        assert porter.states(f"{name}/web") == ["Active"]


def test_a_kubeconfig_that_leads_to_another_server(new_namespace, new_porter, clusters, tmp_path):
    """What is new goes there, without a reload; what was under way goes on."""
    one = new_namespace(clusters[0])
    for namespace, pod in (one, "old"), (new_namespace(clusters[1], one.name), "new"):
        namespace.pod(pod, {"app": "web"})
        namespace.service("web")
    porter, file = new_porter(), tmp_path / "kubeconfig"
    for name, c in ("second", clusters[1]), ("first", clusters[0]):
        (tmp_path / name).mkdir()
        file.write_text(c.kubeconfig("developer", tmp_path / name).read_text())
    porter.cluster("one", file)
    web, echo = porter.forward("one", one.name, "web", 80), porter.forward("one", one.name, "web", 7)
    porter.start()
    assert porter.wait_http(web) == "old"
    flow = apps.Flow(porter.wait(apps.connect, echo), block=1024, pause=0.02)
    flow.goes_on()
    file.write_text(clusters[1].kubeconfig("developer", tmp_path / "second").read_text())
    porter.until(lambda: porter.wait_http(web) == "new", "it goes to the other")
    assert [line for line in porter.lines if "the kubeconfig leads to another server" in line]
    flow.goes_on()
    assert flow.end() > 0


# ---- what is wrong ----

def test_every_mistake_of_a_file_is_told_and_nothing_changes(namespace, served):
    porter, port, flow = served
    new = porter.forward("one", namespace.name, "web", 7007, type="pod", name="new")
    porter.sections.append(("forward bad", {
        "cluster": "three", "namespace": namespace.name, "service": "web", "type": "pods", "local_port": 0,
        "remote_prot": 80}))
    porter.section("porter")["check_intervall"] = "1s"
    porter.reload()
    mistakes = {"check_intervall =": "'check_intervall'", "cluster = three": "'three'",
                "type = pods": "'pods'", "local_port = 0": "'0'", "remote_prot =": "did you mean 'remote_port'?"}
    porter.until(lambda: len(porter.logged("not reloaded")) >= len(mistakes), "all are told")
    lines = porter.ini().splitlines()
    for key, words in mistakes.items():
        number = next(n for n, line in enumerate(lines, 1) if line.startswith(key))
        assert [line for line in porter.logged("ERROR: configuration not reloaded reason=")
                if words in line and f"porter.ini:{number})" in line], key
    porter.until(lambda: is_closed(new), "its port is closed")
    porter.drop("forward bad")
    del porter.section("porter")["check_intervall"]
    assert porter.reload().endswith("reloaded kept=1 added=1 changed=0 removed=0")
    assert porter.wait_echo(new) == b"hello"
    untouched(porter, flow, port)


def test_a_file_that_is_gone_changes_nothing(served):
    porter, port, flow = served
    porter.config.unlink()
    porter.process.send_signal(signal.SIGHUP)
    assert "porter.ini" in porter.until(lambda: porter.logged("not reloaded"), "it is told")[0]
    assert porter.reload().endswith("reloaded kept=1 added=0 changed=0 removed=0")
    untouched(porter, flow, port)


def test_a_port_that_is_taken_changes_nothing(namespace, served):
    porter, port, flow = served
    first = porter.forward("one", namespace.name, "web", 7007, type="pod")
    wanted = porter.forward("one", namespace.name, "web", 7007, type="pod")
    porter.section("porter")["check_interval"] = "1s"
    with socket.create_server(("127.0.0.1", wanted)):
        said = porter.reload()
        assert f'ERROR: configuration not reloaded reason="cannot listen on 127.0.0.1:{wanted} ' in said
        porter.until(lambda: is_closed(first), "its port is closed")
        flow.goes_on()
    assert porter.reload().endswith("reloaded kept=1 added=2 changed=0 removed=0")
    assert [porter.wait_echo(p) for p in (first, wanted)] == [b"hello"] * 2
    untouched(porter, flow, port)


def test_a_port_goes_from_one_forward_to_another(namespace, served):
    """Two change places, and nobody who connects is refused."""
    porter, port, flow = served
    namespace.pod("green")
    green = porter.forward("one", namespace.name, "green", 8080, type="pod", name="green")
    blue = porter.forward("one", namespace.name, "web", 8080, type="pod", name="blue")
    porter.reload()
    assert (porter.wait_http(green), porter.wait_http(blue)) == ("green", "web")
    for name, at in (("green", blue), ("blue", green)):
        porter.section(f"forward {name}")["local_port"] = at
    assert porter.reload().endswith("reloaded kept=1 added=0 changed=2 removed=0")
    assert (porter.wait_http(blue), porter.wait_http(green)) == ("green", "web")
    untouched(porter, flow, port)


@pytest.mark.parametrize("text, words", [
    ("clusters: [", "kubeconfig"), ("", "kubeconfig"), ("users:\n- name: x\n  user: {exec: {}}\n", "kubeconfig"),
    (None, "kubeconfig file not found")])
def test_a_kubeconfig_that_is_broken_changes_nothing(namespace, served, cluster, tmp_path, text, words):
    porter, port, flow = served
    good = cluster.kubeconfig("developer", tmp_path)
    path = tmp_path / "another.kubeconfig"
    if text is not None:
        path.write_text(text)
    porter.cluster("three", path)
    new = porter.forward("three", namespace.name, "web", 7007, type="pod")
    said = porter.reload()
    assert "ERROR: configuration not reloaded" in said and words in said
    porter.until(lambda: is_closed(new), "its port is closed")
    flow.goes_on()
    path.write_text(good.read_text())
    assert porter.reload().endswith("reloaded kept=1 added=1 changed=0 removed=0")
    assert porter.wait_echo(new) == b"hello"
    untouched(porter, flow, port)


def test_the_kubeconfig_in_use_breaks_and_what_it_has_made_goes_on(served):
    porter, port, flow = served
    path = porter.section("cluster one")["kubeconfig"]
    text = path.read_text()
    path.write_text(text[:len(text) // 2])
    assert "not reloaded" in porter.reload()
    flow.goes_on()
    path.write_text(text)
    assert porter.reload().endswith("reloaded kept=1 added=0 changed=0 removed=0")
    untouched(porter, flow, port)


# ---- -watch ----

def in_place(config, text):
    config.write_text(text)


def by_rename(config, text):
    """As editors do; from elsewhere, so that nothing else happens in its folder."""
    part = config.parent.with_suffix(".part")
    part.write_text(text)
    part.replace(config)


def removed_first(config, text):
    config.unlink()
    config.write_text(text)


def by_link(config, text):
    """As Kubernetes updates a ConfigMap that is mounted: a link to a folder becomes another."""
    data = config.parent / "..data"
    version = config.parent / f"..{len(list(config.parent.iterdir()))}"
    version.mkdir()
    (version / config.name).write_text(text)
    part = config.parent / "..data_tmp"
    part.symlink_to(version.name)
    part.replace(data)
    if not config.is_symlink():
        config.symlink_to(f"..data/{config.name}")


@pytest.mark.parametrize("log", ["porter.log", "../elsewhere.log"])  # lines in its folder wake it, too
@pytest.mark.parametrize("change", [in_place, by_rename, removed_first, by_link])
def test_a_file_that_changes_is_read_again_by_itself(namespace, porter, change, log):
    namespace.pod("web")
    porter.log_file = porter.folder / log
    port = porter.forward("one", namespace.name, "web", 7007, type="pod")
    if change == by_link:
        by_link(porter.config, "")
    porter.start(options=["-watch"])
    flow = apps.Flow(porter.wait(apps.connect, port), block=1024, pause=0.02)
    for i in range(3):
        new = porter.forward("one", namespace.name, "web", 7007, type="pod")
        change(porter.config, porter.ini())
        porter.until(lambda: porter.logged("configuration reloaded")[i:], f"change {i}")
        assert porter.wait_echo(new) == b"hello"
    time.sleep(1)  # what else happens in its folder is no reason to read it again
    assert [line.partition("reloaded ")[2] for line in porter.logged("configuration reloaded")] == [
        f"kept={kept} added=1 changed=0 removed=0" for kept in (1, 2, 3)]
    untouched(porter, flow, port)


def test_a_watched_file_that_becomes_bad_and_good_again(namespace, porter):
    namespace.pod("web")
    port = porter.forward("one", namespace.name, "web", 7007, type="pod")
    porter.start(options=["-watch"])
    flow = apps.Flow(porter.wait(apps.connect, port), block=1024, pause=0.02)
    porter.config.write_text(porter.ini() + "[forward\n")
    porter.until(lambda: porter.logged("not reloaded"), "it is told")
    flow.goes_on()
    porter.config.write_text(porter.ini() + "; a comment\n")
    porter.until(lambda: porter.logged("configuration reloaded kept=1 added=0"), "the good one is taken")
    untouched(porter, flow, port)
