"""Who asks, and what they may: bearer tokens and client certificates, and the
RBAC objects in the store."""
import base64
import json
import time

from .web import Refusal

PUBLIC = {"/readyz", "/livez", "/healthz", "/version"}


class User:
    def __init__(self, name, groups=()):
        self.name, self.groups = name, groups


def user_of(connection, request, tokens):
    """Raises the 401 for credentials nobody knows; without any, the user is anonymous."""
    subject = connection.user()
    if subject:
        return User(subject["commonName"][0], subject.get("organizationName", []))
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        return User("system:anonymous")
    name = scheme.lower() == "bearer" and (tokens.get(token) or subject_of(token))
    if name:
        return User(name)
    raise Refusal(401, "Unauthorized", "Unauthorized")


def subject_of(token):
    """Of an ID token (rig.issuer) that has not ended; its signature is not looked at."""
    try:
        _, claims, _ = token.split(".")
        told = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return told["sub"] if time.time() < told["exp"] else None
    except (ValueError, KeyError, TypeError):
        return None


def allows(store, user, verb, resource, group):
    """resource: with its subresource, pods/portforward."""
    if "system:masters" in user.groups:
        return True
    for binding in store.list("clusterrolebindings"):
        if not any(s["kind"] == "User" and s["name"] == user.name for s in binding.get("subjects", [])):
            continue
        role = store.get("clusterroles", "", binding["roleRef"]["name"]) or {}
        for rule in role.get("rules") or []:
            if group in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"]:
                return True
    return False


def forbidden(user, verb, target):
    where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    name = f' "{target.name}"' if target.name else ""
    return Refusal(403, f'{target.called}{name} is forbidden: User "{user.name}" cannot {verb} resource '
                        f'"{target.whole}" in API group "{target.group}" {where}', "Forbidden", target.details())


def check_path(user, path):
    if path not in PUBLIC and "system:masters" not in user.groups:
        raise Refusal(403, f'forbidden: User "{user.name}" cannot get path "{path}"', "Forbidden", {})
