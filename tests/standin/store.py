"""Objects with their resource versions, what has become of them (for watches),
and the selectors that choose among them.  Knows nothing of HTTP.

Objects in the store are never changed, only replaced.
"""
import asyncio
import re
from collections import namedtuple
from datetime import datetime, timezone

KEPT = 10000  # changes remembered for watches

Change = namedtuple("Change", "version resource key old new")  # old or new is None: created, deleted


class Expired(Exception):
    """A resource version is too old: what has happened since is forgotten."""


class Store:
    def __init__(self):
        self.version = 100
        self.objects = {}  # {resource: {(namespace, name): object}}
        self.changes, self.forgotten = [], self.version
        self.listeners = []  # each is called with every Change, later
        self.snapshots = {}  # {(resource, version): objects}, for lists in parts
        self.waiting = []

    def get(self, resource, namespace, name):
        return self.objects.get(resource, {}).get((namespace, name))

    def put(self, resource, obj):
        """Creates or replaces; returns the object with its new resource version."""
        return self.change(resource, obj["metadata"], obj)

    def remove(self, resource, obj):
        """Returns its last state, whose version is that of the removal."""
        return self.change(resource, obj["metadata"], None)

    def change(self, resource, metadata, new):
        self.version += 1
        table, key = self.objects.setdefault(resource, {}), (metadata.get("namespace", ""), metadata["name"])
        old = table.pop(key, None)
        last = self.versioned(new or old)
        if new:
            table[key] = last
        change = Change(self.version, resource, key, old, last if new else None)
        self.changes.append(change)
        if len(self.changes) > 2 * KEPT:
            self.forget(KEPT)
        for listener in self.listeners:
            asyncio.get_running_loop().call_soon(listener, change)
        self.wake()
        return last

    def wake(self):
        for future in self.waiting:
            if not future.done():
                future.set_result(None)
        self.waiting = []

    def versioned(self, obj):
        return obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.version)}}

    def list(self, resource, namespace=""):
        """In the order of their keys."""
        return [obj for key, obj in sorted(self.objects.get(resource, {}).items()) if namespace in ("", key[0])]

    def snapshot(self, resource, version):
        """All of a resource as they were; taken while the version is the present one."""
        if version == self.version:
            self.snapshots[resource, version] = self.list(resource)
            while len(self.snapshots) > 100:
                self.snapshots.pop(next(iter(self.snapshots)))
        if (resource, version) not in self.snapshots:
            raise Expired
        return self.snapshots[resource, version]

    def since(self, resource, version):
        """The changes after a version."""
        if version < self.forgotten:
            raise Expired
        first = len(self.changes)
        while first and self.changes[first - 1].version > version:
            first -= 1
        return [c for c in self.changes[first:] if c.resource == resource]

    def forget(self, keep=0):
        """As etcd's compaction does."""
        self.changes = self.changes[len(self.changes) - keep:]
        self.forgotten = self.changes[0].version - 1 if self.changes else self.version
        self.snapshots.clear()

    def next_change(self):
        """A future, done at the next change of anything."""
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self.waiting[-1]


def now(plus=0):
    return datetime.fromtimestamp(datetime.now().timestamp() + plus, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---- selectors ----

FIELDS = {  # that lists can be narrowed by
    "pods": ("metadata.name", "metadata.namespace", "spec.nodeName", "spec.restartPolicy", "spec.schedulerName",
             "spec.serviceAccountName", "status.phase", "status.podIP", "status.nominatedNodeName"),
    "": ("metadata.name", "metadata.namespace"),
}
TERM = re.compile(r"(?P<name>[\w./-]+)\s*(?:(?P<op>==?|!=)\s*(?P<value>[\w.-]*)"
                  r"|\s(?P<set>in|notin)\s*\((?P<values>[^)]*)\))?\s*(?:,|$)\s*|!(?P<absent>[\w./-]+)\s*(?:,|$)\s*")


def label_selector(text):
    """A function of labels.  ValueError: it is none."""
    terms, at = [], 0
    while at < len(text):
        found = TERM.match(text, at)
        if not found:
            raise ValueError(f"unable to parse requirement: found '{text[at:]}', expected: identifier")
        terms.append(found.groupdict())
        at = found.end()
    return lambda labels: all(label_matches(term, labels) for term in terms)


def label_matches(term, labels):
    if term["absent"]:
        return term["absent"] not in labels
    has = labels.get(term["name"])
    if term["set"]:
        inside = has in [v.strip() for v in term["values"].split(",")]
        return inside == (term["set"] == "in")
    if not term["op"]:
        return has is not None
    return (has == term["value"]) == (term["op"] != "!=")


def field_selector(text, resource):
    """A function of objects.  ValueError: it is none."""
    terms = []
    for part in filter(None, text.split(",")):
        found = re.fullmatch(r"([\w.]+)(==?|!=)(.*)", part)
        if not found:
            raise ValueError(f"invalid selector: '{part}'; can't understand '{part}'")
        if found[1] not in FIELDS.get(resource, FIELDS[""]):
            raise ValueError(f"field label not supported: {found[1]}")
        terms.append(found.groups())
    return lambda obj: all((field(obj, name) == value) == (op != "!=") for name, op, value in terms)


def field(obj, path):
    for name in path.split("."):
        obj = obj.get(name, {})
    return obj or ""
