"""Draws what goes wrong next, all of it from one random.Random, and does it.

A Mischief begins, lasts and ends; its words are all there is to know of it.  The
faults of stand-ins are in FAULTS, what befalls pods and services in DEEDS.
"""
import threading
import time
from copy import copy

from rig.cluster import Cluster
from rig.kube import ApiError, Pod
from rig.waiting import until
from .traffic import CHOSEN

COLORS = ("blue", "green")  # a label of the first and of the second pod of a target
DIRECTIONS = ("both", "both", "in", "out")
KINDS = (None, "api", "watch", "tunnel")


def one_of(*what):
    return lambda r: r.choice(what)


def between(low, high):
    return lambda r: r.randint(low, high)


THEN = {"then": one_of("close", "silence")}
STATUS = {"code": one_of(400, 401, 403, 404, 409, 410, 429, 500, 502, 503, 504), "body": one_of(True, False),
          "retry_after": one_of(None, None, 1)}
WIRE = {"where": one_of(*KINDS, "new")}
ANSWER = {"where": one_of(*KINDS)}

FAULTS = {  # name: how each field is drawn; None leaves it out
    "black-hole": WIRE | {"direction": one_of(*DIRECTIONS)},
    "stall": WIRE | {"direction": one_of(*DIRECTIONS)},
    "latency": WIRE | {"ms": between(1, 500)},
    "bandwidth": WIRE | {"bytes_per_s": between(20000, 1000000)},
    "bytewise": WIRE,
    "cut": WIRE | {"how": one_of("rst", "fin"), "after": one_of(0, 1, 100, 5000, 50000)},
    "garbage-record": WIRE | {"after": one_of(0, 1, 100, 5000, 50000)},
    "garbage-handshake": {},
    "expired": {},
    "refuse": {},
    "garbage-head": ANSWER,
    "status": ANSWER | STATUS,
    "no-answer": ANSWER,
    "half-answer": {"where": one_of("api", "watch", None)} | THEN,
    "garbage-json": {"where": one_of("api", "watch", None)},
    "watch-error": {"code": one_of(410, 500, 403)},
    "long-line": {"bytes": between(1 << 16, 1 << 23)},
    "ws-garbage": {}, "ws-masked": {}, "ws-no-pong": {},
    "ws-partial": THEN,
    "ws-close": {"code": one_of(1001, 1011)},
    "spdy-garbage": {}, "spdy-endless": {}, "spdy-no-pong": {}, "spdy-no-reply": {}, "spdy-reset": {},
    "spdy-goaway": {"then": one_of("open", "close")},
    "spdy-slow-pong": {"ms": between(100, 7000)},
}
OFTEN = {"count": one_of(None, None, 1, 3), "only": one_of(None, None, "old", "new")}


class Fault:
    """One of a stand-in's."""

    def __init__(self, r, standin, name):
        self.standin, self.name = standin, name
        drawn = {field: draw(r) for field, draw in (FAULTS[name] | OFTEN).items()}
        self.fields = {field: value for field, value in drawn.items() if value is not None}

    def words(self):
        return f"{self.standin.folder.name}: {self.name} " + " ".join(f"{k}={v}" for k, v in self.fields.items())

    def begin(self):
        self.running = self.standin.fault(self.name, **self.fields)

    def end(self):
        self.running.end()


class Deed:
    """One that befalls a target, the pods and the service of one forward."""

    def __init__(self, r, target):
        self.target = target
        self.pod, self.grace = r.choice(target.pods), r.randint(1, 3)
        self.color = r.choice((*COLORS, "none"))

    def words(self):
        return f"{self.target.name}: {type(self).__name__.lower()} {self.said()}"

    def said(self):
        return self.pod

    def begin(self):
        self.at = Place(self.target)
        self.do()

    def died(self, after=0):
        self.target.dead.append([time.monotonic(), time.monotonic() + after])


class Kill(Deed):
    """A pod goes at once, and comes back under the same name."""

    def do(self):
        self.died(3)
        self.at.pod(self.pod).delete(0)

    def end(self):
        self.at.create(self.pod)


class Leave(Deed):
    """A pod has its grace period.  Another, of the same name, stands in for it when that is over."""

    def said(self):
        return f"{self.pod} in {self.grace} s"

    def do(self):
        self.died(self.grace + 5)
        self.at.pod(self.pod).delete(self.grace)

    def end(self):
        until(lambda: not self.at.pod(self.pod).exists(), f"pod {self.pod} gone")
        self.died(1)
        self.at.create(self.pod)


class Restart(Deed):
    """A container restarts."""

    def do(self):
        self.died(1)
        self.at.pod(self.pod).restart(f"{self.grace * 100}ms")

    def end(self):
        pass


class Unready(Deed):
    """A pod is not ready for a while."""

    def do(self):
        self.at.pod(self.pod).annotate(ready="false")

    def end(self):
        self.at.pod(self.pod).annotate(ready="true")


class Deaf(Deed):
    """Nothing listens in the pod."""

    def do(self):
        self.at.pod(self.pod).listen(CHOSEN, False)

    def end(self):
        self.at.pod(self.pod).listen(CHOSEN, True)


class Selector(Deed):
    """The service wants other pods for a while, perhaps none."""

    def said(self):
        return f"color={self.color}"

    def do(self):
        self.at.select(self.color)

    def end(self):
        self.at.select(None)


class Forget(Deed):
    """Resource versions are too old."""

    def said(self):
        return ""

    def do(self):
        self.target.standin.forget()

    def end(self):
        pass


DEEDS = (Kill, Leave, Restart, Unready, Deaf, Selector, Forget)


class Place:
    """A target by an API connection of one's own: threads cannot share one."""

    def __init__(self, target):
        self.target, self.namespace = target, copy(target.namespace)
        self.namespace.cluster = Cluster(target.standin.folder)
        self.namespace.api = self.namespace.cluster.api

    def pod(self, name):
        return Pod(self.namespace, name)

    def create(self, name):
        """One of the target's pods, each of which has a color."""
        color = COLORS[self.target.pods.index(name)]
        self.namespace.pod(name, {"app": self.target.name, "color": color}, runtime=self.target.runtime)

    def select(self, color):
        if self.target.type == "service":
            self.namespace.api.patch(f"{self.namespace.path}/services/{self.target.name}",
                                     {"spec": {"selector": {"color": color}}})


class Mischief(threading.Thread):
    """What is done, when, and how long it lasts.  failed(text) is told if it cannot be done."""

    def __init__(self, what, after, lasts, failed):
        super().__init__(daemon=True)
        self.what, self.after, self.lasts, self.failed = what, after, lasts, failed

    def words(self):
        return f"{self.lasts:5.2f} s  {self.what.words()}"

    def run(self):
        try:
            time.sleep(self.after)
            self.what.begin()
            time.sleep(self.lasts)
            self.what.end()
        except (OSError, ApiError, AssertionError) as e:
            self.failed(f"{self.words()}: {e!r}")


def draw(r, standins, targets, failed):
    """One to three at once, no two of them on one target."""
    places = r.sample(targets, 3)
    found = []
    for target in places[:r.choice((1, 2, 2, 3, 3))]:
        kind = r.choice((*FAULTS, *DEEDS))
        what = kind(r, target) if kind in DEEDS else Fault(r, r.choice(standins), kind)
        found.append(Mischief(what, r.uniform(0, 0.5), draw_time(r), failed))
    return found


def draw_time(r):
    """Mostly short; now and then long enough for a tunnel to be fenced, or given up."""
    kind = r.random()
    return r.uniform(16, 18) if kind < 0.005 else r.uniform(5.5, 7) if kind < 0.03 else 0.1 + 1.9 * r.random() ** 2
