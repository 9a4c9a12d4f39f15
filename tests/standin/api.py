"""The REST part of kube-apiserver that port-forwards and their tests need:
get, list (in parts), watch, create, merge patch, delete."""
import asyncio
import base64
import json
import random
import traceback

from . import kinds, portforward, rights, web
from .store import Expired, field_selector, label_selector
from .web import Refusal, bad_request

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
LISTED_TOO_LATE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list.")


class Target:
    """What a path under /api or /apis names.  kind is "" where nothing is known by that name."""

    def __init__(self, parts):
        self.group = "" if parts[0] == "api" else parts[1]
        self.version = "/".join(parts[1:2] if parts[0] == "api" else parts[1:3])
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        self.namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces":
            self.namespace, rest = rest[1], rest[2:]
        self.resource, self.name, self.subresource = (rest + ["", "", ""])[:3]
        self.kind, self.has_namespace = kinds.KINDS.get((self.group, self.resource), ("", False))
        self.whole = "/".join(filter(None, (self.resource, self.subresource)))
        self.called = ".".join(filter(None, (self.resource, self.group)))

    def details(self):
        told = {"name": self.name, "group": self.group, "kind": self.resource}
        return {key: value for key, value in told.items() if value}

    def full(self, obj):
        return {"kind": self.kind, "apiVersion": self.version, **obj}


class Api:
    def __init__(self, store, node, tokens, faults, counts, bookmark_s):
        self.store, self.node, self.tokens = store, node, tokens
        self.faults, self.counts, self.bookmark_s = faults, counts, bookmark_s

    async def serve(self, connection):
        """One connection, to its end."""
        try:
            while request := await web.read_request(connection):
                classify(request)
                connection.become(request.kind, request.pod)
                if not await self.faults.answers(connection, request, self.counts):
                    await self.answer(connection, request)
                if "close" in request.tokens("connection") or request.version == "HTTP/1.0":
                    break
                connection.become("api")
        except ConnectionResetError:
            pass
        except Exception:
            traceback.print_exc()  # a fault of the stand-in itself: into its log
        finally:
            connection.close()

    async def answer(self, connection, request):
        try:
            status, said = await self.act(connection, request)
        except Refusal as refusal:
            status, said = refusal.code, refusal.answer()
        if said:
            self.counts.answered(request.kind, status)
            if not await self.faults.spoils(connection, request, said):
                await connection.write(said)

    async def act(self, connection, request):
        """Returns status and answer; no answer where it was given already."""
        user = rights.user_of(connection, request, self.tokens)
        if request.parts[0] not in ("api", "apis") or len(request.parts) < 3:
            rights.check_path(user, request.path)
            return self.other(request)
        target = Target(request.parts)
        verb = verb_of(request, target)
        if not rights.allows(self.store, user, verb, target.whole, target.group):
            target.name = target.name or only_name(request)
            raise rights.forbidden(user, verb, target)
        if not target.kind or target.subresource not in ("", "status", "portforward"):
            raise Refusal(404, "the server could not find the requested resource", "NotFound", {})
        if target.subresource == "portforward" and request.method in ("GET", "POST"):
            return await portforward.serve(self, connection, request, target, user)
        act = getattr(self, verb, None)
        if not act or target.subresource == "portforward":
            raise Refusal(405, "the server does not allow this method on the requested resource", "MethodNotAllowed",
                          {})
        if verb == "watch":
            return await self.watch(connection, request, target)
        status, body = act(request, target)
        return status, web.answer(status, body)

    def other(self, request):
        if request.path in ("/readyz", "/livez", "/healthz"):
            return 200, web.answer(200, b"ok", {"Content-Type": "text/plain; charset=utf-8"})
        if request.path == "/version":
            return 200, web.answer(200, {"major": "1", "minor": "35", "gitVersion": "v1.35.4"})
        return 404, web.answer(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})

    # ---- one object ----

    def find(self, target):
        obj = self.store.get(target.resource, target.namespace, target.name)
        if not obj:
            raise Refusal(404, f'{target.called} "{target.name}" not found', "NotFound", target.details())
        return obj

    def get(self, request, target):
        return 200, target.full(self.find(target))

    def create(self, request, target):
        if target.has_namespace and not self.store.get("namespaces", "", target.namespace):
            raise Refusal(404, f'namespaces "{target.namespace}" not found', "NotFound",
                          {"name": target.namespace, "kind": "namespaces"})
        obj = kinds.new(target, decoded(request))
        name = obj["metadata"]["name"]
        if self.store.get(target.resource, target.namespace, name):
            raise Refusal(409, f'{target.resource} "{name}" already exists', "AlreadyExists",
                          {"name": name, "kind": target.resource})
        return 201, target.full(self.store.put(target.resource, obj))

    def patch(self, request, target):
        if request.headers.get("content-type") not in ("application/merge-patch+json",
                                                       "application/strategic-merge-patch+json"):
            raise Refusal(415, "415: Unsupported Media Type", "UnsupportedMediaType", {})
        old = self.find(target)
        obj = kinds.patched(old, decoded(request), target.subresource)
        return 200, target.full(obj if obj == old else self.store.put(target.resource, obj))

    def delete(self, request, target):
        return 200, target.full(kinds.delete(self.store, target, self.find(target), delete_options(request)))

    # ---- many ----

    def chosen(self, request, target):
        """A function that says whether an object is asked for."""
        try:
            labels = label_selector(request.query.get("labelSelector", ""))
            fields = field_selector(request.query.get("fieldSelector", ""), target.resource)
        except ValueError as e:
            raise bad_request(str(e)) from e

        def chooses(obj):
            metadata = obj["metadata"]
            return (target.namespace in ("", metadata.get("namespace", "")) and
                    labels(metadata.get("labels", {})) and fields(obj))
        return chooses

    def deletecollection(self, request, target):
        gone = [obj for obj in self.store.list(target.resource) if self.chosen(request, target)(obj)]
        gone = [kinds.delete(self.store, target, obj, delete_options(request)) for obj in gone]
        return 200, self.as_list(target, gone, self.store.version)

    def as_list(self, target, items, version, **more):
        return {"kind": f"{target.kind}List", "apiVersion": target.version,
                "metadata": {"resourceVersion": str(version), **more}, "items": items}

    def list(self, request, target):
        chooses, limit = self.chosen(request, target), int(request.query.get("limit") or 0)
        version, start = from_token(request.query.get("continue")) or (self.store.version, "")
        wanted = int(request.query.get("resourceVersion") or 0)
        if wanted > self.store.version:
            why = "Too large resource version"
            raise Refusal(504, f"Timeout: {why}: {wanted}, current: {self.store.version}", "Timeout",
                          {"causes": [{"reason": "ResourceVersionTooLarge", "message": why}], "retryAfterSeconds": 1},
                          **{"Retry-After": 1})
        try:
            everything = self.store.snapshot(target.resource, version)
        except Expired:
            raise Refusal(410, LISTED_TOO_LATE, "Expired") from None
        items = [obj for obj in everything if chooses(obj) and key_of(target, obj) >= start]
        if not limit or len(items) <= limit:
            return 200, self.as_list(target, items, version)
        more = {"continue": to_token(version, key_of(target, items[limit - 1]))}
        if not request.query.keys() & {"labelSelector", "fieldSelector"}:
            more["remainingItemCount"] = len(items) - limit
        return 200, self.as_list(target, items[:limit], version, **more)

    # ---- watch ----

    async def watch(self, connection, request, target):
        chooses = self.chosen(request, target)
        version = request.query.get("resourceVersion") or "0"
        if not version.isdigit():
            raise Refusal(500, f'resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing "{version}": '
                               "invalid syntax")
        self.counts.answered(request.kind, 200)
        await connection.write(web.stream_head())
        try:
            await self.tell(connection, request, target, chooses, int(version))
        except Expired:
            said = Refusal(410, f"too old resource version: {version} ({self.store.forgotten})", "Expired").status
            await connection.write(web.event("ERROR", said))
        await connection.write(web.chunk(b""))
        return 200, None

    async def tell(self, connection, request, target, chooses, version):
        """Events, until the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + (int(request.query.get("timeoutSeconds") or 0) or random.randrange(1800, 3600))
        bookmarks = request.query.get("allowWatchBookmarks") in ("1", "true")
        if version == 0:
            version = self.store.version
            for obj in filter(chooses, self.store.list(target.resource)):
                await connection.write(web.event("ADDED", target.full(obj)))
        bookmark_at = loop.time() + self.bookmark_s
        while not await self.faults.spoils_watch(connection, request):
            for change in self.store.since(target.resource, version):
                version = change.version
                await self.tell_change(connection, target, chooses, change)
            future = self.store.next_change()  # or fault
            await asyncio.wait([future], timeout=max(min(end, bookmark_at) - loop.time(), 0))
            if future.done():
                continue
            over = loop.time() >= end
            if bookmarks and (over or loop.time() >= bookmark_at):
                version = max(version, self.store.version)
                await connection.write(web.event("BOOKMARK", bookmark(target, version)))
            if loop.time() >= bookmark_at:
                bookmark_at = loop.time() + self.bookmark_s
            if over:
                return

    async def tell_change(self, connection, target, chooses, change):
        """As those see it who see only what the selector chooses."""
        before, after = (obj and chooses(obj) for obj in (change.old, change.new))
        if after:
            await connection.write(web.event("MODIFIED" if before else "ADDED", target.full(change.new)))
        elif before:
            last = change.old | {"metadata": change.old["metadata"] | {"resourceVersion": str(change.version)}}
            await connection.write(web.event("DELETED", target.full(last)))


def classify(request):
    """What faults and counts go by: the kind of request, and its pod."""
    parts = request.parts
    if len(parts) >= 7 and parts[6] == "portforward":
        request.kind, request.pod = "tunnel", f"{parts[3]}/{parts[5]}"
    elif request.query.get("watch") in ("1", "true"):
        request.kind = "watch"


def only_name(request):
    """The one name that a list is narrowed to."""
    name, _, value = request.query.get("fieldSelector", "").partition("=")
    return value if name == "metadata.name" else ""


def verb_of(request, target):
    if request.method == "DELETE":
        return "delete" if target.name else "deletecollection"
    if request.method != "GET":
        return VERBS.get(request.method, request.method.lower())
    return "get" if target.name else "watch" if request.kind == "watch" else "list"


def decoded(request):
    try:
        body = request.json()
    except ValueError as e:
        raise bad_request(f"couldn't get version/kind; json parse error: {e}") from e
    if not isinstance(body, dict):
        raise bad_request("couldn't get version/kind; json parse error: it is no object")
    return body


def delete_options(request):
    options = decoded(request)
    if "gracePeriodSeconds" in request.query:
        options["gracePeriodSeconds"] = int(request.query["gracePeriodSeconds"])
    return options


def key_of(target, obj):
    """Where a list that is given in parts goes on."""
    namespace, name = obj["metadata"].get("namespace"), obj["metadata"]["name"]
    return name if target.namespace or not namespace else f"{namespace}/{name}"


def to_token(version, last):
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": f"{last}\0"}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def from_token(token):
    if not token:
        return None
    try:
        told = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(told["rv"]), told["start"]
    except (ValueError, KeyError, TypeError) as e:
        raise bad_request(f"invalid continue token: continue key is not valid: {e}") from e


def bookmark(target, version):
    empty = {"spec": {"containers": None}, "status": {}} if target.resource == "pods" else {"spec": {}, "status": {}}
    return target.full({"metadata": {"resourceVersion": str(version)}, **empty})
