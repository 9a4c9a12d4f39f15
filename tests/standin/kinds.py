"""The kinds of objects there are: how they come into the world, change and leave it."""
import copy
import random
import re
import uuid

from .store import now
from .web import Refusal

KINDS = {  # (group, resource): kind, has a namespace
    ("", "namespaces"): ("Namespace", False),
    ("", "nodes"): ("Node", False),
    ("", "pods"): ("Pod", True),
    ("", "services"): ("Service", True),
    ("apps", "deployments"): ("Deployment", True),
    ("apps", "statefulsets"): ("StatefulSet", True),
    ("apps", "daemonsets"): ("DaemonSet", True),
    ("rbac.authorization.k8s.io", "clusterroles"): ("ClusterRole", False),
    ("rbac.authorization.k8s.io", "clusterrolebindings"): ("ClusterRoleBinding", False),
}
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
WHAT_A_NAME_IS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")
FIXED = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
         "generation")


def new(target, body):
    """The object that a POST makes, with what the server adds to it."""
    given = body.get("metadata", {})
    name = given.get("name", "")
    if not NAME.fullmatch(name) and target.group != "rbac.authorization.k8s.io":
        why = f'Invalid value: "{name}": {WHAT_A_NAME_IS}'
        raise Refusal(422, f'{target.kind} "{name}" is invalid: metadata.name: {why}', "Invalid", {
            "name": name, "kind": target.kind,
            "causes": [{"reason": "FieldValueInvalid", "message": why, "field": "metadata.name"}]})
    metadata = {"name": name, **({"namespace": target.namespace} if target.namespace else {}),
                "uid": str(uuid.uuid4()), "resourceVersion": "", "generation": 1, "creationTimestamp": now(),
                **{key: given[key] for key in ("labels", "annotations") if given.get(key)}}
    rest = {key: value for key, value in copy.deepcopy(body).items() if key not in ("kind", "apiVersion", "metadata")}
    obj = DEFAULTS.get(target.resource, lambda obj: obj)({"metadata": metadata, **rest})
    metadata["managedFields"] = [{"manager": "unknown", "operation": "Update", "apiVersion": target.version,
                                  "time": now(), "fieldsType": "FieldsV1", "fieldsV1": fields_of(rest)}]
    return obj


def fields_of(value):
    """Who manages what: of no use, but half the size of every real object."""
    if isinstance(value, list):
        return {f"k:{{{i}}}": {".": {}, **fields_of(item)} for i, item in enumerate(value)}
    return {f"f:{key}": fields_of(item) for key, item in value.items()} if isinstance(value, dict) else {}


def new_pod(obj):
    spec = obj.setdefault("spec", {})
    for container in spec.get("containers", []):
        for port in container.get("ports", []):
            port.setdefault("protocol", "TCP")
    obj["spec"] = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst", **spec}
    obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
    return obj


def new_service(obj):
    spec = obj["spec"]
    for port in spec.get("ports", []):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])
    spec.setdefault("clusterIP", f"10.0.{random.randrange(256)}.{random.randrange(1, 255)}")
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    obj["status"] = {"loadBalancer": {}}
    return obj


def new_namespace(obj):
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
    return obj | {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


DEFAULTS = {"pods": new_pod, "services": new_service, "namespaces": new_namespace}


def merged(old, patch):
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def patched(old, patch, subresource):
    """The object after a merge patch: status changes by its subresource only."""
    new_obj = merged(old, patch)
    if subresource == "status":
        return old | {"status": new_obj.get("status", {})}
    metadata = new_obj["metadata"] | {key: old["metadata"][key] for key in FIXED if key in old["metadata"]}
    if new_obj.get("spec") != old.get("spec"):
        metadata["generation"] = old["metadata"].get("generation", 0) + 1
    return new_obj | {"metadata": metadata} | ({"status": old["status"]} if "status" in old else {})


def delete(store, target, obj, options):
    """Deletes it, or lets it go on for its grace period; returns its last state."""
    uid, wanted = obj["metadata"]["uid"], options.get("preconditions", {}).get("uid")
    if wanted not in (None, uid):
        raise Refusal(
            409, f'Operation cannot be fulfilled on {target.kind} "{target.name}": the UID in the precondition '
                 f"({wanted}) does not match the UID in record ({uid}). The object might have been deleted and then "
                 "recreated",
            "Conflict", {"name": target.name, "kind": target.kind})
    if target.resource != "pods":
        return store.remove(target.resource, obj)
    return delete_pod(store, obj, options.get("gracePeriodSeconds"))


def delete_pod(store, obj, grace):
    if not obj["spec"].get("nodeName") or obj["status"]["phase"] in ("Succeeded", "Failed"):
        grace = 0
    elif grace is None:
        grace = obj["spec"]["terminationGracePeriodSeconds"]
    metadata, ends = obj["metadata"], now(plus=grace)
    if grace and metadata.get("deletionTimestamp", "9") <= ends:
        return obj
    deleting = obj | {"metadata": metadata | {
        "deletionTimestamp": ends, "deletionGracePeriodSeconds": grace,
        "generation": metadata["generation"] + ("deletionTimestamp" not in metadata)}}
    last = store.put("pods", deleting)
    if not grace:
        store.remove("pods", last)
    return last
