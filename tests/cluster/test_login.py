"""Ways to log in, at an API server that checks them: credentials that end and are renewed,
files that change, and who acts as another.  What plugins do wrong is test_plugins.py's."""
import json
import os
import threading
import time
from base64 import b64encode
from contextlib import ExitStack

import pytest

from rig import apps
from rig.cluster import RBAC, USERS, certificate, grant, identity, rule
from rig.issuer import EARLY
from rig.kube import Api
from rig.plugin import Plugin
from rig.waiting import LIMIT, until
from test_check import check

TIME_S = float(os.environ.get("PORTER_LOGIN_S", 25))  # for credentials to end and be renewed
LIFE_S = 5  # of a token, as its plugin says
YOUNG_S = 5  # CREDENTIAL_YOUNG_MS: a plugin whose token is refused before is not run again
SLOW_S = 7  # what a plugin may take on a busy machine, behind the moment from which its token counts
FORWARDS = 10  # of each of two clusters
TUNNELS = 64  # so many that there is always need of another
# Longer than any test: what happens before, a change has brought about.
NEVER = {"check_interval": "10m", "reconnect_delay": "10m", "hold": "2m"}


def put(path, text):
    """As whoever is read at any time."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


class Rewritten:
    """A token file: within its block, another token is in it each second."""

    def __init__(self, path, cluster, seconds):
        self.path, self.new = path, lambda: cluster.mint("developer", seconds)
        self.over, self.thread = threading.Event(), threading.Thread(target=self.run)
        put(self.path, self.new())

    def run(self):
        while not self.over.wait(1):
            put(self.path, self.new() + "\n")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@pytest.fixture
def pods(namespace):
    return [namespace.pod(f"app-{i}") for i in range(4)]


def forwards(porter, name, kubeconfig, pods, n=FORWARDS, **how):
    """To the pods, in turn, by a new cluster of the Porter; returns their ports."""
    porter.cluster(name, kubeconfig, **how)
    return [porter.forward(name, pod.namespace.name, pod.name, 7007, type="pod")
            for pod in (pods[i % len(pods)] for i in range(n))]


def states(porter, ports_of):
    """All that forwards of these clusters have been in."""
    return {state for name in ports_of for i in range(4) for state in porter.states(f"{name}/app-{i}")}


def lasts(porter, v4, auto, seconds=TIME_S):
    """For so long every connection is served.  Each of those by v4 is a tunnel of its own; by the others, more
    and more stay, so that there have to be more tunnels."""
    for port in v4 + auto:
        porter.wait_echo(port)
    with apps.Steady(*v4, *auto, every=0.1) as client, ExitStack() as stack:
        flows, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            flows.append(apps.Flow(apps.connect(auto[len(flows) % len(auto)]), block=64, pause=0.2))
            stack.callback(flows[-1].over.set)
            time.sleep(1)
    assert client.failed == [] and client.count > seconds
    assert all(flow.end() for flow in flows)


# ---- credentials that end ----

def test_a_plugin_is_run_once_in_a_credential_s_life(new_porter, cluster, pods, tmp_path):
    """However many forwards want one, and none of them notices."""
    porter, began = new_porter(tunnels=TUNNELS), time.monotonic()
    plugins = {name: Plugin.minting(tmp_path / name, cluster, "developer", LIFE_S + EARLY) for name in ("v4", "auto")}
    ports = {name: forwards(porter, name, cluster.kubeconfig("me", plugin.path.parent, plugin.login()), pods,
                            transport=name) for name, plugin in plugins.items()}
    porter.start()
    lasts(porter, **ports)
    lives = (time.monotonic() - began) / LIFE_S
    for plugin in plugins.values():
        assert lives - 2 <= plugin.runs() <= 1.6 * lives + 2
    assert states(porter, ports) == {"Active"}


def test_a_token_file_is_read_again(new_porter, cluster, pods, tmp_path):
    porter, file = new_porter(tunnels=TUNNELS), tmp_path / "token"
    with Rewritten(file, cluster, LIFE_S + EARLY):
        kubeconfig = cluster.kubeconfig("me", tmp_path, {"tokenFile": "token", "token": "stranger-token"})
        ports = {name: forwards(porter, name, kubeconfig, pods, transport=name) for name in ("v4", "auto")}
        porter.start()
        lasts(porter, **ports)
    assert states(porter, ports) == {"Active"}


def test_a_plugin_that_tells_no_end_is_run_again_when_the_server_refuses(new_porter, cluster, pods, tmp_path):
    porter = new_porter()
    plugin = Plugin(tmp_path / "endless", "")
    minting = Plugin.minting(tmp_path / "minting", cluster, "developer", YOUNG_S + SLOW_S)
    with plugin.path.open("a") as script:
        script.write(f"{minting.path} | sed 's/, \"expirationTimestamp\": \"[^\"]*\"//'\n")
    ports = forwards(porter, "one", cluster.kubeconfig("me", tmp_path, plugin.login()), pods, 4, transport="v4")
    porter.start()
    for port in ports:
        porter.wait_echo(port)
    with apps.Steady(*ports, every=0.1) as client:
        porter.until(lambda: plugin.runs() >= 3, "two tokens were refused")
    assert client.failed == [] and plugin.runs() < 5
    assert states(porter, ["one"]) == {"Active"}


@pytest.mark.real("a stand-in knows no service accounts")
def test_a_service_account_s_token_is_that_of_its_file(new_porter, cluster, namespace, pods, tmp_path):
    """An account is deleted, and its tokens with it: another's has come to the file before."""
    def token_of(account):
        cluster.api.post(f"/api/v1/namespaces/{namespace.name}/serviceaccounts", {"metadata": {"name": account}})
        grant(cluster.api, f"system:serviceaccount:{namespace.name}:{account}", USERS["developer"])
        return cluster.api.post(f"/api/v1/namespaces/{namespace.name}/serviceaccounts/{account}/token",
                                {"spec": {"expirationSeconds": 600}})["status"]["token"]

    porter, file = new_porter(), tmp_path / "token"
    file.write_text(token_of("old"))
    ports = forwards(porter, "one", cluster.kubeconfig("me", tmp_path, {"tokenFile": str(file)}), pods, 4,
                     transport="v4")
    porter.start()
    for port in ports:
        porter.wait_echo(port)
    old = Api(cluster.port, identity(cluster.folder, "developer")[0], {"Authorization": f"Bearer {file.read_text()}"})
    with apps.Steady(*ports, every=0.1) as client:
        put(file, token_of("new"))
        cluster.api.delete(f"/api/v1/namespaces/{namespace.name}/serviceaccounts/old")
        until(lambda: not old.answers(namespace.path + "/pods"), "the old account's token is refused")
        served = client.count
        until(lambda: client.count > served + 20, "new connections")
    assert client.failed == []
    assert states(porter, ["one"]) == {"Active"}


def test_an_id_token_is_used_until_it_expires(new_porter, cluster, pods, tmp_path):
    def log_in(seconds):
        return cluster.kubeconfig("me", tmp_path, {"auth-provider": {"name": "oidc", "config": {
            "client-id": "porter", "id-token": cluster.mint("developer", seconds)}}})

    porter = new_porter()
    v4, = forwards(porter, "v4", log_in(8), pods, 1, transport="v4")
    auto, = forwards(porter, "auto", log_in(8), pods, 1)
    porter.start()
    porter.wait_echo(v4)
    flow = apps.Flow(porter.wait(apps.connect, auto), block=64, pause=0.1)
    words = "the id-token of auth-provider oidc has expired: log in again, or use the exec plugin kubelogin"
    porter.until(lambda: not serves(v4) and told(porter, "v4/app-0", words), "it has expired")
    flow.goes_on()
    log_in(600)
    assert porter.wait_echo(v4) == b"hello"
    assert porter.wait_echo(auto) == b"hello"
    assert flow.end()


def serves(port):
    try:
        return apps.echo(port)
    except (OSError, EOFError):
        return None


def told(porter, name, words):
    """In a line on stdout."""
    return any(line.startswith(f"{name} ") and words in line for line in porter.lines)


@pytest.mark.parametrize("name, remedy", [
    ("gcp", "install gke-gcloud-auth-plugin"), ("azure", "run 'kubelogin convert-kubeconfig'")])
def test_auth_providers_that_are_gone_are_refused_with_what_replaces_them(new_porter, cluster, pods, tmp_path, name,
                                                                         remedy):
    porter = new_porter()
    forwards(porter, "one", cluster.kubeconfig("me", tmp_path, {"auth-provider": {
        "name": name, "config": {"access-token": "developer-token"}}}), pods, 1)
    porter.start()
    status, porter.process = porter.process.wait(LIMIT), None
    porter.reader.join()
    said, = porter.lines
    assert status == 3 and f": auth-provider {name} is gone since" in said and remedy in said


# ---- certificates ----

def pem(cluster, name, field):
    return (cluster.folder / f"{name}.{field}").read_text()


def pair(cluster, name):
    return {"clientCertificateData": pem(cluster, name, "crt"), "clientKeyData": pem(cluster, name, "key")}


@pytest.mark.parametrize("user", ["developer-ec", "developer-rsa"])
def test_a_plugin_that_gives_a_certificate(new_porter, clusters, new_namespace, tmp_path, user):
    porter = new_porter()
    for c in clusters:
        plugin = Plugin.giving(tmp_path / c.name, **pair(c, user))
        porter.plugins = [plugin, *getattr(porter, "plugins", [])]
        namespace = new_namespace(c)
        namespace.pod("app-0")
        porter.cluster(c.name, c.kubeconfig("me", tmp_path, plugin.login()))
        c.echo = porter.forward(c.name, namespace.name, "app-0", 7007, type="pod")
    porter.start()
    assert [porter.wait_echo(c.echo) for c in clusters] == [b"hello"] * 2
    assert [plugin.runs() for plugin in porter.plugins] == [1, 1]


@pytest.mark.real("a stand-in refuses a certificate it does not know before there is a token")
@pytest.mark.parametrize("known, token", [(True, "stranger"), (False, "developer")])
def test_a_plugin_that_gives_a_certificate_and_a_token(new_porter, clusters, pods, tmp_path, known, token):
    """Both are shown: the server takes either, where it does not know the other."""
    plugin = Plugin.giving(tmp_path / "both", token=f"{token}-token", **pair(clusters[0 if known else 1],
                                                                             "developer-ec"))
    porter = new_porter()
    port, = forwards(porter, "one", clusters[0].kubeconfig("me", tmp_path, plugin.login()), pods, 1)
    porter.start()
    assert porter.wait_echo(port) == b"hello"


def test_a_certificate_s_files_are_read_again_when_both_have_changed(new_porter, cluster, pods, namespace, tmp_path):
    """They are written one after the other, and in between do not go together."""
    porter, nobody = new_porter(**NEVER), f"nobody-{namespace.name}"
    certificate(cluster.folder, nobody, f"/CN={nobody}", "ec", "extendedKeyUsage=clientAuth")
    files = {"client-certificate": "crt", "client-key": "key"}

    def write(name, field):
        (tmp_path / f"my.{field}").write_text(pem(cluster, name, field))

    def rotate(name):
        before = len(porter.logged("the changed kubeconfig is not used"))
        write(name, "crt")
        porter.until(lambda: porter.logged("the changed kubeconfig is not used")[before + 1:], "no pair")
        write(name, "key")

    for field in files.values():
        write(nobody, field)
    login = {key: f"my.{field}" for key, field in files.items()}
    kubeconfig = cluster.kubeconfig("me", tmp_path, login)
    ports = [port for name in ("auto", "v4") for port in forwards(porter, name, kubeconfig, pods, 1, transport=name)]
    porter.start()
    porter.until(lambda: told(porter, "auto/app-0", f'User "{nobody}" cannot'), "nobody may")
    rotate("developer-ec")
    assert [porter.wait_echo(port) for port in ports] == [b"hello"] * 2
    with apps.Steady(*ports, every=0.05) as client:
        rotate("developer-rsa")
        porter.until(lambda: len(porter.logged("kubeconfig read again")) >= 4, "it is used")
        served = client.count
        until(lambda: client.count > served + 20, "new connections")
    assert client.failed == []
    assert porter.states("auto/app-0") == ["Failed", "Active"]


# ---- acting as another ----

@pytest.mark.real("a stand-in lets nobody act as another")
def test_who_acts_as_another_has_the_other_s_rights_and_needs_the_right_to(new_porter, cluster, pods, namespace,
                                                                         tmp_path):
    """Each of the four has to be allowed by itself, so that each is seen to have come."""
    boss, team = f"boss-{namespace.name}", f"team-{namespace.name}"
    grant(cluster.api, boss, [])
    grant(cluster.api, team, USERS["developer"], kind="Group")
    login = {"token": cluster.mint(boss, 3600), "as": f"deputy-{namespace.name}", "as-groups": ["others", team],
             "as-uid": "0815", "as-user-extra": {"acme/team": ["blue", "green"]}}
    porter, rules = new_porter(), []
    port, = forwards(porter, "one", cluster.kubeconfig("me", tmp_path, login), pods, 1)

    def verdict():
        porter.lines.clear()
        return check(porter)[1][0]

    for what in ("users", "groups", "userextras/acme/team.authentication.k8s.io", "uids.authentication.k8s.io"):
        words = f'User "{boss}" cannot impersonate resource "{what.partition(".")[0]}"'
        until(lambda: words in verdict(), words)
        rules.append(rule(what, ["impersonate"]))
        cluster.api.patch(f"{RBAC}/clusterroles/test-{boss}", {"rules": rules})
    until(lambda: "one/app-0 ok: " in verdict(), "all are allowed")
    porter.start()
    assert porter.wait_echo(port) == b"hello"
    del login["as-groups"]
    cluster.kubeconfig("me", tmp_path, login)
    porter.until(lambda: porter.logged("kubeconfig read again"), "it is read")
    words = f'User "deputy-{namespace.name}" cannot'
    until(lambda: words in verdict(), "the group has the right, not the user")


# ---- kubeconfigs that change ----

@pytest.mark.parametrize("by_rename", [False, True])
def test_who_logs_in_again_is_served_at_once(new_porter, cluster, pods, tmp_path, by_rename):
    """The kubeconfig has another token; porter is not told, and its next try would be in ten minutes."""
    porter = new_porter(**NEVER)
    kubeconfig = cluster.kubeconfig("me", tmp_path, {"token": "stranger-token"})
    ports = forwards(porter, "one", kubeconfig, pods, 8)
    porter.start()
    porter.until(lambda: all(porter.states(f"one/app-{i}")[-1:] == ["Failed"] for i in range(4)), "refused")
    assert told(porter, "one/app-0", "Unauthorized")
    if by_rename:
        cluster.kubeconfig("me", tmp_path, {"token": "developer-token"})
    else:
        kubeconfig.write_text(kubeconfig.read_text().replace("stranger-token", "developer-token"))
    assert [porter.wait_echo(port) for port in ports] == [b"hello"] * 8
    assert len(porter.logged("kubeconfig read again")) == 1
    assert "stranger-token" not in "".join(porter.lines) + "".join(porter.log())


def test_who_is_refused_after_hours_logs_in_again_and_connections_go_on(new_porter, cluster, pods, tmp_path):
    porter = new_porter(**NEVER)
    ports = {name: forwards(porter, name, cluster.kubeconfig("me", tmp_path, {"token": cluster.mint("developer", 6)}),
                            pods, 4, transport=name) for name in ("v4", "auto")}
    porter.start()
    for port in ports["v4"]:
        porter.wait_echo(port)
    flow = apps.Flow(porter.wait(apps.connect, ports["auto"][0]), block=64, pause=0.1)
    porter.until(lambda: not any(map(serves, ports["v4"])) and told(porter, "v4/app-0", "Unauthorized"), "refused")
    cluster.kubeconfig("me", tmp_path, {"token": "developer-token"})
    for port in ports["v4"] + ports["auto"]:
        assert porter.wait_echo(port) == b"hello"
    assert flow.end()


def test_another_current_context_moves_nothing(new_porter, clusters, pods, tmp_path):
    """`kubectl config use-context`, in a file that has another token besides."""
    file = tmp_path / "config"

    def write(current, token):
        put(file, json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": current,
            "clusters": [{"name": c.name, "cluster": {
                "server": f"https://127.0.0.1:{c.port}",
                "certificate-authority-data": b64encode((c.folder / "ca.crt").read_bytes()).decode()}}
                for c in clusters],
            "contexts": [{"name": c.name, "context": {"cluster": c.name, "user": "me"}} for c in clusters],
            "users": [{"name": "me", "user": {"token": token}}]}))

    write("one", "developer-token")
    porter = new_porter(**NEVER)
    ports = forwards(porter, "here", file, pods, 4, transport="v4")
    porter.start()
    for port in ports:
        porter.wait_echo(port)
    flow = apps.Flow(apps.connect(ports[0]), block=64, pause=0.1)
    write("two", "poller-token")
    porter.until(lambda: porter.logged("kubeconfig read again"), "it is read")
    assert [apps.echo(port) for port in ports] == [b"hello"] * 4
    assert flow.end()
    assert states(porter, ["here"]) == {"Active"}


# ---- in a pod ----

def test_in_a_pod_the_service_account_is_used(new_porter, cluster, pods, namespace, tmp_path):
    """Its token is replaced as the kubelet does, by a link."""
    account = tmp_path / "account"

    def mount(version, token):
        folder = account / f"..{version}"
        folder.mkdir(parents=True)
        (folder / "token").write_text(token)
        (folder / "ca.crt").write_bytes((cluster.folder / "ca.crt").read_bytes())
        (folder / "namespace").write_text(namespace.name)
        link = account / "..new"
        link.symlink_to(folder.name)
        link.replace(account / "..data")

    mount(1, "stranger-token")
    for name in ("token", "ca.crt", "namespace"):
        (account / name).symlink_to(f"..data/{name}")
    inside = ["unshare", "--mount", "sh", "-ec", 'mount -t tmpfs none /var/run; '
              'mkdir -p /var/run/secrets/kubernetes.io; ln -s "$0" /var/run/secrets/kubernetes.io/serviceaccount; '
              'exec "$@"', account]
    if os.geteuid():
        pytest.skip("needs root, for a mount namespace")
    porter = new_porter()
    port, = forwards(porter, "here", "in-cluster", pods, 1)
    porter.start(by=inside, env=os.environ | {"KUBERNETES_SERVICE_HOST": "127.0.0.1",
                                              "KUBERNETES_SERVICE_PORT": str(cluster.port)})
    porter.wait_state("here/app-0", "Failed")
    assert told(porter, "here/app-0", "Unauthorized")
    mount(2, "developer-token")
    assert porter.wait_echo(port) == b"hello"
