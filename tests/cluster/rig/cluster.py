"""Starts test clusters, and finds them again from the tests' processes.

A cluster is etcd, kube-apiserver and our node, each on free loopback ports,
with all its files in one folder.  Processes die with the one that started
them.  Pods and services are kube.py's business.
"""
import ctypes
import json
import os
import signal
import ssl
import subprocess
import urllib.request
from base64 import b64encode
from pathlib import Path

from . import issuer
from .kube import Api
from .waiting import free_port, until

HERE = Path(__file__).resolve().parent.parent

READ = [("pods", "get list watch"), ("services", "get")]
WORKLOADS = [("deployments.apps", "get"), ("statefulsets.apps", "get"), ("daemonsets.apps", "get")]
# Every user has a token, and the rights of one ClusterRole; on core resources where no group is named.
USERS = {
    "developer": READ + WORKLOADS + [("pods/portforward", "get create")],
    "create-only": READ + [("pods/portforward", "create")],
    "no-forward": READ,
    "no-watch": [("pods", "get list"), ("services", "get"), ("pods/portforward", "get create")],
    "poller": [("pods", "get"), ("services", "get"), ("pods/portforward", "get create")],
    "blind": [("pods/portforward", "create")],
    "stranger": None,  # with a token the cluster does not know
}
# Certificates instead: kubeconfig name -> subject, kind of key.
CERTIFICATES = {
    "admin": ("/O=system:masters/CN=admin", "ec"),
    "developer-ec": ("/CN=developer", "ec"),
    "developer-rsa": ("/CN=developer", "rsa"),
}
NEW_KEY = {
    "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-newkey", "rsa:2048"],
}


class Cluster:
    """A running cluster, as tests see it: kubeconfigs and the API."""

    def __init__(self, folder):
        about = json.loads((folder / "cluster.json").read_text())
        self.folder, self.name = folder, folder.name
        self.port, self.control = about["port"], about["control"]
        # A stand-in has a port for tests themselves, which faults do not reach.
        self.api = Api(about.get("own_port", self.port), *identity(folder, "admin"))

    def client(self, user):
        """The API, asked as that user."""
        return Api(self.port, *identity(self.folder, user))

    def forbid(self, user):
        """Takes all rights from a user; allow() gives them back."""
        self.api.delete(f"{RBAC}/clusterrolebindings/test-{user}")

    def allow(self, user):
        bind(self.api, user)

    def mint(self, user, seconds):
        """An ID token: the user logs in with that, too, for so many seconds."""
        return issuer.mint(self.folder, user, seconds)

    def kubeconfig(self, user="developer", folder=None, login=None, **changes):
        """Writes a kubeconfig with one context, named as the user.  login: its user entry,
        if not the usual one; changes: fields of its cluster entry, such as server."""
        path = Path(folder or self.folder) / f"{self.name}-{user}.kubeconfig"
        part = path.with_suffix(f".{os.getpid()}")
        part.touch(0o600)
        part.write_text(kubeconfig(self.folder, self.port, user, login, **changes))
        return part.replace(path)


def kubeconfig(folder, port, user, login=None, **changes):
    def base64(name):
        return b64encode((folder / name).read_bytes()).decode()

    fields = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": base64("ca.crt"), **changes}
    if login:
        secret = {key: json.dumps(value) for key, value in login.items()}  # which is YAML, too
    elif user in USERS:
        secret = {"token": f"{user}-token"}
    else:
        secret = {"client-certificate-data": base64(f"{user}.crt"), "client-key-data": base64(f"{user}.key")}
    lines = ["\n".join(f"    {key}: {value}" for key, value in part.items()) for part in (fields, secret)]
    return KUBECONFIG.format(cluster=folder.name, user=user, entry=lines[0], secret=lines[1])


KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters:
- cluster:
{entry}
  name: {cluster}
contexts:
- context:
    cluster: {cluster}
    user: {user}
  name: {user}
current-context: {user}
preferences: {{}}
users:
- name: {user}
  user:
{secret}
"""


def identity(folder, user):
    """How a user shows who it is: a TLS context, headers."""
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    if user in USERS:
        return context, {"Authorization": f"Bearer {user}-token"}
    context.load_cert_chain(folder / f"{user}.crt", folder / f"{user}.key")
    return context, {}


class Starter:
    """Starts one cluster in an empty folder; keys: ec or rsa, for its CA and server."""

    def __init__(self, folder, programs, keys):
        self.folder, self.programs, self.keys = folder, Path(programs), keys
        self.processes, self.issuer = {}, None  # by the program's name

    def start(self):
        """Starts etcd and the API server, which finish() waits for."""
        prepare(self.folder, self.keys)
        self.issuer = issuer.Issuer(self.folder)
        self.port, etcd, peer = free_port(), free_port(), free_port()
        self.run("etcd", *etcd_flags(etcd, peer))
        self.wait(lambda: used(etcd), "etcd ready")
        self.run(self.programs / "apiserver", *apiserver_flags(self.port, etcd), *issuer_flags(self.folder))
        return self

    def finish(self):
        """Waits for the API server, adds users' roles and the node; returns the Cluster."""
        api = Api(self.port, *identity(self.folder, "admin"))
        self.wait(lambda: api.answers("/readyz"), "API server ready")
        for user, rules in USERS.items():
            grant(api, user, rules or [])
        (self.folder / "admin.kubeconfig").write_text(kubeconfig(self.folder, self.port, "admin"))
        self.run(self.programs / "node", "-kubeconfig", "admin.kubeconfig", "-cert", "node.crt",
                 "-key", "node.key", "-ready", "node.json")
        ready = self.folder / "node.json"
        self.wait(ready.exists, "node ready")
        about = {"port": self.port, "control": json.loads(ready.read_text())}
        (self.folder / "cluster.json").write_text(json.dumps(about))
        return Cluster(self.folder)

    def wait(self, check, what):
        def alive_and_check():
            for name, p in self.processes.items():
                if p.poll() is not None:
                    raise RuntimeError(f"{name} ended: {(self.folder / f'{name}.log').read_text()[-2000:]}")
            return check()
        until(alive_and_check, what, 120)

    def run(self, program, *args):
        name = Path(program).name
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [str(program), *map(str, args)], cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=die_with_parent, start_new_session=True)

    def kill(self, name):
        """Ends one of its programs (etcd, apiserver, node) as a crash does."""
        self.processes[name].kill()
        self.processes[name].wait()

    def again(self, name):
        """Starts one that was killed, as it was called before, and does not wait."""
        self.run(*self.processes[name].args)

    def stop(self):
        for name in reversed(self.processes):
            self.kill(name)
        if self.issuer:
            self.issuer.stop()


def prepare(folder, keys):
    """A new folder with all certificates and tokens; keys: ec or rsa, for its CA and server."""
    folder.mkdir(parents=True)
    (folder / "req.cnf").write_text("[req]\ndistinguished_name=dn\n[dn]\n")
    certificate(folder, "ca", "/CN=test-ca", keys, "basicConstraints=critical,CA:TRUE", ca=False)
    here = "subjectAltName=IP:127.0.0.1,DNS:localhost"
    certificate(folder, "server", "/CN=kube-apiserver", keys, here, "extendedKeyUsage=serverAuth")
    certificate(folder, "node", "/CN=system:node:test-node", "ec", here, "extendedKeyUsage=serverAuth")
    certificate(folder, "service-accounts", "/CN=service-accounts", "ec")
    certificate(folder, "issuer", "/CN=issuer", "rsa")
    (folder / "issuer.url").write_text(f"https://127.0.0.1:{free_port()}")
    clients = CERTIFICATES | {"kubelet-client": ("/CN=kube-apiserver", "ec")}
    for name, (subject, of) in clients.items():
        certificate(folder, name, subject, of, "extendedKeyUsage=clientAuth")
    known = [u for u, rules in USERS.items() if rules is not None]
    (folder / "tokens.csv").write_text("".join(f"{u}-token,{u},{u}\n" for u in known))


def certificate(folder, name, subject, keys, *extensions, ca=True):
    signer = ["-CA", "ca.crt", "-CAkey", "ca.key"] if ca else []
    added = [arg for e in extensions for arg in ("-addext", e)]
    subprocess.run(["openssl", "req", "-x509", "-config", "req.cnf", *NEW_KEY[keys], "-nodes", "-days", "30",
                    "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.crt", *signer, *added],
                   cwd=folder, check=True, capture_output=True)


def etcd_flags(port, peer):
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
    return ["--data-dir=etcd", f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}", "--unsafe-no-fsync"]


def used(etcd):
    """Makes etcd's first changes before the API server sees any, as where a cluster has been in
    use: whoever asks for all since number 1 then gets 410 Gone."""
    put = urllib.request.Request(f"http://127.0.0.1:{etcd}/v3/kv/put", b'{"key": "dXNlZA==", "value": "dXNlZA=="}')
    try:
        return [urllib.request.urlopen(put).read() for _ in range(3)]
    except OSError:
        return None


def apiserver_flags(port, etcd):
    return [f"--etcd-servers=http://127.0.0.1:{etcd}", "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1", f"--secure-port={port}", "--endpoint-reconciler-type=none",
            "--tls-cert-file=server.crt", "--tls-private-key-file=server.key", "--client-ca-file=ca.crt",
            "--token-auth-file=tokens.csv", "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount", "--service-cluster-ip-range=10.0.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=service-accounts.crt",
            "--service-account-signing-key-file=service-accounts.key",
            "--kubelet-client-certificate=kubelet-client.crt", "--kubelet-client-key=kubelet-client.key",
            "--kubelet-certificate-authority=ca.crt", "--kubelet-preferred-address-types=InternalIP"]


def issuer_flags(folder):
    """It must answer by then: the server asks again only every 10 s."""
    return [f"--oidc-issuer-url={issuer.url(folder)}", f"--oidc-client-id={issuer.CLIENT}", "--oidc-ca-file=ca.crt",
            "--oidc-username-claim=sub", "--oidc-username-prefix=-"]


RBAC = "/apis/rbac.authorization.k8s.io/v1"


def grant(api, user, rules, kind="User"):
    api.post(f"{RBAC}/clusterroles", {
        "metadata": {"name": f"test-{user}"}, "rules": [rule(what, verbs.split()) for what, verbs in rules]})
    bind(api, user, kind)


def rule(what, verbs):
    resource, _, group = what.partition(".")
    return {"apiGroups": [group], "resources": [resource], "verbs": verbs}


def bind(api, user, kind="User"):
    api.post(f"{RBAC}/clusterrolebindings", {
        "metadata": {"name": f"test-{user}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"test-{user}"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": user}]})


prctl = ctypes.CDLL(None).prctl


def die_with_parent():
    PR_SET_PDEATHSIG = 1
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
