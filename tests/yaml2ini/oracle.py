"""What a config.yaml means, by PyYAML and by what nanoporter (yaml.v3) makes of its scalars; and
what a porter.ini says, in the same form."""
import re

import yaml

NULL = re.compile(r"(null|Null|NULL|~|)\Z")
ZERO = re.compile(r"([0.]+(ns|us|µs|ms|s|m|h))+\Z")
PORT = re.compile(r"[1-9][0-9]{0,4}\Z")
SETTINGS = ("check_interval", "reconnect_delay")
CLUSTER = ("kubeconfig", "context")
FORWARD = ("namespace", "service", "type", "local_port", "remote_port")


def is_null(node):
    return isinstance(node, yaml.ScalarNode) and node.style is None and NULL.match(node.value)


def pairs_of(node):
    if is_null(node):
        return {}
    assert isinstance(node, yaml.MappingNode), node
    pairs = {key.value: value for key, value in node.value}
    assert len(pairs) == len(node.value), "a key is there twice"
    return pairs


def items_of(pairs, key):
    node = pairs.get(key)
    assert isinstance(node, yaml.SequenceNode), node
    return node.value


def texts_of(pairs, keys):
    nodes = {key: pairs[key] for key in keys if key in pairs and not is_null(pairs[key])}
    return {key: node.value for key, node in nodes.items() if node.value}


def forward_of(node):
    pairs = pairs_of(node)
    for key in ("local_port", "remote_port"):
        assert pairs[key].style is None and PORT.match(pairs[key].value) and int(pairs[key].value) < 65536
    forward = texts_of(pairs, FORWARD)
    assert len(forward) == len(FORWARD) and forward["type"] in ("service", "pod")
    return forward, [*pairs.keys() - set(FORWARD)]


def config_of(text):
    """(settings, [(cluster's name, its settings, its forwards)], keys that nanoporter passes over).
    Fails where there is no right conversion."""
    top = pairs_of(yaml.compose(text, Loader=yaml.BaseLoader))
    unknown = [*top.keys() - {*SETTINGS, "clusters"}]
    settings = {key: value for key, value in texts_of(top, SETTINGS).items() if not ZERO.match(value)}
    clusters = []
    for node in items_of(top, "clusters"):
        pairs = pairs_of(node)
        unknown += pairs.keys() - {*CLUSTER, "name", "forwards"}
        forwards = []
        for item in items_of(pairs, "forwards"):
            forward, more = forward_of(item)
            forwards.append(forward)
            unknown += more
        clusters.append((texts_of(pairs, ["name"])["name"], texts_of(pairs, CLUSTER), forwards))
        assert "kubeconfig" in clusters[-1][1] and forwards
    ports = [f["local_port"] for c in clusters for f in c[2]]
    assert clusters and len(set(ports)) == len(ports) and len({c[0] for c in clusters}) == len(clusters)
    return settings, clusters, unknown


def config_of_ini(sections):
    """The same, but for the last, of Reader.sections()."""
    settings, clusters = {}, []
    assert len({head for head, _ in sections}) == len(sections)
    for head, keys in sections:
        assert len(head.encode()) <= 49
        kind, _, label = head.partition(" ")
        if head == "porter":
            settings = keys
        elif kind == "cluster":
            clusters.append((label, keys, []))
        else:
            assert kind == "forward" and label and keys.pop("cluster") == clusters[-1][0]
            clusters[-1][2].append(keys)
    return settings, clusters
