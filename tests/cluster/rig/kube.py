"""The API as tests use it: namespaces, and in them pods, services, workloads."""
import http.client
import json
import secrets
import time
import urllib.request

from .waiting import until

# Name and port of every server that runs in a pod (backend/habits.go).
POD_PORTS = {"http": 8080, "echo": 7007, "source": 7019, "sink": 7009, "duplex": 7011, "stubborn": 7012,
             "waiter": 7013, "resetter": 7014, "greeter": 7015}
SERVICE_PORTS = [
    {"name": "http", "port": 80, "targetPort": "http"},
    {"name": "echo", "port": 7, "targetPort": 7007},
    {"name": "dead", "port": 99, "targetPort": 9999},
]


class Api:
    """JSON over HTTPS on one kept connection; errors raise ApiError."""

    KEPT_S = 60  # the server closes one that is idle for 90

    def __init__(self, port, context, headers):
        self.headers, self.used = headers, 0
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)

    def request(self, method, path, body=None, kind="application/json"):
        text = None if body is None else json.dumps(body)
        if time.monotonic() > self.used + self.KEPT_S:
            self.connection.close()  # the next request opens it
        self.used = time.monotonic()
        try:
            self.connection.request(method, path, text, self.headers | {"Content-Type": kind})
            answer = self.connection.getresponse()
            said = answer.read()
        except OSError:
            self.connection.close()
            raise
        if answer.status >= 300:
            raise ApiError(answer.status, said.decode(errors="replace"))
        return json.loads(said) if said.startswith(b"{") else said.decode()

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body):
        return self.request("POST", path, body)

    def patch(self, path, body):
        return self.request("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path, grace=None):
        return self.request("DELETE", path, None if grace is None else {"gracePeriodSeconds": grace})

    def watch(self, path):
        """What a watch tells, as it comes, until it ends: type and object."""
        self.connection.request("GET", path, None, self.headers)
        for line in self.connection.getresponse():
            event = json.loads(line)
            yield event["type"], event["object"]

    def answers(self, path):
        try:
            return self.request("GET", path)
        except (OSError, http.client.HTTPException, ApiError):
            return None


class ApiError(Exception):
    def __init__(self, status, text):
        super().__init__(f"{status}: {text}")
        self.status = status


class Namespace:
    """A new namespace of a cluster, with a name of its own."""

    def __init__(self, cluster, name=None):
        self.cluster, self.api = cluster, cluster.api
        self.name = name or f"test-{secrets.token_hex(4)}"
        self.path = f"/api/v1/namespaces/{self.name}"
        self.api.post("/api/v1/namespaces", {"metadata": {"name": self.name}})

    def pod(self, name, labels=None, wait=True, ports=POD_PORTS, **annotations):
        """A pod on the test node that declares the ports; annotations: ready="false" for test-node/ready, and so on."""
        pod = Pod(self, name)
        self.api.post(f"{self.path}/pods", {
            "metadata": {"name": name, "labels": labels or {"app": name}, "annotations": test_node(annotations)},
            "spec": {"nodeName": "test-node", "automountServiceAccountToken": False, "containers": [container(ports)]}})
        if wait:
            pod.wait_running()
        return pod

    def service(self, name, selector=None, ports=None, **spec):
        """A service; selector: app=NAME unless given; clusterIP="None" makes it headless."""
        self.api.post(f"{self.path}/services", {
            "metadata": {"name": name},
            "spec": {"selector": selector or {"app": name}, "ports": ports or SERVICE_PORTS, **spec}})

    def deployment(self, name, replicas=1):
        return self.workload("deployment", name, replicas)

    def workload(self, kind, name, replicas=1, labels=None, selector=None):
        """A deployment, statefulset or daemonset; labels (app=NAME) are its pods', and its selector unless given."""
        return Workload(self, kind, name, replicas, labels or {"app": name}, selector)

    def end(self):
        """Ends the pods at once; without a controller the namespace itself would never go."""
        self.api.delete(f"{self.path}/pods", grace=0)


class Pod:
    def __init__(self, namespace, name):
        self.namespace, self.api, self.name = namespace, namespace.api, name
        self.path = f"{namespace.path}/pods/{name}"

    def get(self):
        return self.api.get(self.path)

    def annotate(self, **annotations):
        self.api.patch(self.path, {"metadata": {"annotations": test_node(annotations)}})

    def is_ready(self):
        return says_ready(self.get())

    def wait_running(self):
        until(lambda: self.get()["status"]["phase"] != "Pending", f"pod {self.name} started")

    def delete(self, grace=None):
        self.api.delete(self.path, grace)

    def exists(self):
        try:
            return self.get()
        except ApiError as e:
            if e.status != 404:
                raise
            return None

    def seen(self, port=None):
        """What the pod has seen: all (node/control.go), or the counts of one port."""
        report = self.control("")
        return report if port is None else report["ports"][str(port)]

    def read_stubborn(self):
        self.control("/read", "POST")

    def listen(self, port, yes):
        """One of its ports refuses new connections, or takes them again; those it has go on."""
        self.control(f"/listen?port={port}&yes={str(yes).lower()}", "POST")

    def restart(self, down="0s"):
        """Its container restarts, and is down that long; returns when it runs again."""
        self.control(f"/restart?down={down}", "POST")

    def control(self, path, method="GET"):
        url = f"{self.namespace.cluster.control}/pods/{self.namespace.name}/{self.name}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=60) as answer:
            return json.load(answer)


def says_ready(pod):
    """Whether a pod's object does."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))


class Workload:
    """A Deployment or its like, and its pods, which the test replaces itself: no controllers run here."""

    def __init__(self, namespace, kind, name, replicas, labels, selector):
        self.namespace, self.name, self.labels = namespace, name, labels
        namespace.api.post(f"/apis/apps/v1/namespaces/{namespace.name}/{kind}s", {
            "metadata": {"name": name},
            "spec": {"selector": selector or {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": {"containers": [container()]}},
                     **({} if kind == "daemonset" else {"replicas": replicas})}})
        self.pods = [self.new_pod() for _ in range(replicas)]

    def new_pod(self):
        return self.namespace.pod(f"{self.name}-{secrets.token_hex(3)}", self.labels)

    def replace_all(self, grace=1):
        """New pods first, then the old ones end, as a rolling restart does."""
        old, self.pods = self.pods, [self.new_pod() for _ in self.pods]
        for pod in old:
            pod.delete(grace)
        return old


def container(ports=POD_PORTS):
    return {"name": "main", "image": "test",
            "ports": [{"name": name, "containerPort": port} for name, port in ports.items()]}


def test_node(annotations):
    return {"test-node/" + key.replace("_", "-"): value for key, value in annotations.items()}
