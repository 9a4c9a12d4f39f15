"""Every fault at every layer: whom it hits, what is told of it, and that all is as
before when it is over.  The names of faults are explained at the head of control.py.
"""
import time

import pytest

from rig import apps
from rig.waiting import until

from .scene import INTERVAL_S, Scene, Shared, persists, served_at_last, table, tries


ANSWERS = {
    "401": ("status", {"code": 401}, "Failed", "server refuses the user's credentials: the stand-in answers 401"),
    "403": ("status", {"code": 403}, "Failed", "the stand-in answers 403"),
    "404-proxy": ("status", {"code": 404, "body": False}, "Reconnecting", "server answered with HTTP status 404"),
    "429": ("status", {"code": 429, "retry_after": 2}, "Reconnecting", "the stand-in answers 429: retry in 2s"),
    "500": ("status", {"code": 500}, "Reconnecting", "the stand-in answers 500"),
    "503": ("status", {"code": 503, "body": False}, "Reconnecting", "server answered with HTTP status 503"),
    "garbage": ("garbage-head", {}, "Reconnecting", "answer is not HTTP/1.1"),
    "half": ("half-answer", {}, "Reconnecting", "cut without notice"),
    "json": ("garbage-json", {}, "Reconnecting", "answer is not JSON"),
}
BROKEN = {
    "fin": ("cut", {"how": "fin"}, "Reconnecting", "cut without notice"),
    "rst": ("cut", {"how": "rst"}, "Reconnecting", "Connection reset by peer"),
    "garbage-record": ("garbage-record", {}, "Reconnecting", "garbled"),
}
SILENT = {
    "half": ("half-answer", {"then": "silence"}),
    "none": ("no-answer", {}),
    "hole": ("black-hole", {}),
    "hole-in": ("black-hole", {"direction": "in"}),
    "hole-out": ("black-hole", {"direction": "out"}),
}
UNMET = {
    "refuse": ("refuse", {}, "Reconnecting", "connection refused"),
    "garbage-handshake": ("garbage-handshake", {}, "Failed", "server does not speak TLS here"),
    "expired": ("expired", {}, "Failed", "expired"),
    "fin": ("cut", {"how": "fin", "where": "new"}, "Reconnecting", "closed the connection during the TLS handshake"),
    "rst": ("cut", {"how": "rst", "where": "new"}, "Reconnecting", "Connection reset by peer"),
    "hole": ("black-hole", {"where": "new"}, "Reconnecting", "in 15 s"),
}


SERVICE, LIST = "/services/hit", "/pods?labelSelector=app%3Dhit"


@pytest.mark.parametrize("path, name, fields, state, words", **table(
    {f"service-{key}": (SERVICE, *row) for key, row in ANSWERS.items()},
    {f"list-{key}": (LIST, *row) for key, row in ANSWERS.items()},
    {"service-404": (SERVICE, "status", {"code": 404}, "Failed", "service not found"),
     "list-404": (LIST, "status", {"code": 404}, "Reconnecting", "the stand-in answers 404")}))
def test_no_pod_can_be_found(scene, path, name, fields, state, words):
    with scene.one.fault(name, where="api", path=path, **fields) as fault:
        scene.start("beside", "far")
        scene.hurt()
        scene.wait("hit", state, words)
        held = persists(scene, state)
        scene.healed()
        if "retry_after" in fields:
            assert fault.hits() == 1
    served_at_last(held)
    scene.recovers()


@pytest.mark.parametrize("where, name, fields, state, words", **table(
    {f"api-{key}": ("api", *row) for key, row in BROKEN.items()},
    {f"new-{key}": (None, *row) for key, row in UNMET.items()}))
def test_a_cluster_cannot_be_asked(new_scene, where, name, fields, state, words):
    scene = new_scene(names=("hit",))
    with scene.one.fault(name, **{"where": where, **fields}):
        scene.start("far")
        scene.hurt()
        scene.wait("hit", state, words)
        held = persists(scene, state)
        scene.healed()
    served_at_last(held)
    scene.recovers()


def test_requests_are_never_answered(new_scene):
    scene = new_scene(names=("hit-service", "hit-list", "hit-half", "beside"))
    faults = [scene.one.fault("no-answer", where="api", path="/services/hit-service"),
              scene.one.fault("no-answer", where="api", path="app%3Dhit-list"),
              scene.one.fault("half-answer", where="api", path="/services/hit-half", then="silence")]
    scene.start("beside", "far")
    scene.hurt()
    for name in scene.hits:
        scene.wait(name, "Reconnecting", "cluster 'one': no answer in 30 s")
    scene.healed()
    for fault in faults:
        fault.end()
    scene.one.cut(where="api")  # those that were asked again
    scene.recovers()


def test_all_requests_go_into_a_black_hole(new_scene):
    scene = new_scene(names=("hit",))
    with scene.one.fault("black-hole", where="api"):
        scene.start("far")
        scene.hurt()
        scene.wait("hit", "Reconnecting", "cluster 'one': no answer in 30 s")
        held = persists(scene, "Reconnecting")
        scene.healed()
    served_at_last(held)
    scene.recovers()


@pytest.mark.parametrize("where, name, fields", **table(
    {f"api-{key}": ("api", *row[:2]) for key, row in (ANSWERS | BROKEN | SILENT).items()},
    {f"new-{key}": (None, *row[:2]) for key, row in UNMET.items()}))
def test_what_runs_needs_no_requests(scene, where, name, fields):
    scene.start()
    scene.hurt()
    with scene.one.fault(name, **{"where": where, **fields}):
        time.sleep(7 * INTERVAL_S)  # the service is asked for after six
        scene.nothing_was_told()
        scene.talks["hit"].goes_on()
        scene.healed()
    scene.recovers()
    scene.nothing_was_told()


def test_a_service_that_is_gone_takes_no_new_connections(scene):
    scene.start()
    scene.hurt()
    with scene.one.fault("status", code=404, where="api", path="/services/hit"):
        scene.wait("hit", "Failed", "service not found")
        persists(scene, "Failed")
        scene.talks["hit"].goes_on()
        scene.healed()
    scene.recovers()


MANY = 100
CALM = {"check_interval": "2s", "reconnect_delay": "1s"}


def all_are(scene, state):
    scene.porter.until(lambda: all(scene.state(hit) == state for hit in scene.hits), f"all are {state}")


@pytest.mark.parametrize("name, fields", [("refuse", {}), ("cut", {"where": "new"})], ids=["refuse", "rst"])
def test_a_hundred_forwards_come_back_one_after_the_other(new_standin, new_porter, name, fields):
    """Each has a tunnel and a watch.  Without turns 90 and more shake hands at once, with them 10 to 40."""
    one, two = new_standin("one"), new_standin("two")
    scene = Scene(Shared(one, two), new_porter, names=[f"hit-{i}" for i in range(MANY)], **CALM)
    try:
        scene.start("far")
        all_are(scene, "Active")
        until(lambda: one.open("watch") == MANY, "all are watched")
        before, calm = one.counts(), two.counts()
        with one.fault(name, **fields):
            began = time.monotonic()
            one.cut()
            all_are(scene, "Reconnecting")
            time.sleep(5)
            outage, seconds = one.counts(), time.monotonic() - began
        all_are(scene, "Active")
        for hit in scene.hits:
            with scene.porter.wait(apps.chosen, scene.ports[hit], "echo") as s:
                assert apps.echo_on(s) == b"hello"
        after = one.counts()
        scene.nobody_else_noticed()
        assert two.counts()["accepted"] == calm["accepted"]
    finally:
        scene.stop()
    assert outage["handshakes"]["begun"] == before["handshakes"]["begun"]
    assert outage["accepted"] - before["accepted"] <= MANY * (tries(seconds, 1) + seconds / 1.8 + 2)
    assert after["handshakes"]["begun"] - before["handshakes"]["begun"] <= 3 * MANY + 50  # a spare each, at last
    assert after["handshakes"]["most_at_once"] <= 80  # over 85 without turns
