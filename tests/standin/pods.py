"""The lives of pods, as a kubelet tells them to the API server; the same as
tests/cluster/node has, by the same annotations.

Annotations of a pod.  All but the runtime may be changed while it runs.
  test-node/runtime      containerd (default), cri-o or docker: the containerID and the texts of errors
  test-node/half-close   "pass": hand the client's end to the application, go on until its own
  test-node/ready        "false": Running, but not Ready
  test-node/phase        Pending, Succeeded or Failed instead of Running: nothing runs
  test-node/exits-after  how long it serves once it is told to end; default: its whole grace period
"""
import asyncio
import hashlib
import random
import re
from datetime import datetime

from . import kinds
from .apps import App
from .runtime import RUNTIMES
from .store import now

NODE = "test-node"
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def seconds(text):
    """A duration as Go writes it: 1m30s.  ValueError: it is none."""
    parts = re.findall(r"([\d.]+)(ms|s|m|h)", text)
    if "".join(n + unit for n, unit in parts) != text:
        raise ValueError(f'time: invalid duration "{text}"')
    return sum(float(n) * UNITS[unit] for n, unit in parts)


def hex_id(*parts):
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()


class Pod:
    def __init__(self, obj):
        metadata = obj["metadata"]
        self.namespace, self.name, self.uid = metadata["namespace"], metadata["name"], metadata["uid"]
        self.sandbox, self.ip = hex_id(self.uid, "sandbox"), ""
        self.runtime = metadata.get("annotations", {}).get("test-node/runtime", "")
        self.runtime = self.runtime if self.runtime in RUNTIMES else "containerd"
        self.app = App(self.name)
        self.phase, self.started, self.restarts = "Pending", None, 0
        self.ready = self.passes = self.down = self.ended = False
        self.tunnels = {"opened": 0, "open": 0}
        self.end = None  # the timer of its grace period

    def follow(self, obj):
        """Does what the annotations say."""
        said = obj["metadata"].get("annotations", {})
        was, self.phase = self.phase, said.get("test-node/phase") or "Running"
        self.ready = said.get("test-node/ready") != "false"
        self.passes = said.get("test-node/half-close") == "pass"
        if was == self.phase:
            return
        if self.phase == "Running":
            self.start()
        elif was == "Running":
            self.app.stop()

    def start(self):
        self.ip = self.ip or f"127.{random.randrange(1, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}"
        self.app.start()
        self.started, self.down = now(), False

    def stop(self):
        """Its processes and its sandbox end.  Tunnels stay: they learn it from the next connection."""
        self.ended = True
        if self.end:
            self.end.cancel()
        self.app.stop()

    def status(self, obj):
        old = obj["status"]
        runs = self.phase == "Running" and not self.down and not self.ended
        ready = runs and self.ready
        conditions = (("PodScheduled", True), ("Initialized", True), ("ContainersReady", ready), ("Ready", ready))
        return {"phase": self.phase, "conditions": [condition(old, *c) for c in conditions], "hostIP": "127.0.0.1",
                **({"podIP": self.ip, "podIPs": [{"ip": self.ip}]} if self.ip else {}),
                "startTime": old.get("startTime") or now(),
                "containerStatuses": [self.container(c, runs, ready) for c in obj["spec"].get("containers", [])],
                "qosClass": "BestEffort"}

    def container(self, spec, runs, ready):
        if runs:
            state = {"running": {"startedAt": self.started}}
        elif self.phase == "Pending":
            state = {"waiting": {"reason": "ContainerCreating"}}
        else:
            state = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": self.started,
                                    "finishedAt": None}}
        told = {"name": spec["name"], "state": state, "lastState": {}, "ready": ready, "restartCount": self.restarts,
                "image": spec["image"], "imageID": spec["image"], "started": runs}
        if "waiting" not in state:
            told["containerID"] = f"{self.runtime}://{hex_id(self.uid, spec['name'], self.restarts)}"
        return told

    def report(self):
        return {"uid": self.uid, "ip": self.ip, "sandbox": self.sandbox, "ended": self.ended, "tunnels": self.tunnels,
                "ports": {str(port): count.report() for port, count in self.app.counts.items()}}


def condition(old, kind, yes):
    """Keeps the time of an old one that says the same."""
    status = "True" if yes else "False"
    for c in old.get("conditions", []):
        if (c["type"], c["status"]) == (kind, status):
            return c
    return {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": now()}


class Node:
    """Runs the pods bound to it, as the store has them."""

    def __init__(self, store):
        self.store, self.pods = store, {}  # by (namespace, name); ended ones stay, for their counts
        store.listeners.append(self.changed)

    def changed(self, change):
        if change.resource != "pods":
            return
        obj = change.new or change.old
        if obj["spec"].get("nodeName") != NODE:
            return
        if change.new:
            self.seen(obj)
        elif (pod := self.pods.get(change.key)) and pod.uid == obj["metadata"]["uid"]:
            pod.stop()

    def seen(self, obj):
        key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        pod = self.pods.get(key)
        if not pod or pod.uid != obj["metadata"]["uid"]:
            if pod:
                pod.stop()
            pod = self.pods[key] = Pod(obj)
        if pod.ended:
            return
        pod.follow(obj)
        if "deletionTimestamp" in obj["metadata"]:
            self.terminate(pod, obj["metadata"])
        self.report(pod)

    def terminate(self, pod, metadata):
        """It serves on until its time is up, and stays Ready until then: a kubelet's
        readiness knows nothing of deletion."""
        ends = datetime.fromisoformat(metadata["deletionTimestamp"].replace("Z", "+00:00"))
        left = ends.timestamp() - datetime.now().timestamp()
        after = metadata.get("annotations", {}).get("test-node/exits-after")
        left = min(left, seconds(after)) if after else left
        if pod.end:
            pod.end.cancel()
        pod.end = asyncio.get_running_loop().call_later(max(left, 0), self.finish, pod)

    def finish(self, pod):
        pod.stop()
        self.report(pod)
        obj = self.store.get("pods", pod.namespace, pod.name)
        if obj and obj["metadata"]["uid"] == pod.uid:
            kinds.delete_pod(self.store, obj, 0)

    async def restart(self, pod, down_s):
        """Another containerID, the same pod."""
        pod.down = True
        pod.app.stop()
        self.report(pod)
        await asyncio.sleep(down_s)
        if pod.ended or pod.phase != "Running":
            return
        pod.restarts += 1
        pod.start()
        self.report(pod)

    def report(self, pod):
        """Writes the pod's status if it differs from what the API server has."""
        obj = self.store.get("pods", pod.namespace, pod.name)
        if not obj or obj["metadata"]["uid"] != pod.uid:
            return
        status = pod.status(obj)
        if status != obj["status"]:
            self.store.put("pods", obj | {"status": status})
