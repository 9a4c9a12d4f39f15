"""What `porter -status -json` says of fifty forwards while faults come and go: it is by its schema each time,
each part of it fits the others, and in the end it is what was told all along."""
import threading
import time
from collections import Counter

from rig.asking import moment
from rig.waiting import until

from .scene import Talk

FORWARDS = 50
SETTINGS = {"check_interval": "300ms", "reconnect_delay": "300ms", "hold": "0s"}
TURNS = [
    [("refuse", {})],
    [("garbage-handshake", {"where": "new"})],
    [("status", {"where": "tunnel", "code": 403}), ("watch-error", {})],
    [("ws-close", {"where": "tunnel", "reason": "\"en\\ough\"\x1b[2J \u2713"}), ("garbage-json", {"where": "api"})],
    [("expired", {"where": "new"})]]
HEALTHY_S = 1.2  # what was Active for so long is tried again at once


def changes(f):
    """(state, why) of each that it has entered."""
    return [(event["what"], event["why"]) for event in f["history"] if event["what"] != "Moved"]


def fits(f):
    """What is so at any time."""
    state, last = f["state"], changes(f)[-1:]
    assert last == [(state, f["reason"])] or (state, last) == ("Starting", [])
    assert f["held"] <= f["connections"] <= f["held"] + f["served"]
    assert f["transport"] == "websocket" and f["tunnels"] or f["transport"] is None
    if state == "Active":
        assert f["reason"] == "" and f["attempts"] == 0 and f["pod"] and f["transport"] and f["checked"]
    elif state != "Starting":
        assert f["reason"] and f["info"]
    for event in f["history"]:
        assert event["first"] <= event["last"] and (event["times"] > 1 or event["first"] == event["last"])


class Asker(threading.Thread):
    """Asks again and again, until over.  states: how many forwards are in which; changed: when the last was entered;
    seen: all states so far; wrong: what was not right."""

    def __init__(self, porter):
        super().__init__()
        self.porter, self.over, self.wrong = porter, False, None
        self.states, self.changed, self.seen = Counter(), 0, set()

    def run(self):
        try:
            while not self.over:
                found = self.porter.status()["forwards"]
                for f in found:
                    fits(f)
                self.changed = max(moment(event["last"]) for f in found for event in f["history"][-1:])
                self.states = Counter(f["state"] for f in found)
                self.seen |= self.states.keys()
        except BaseException as e:
            self.wrong = e

    def until(self, check, what):
        until(lambda: self.wrong or check(), what)
        if self.wrong:
            raise self.wrong

    def until_active(self, n):
        self.until(lambda: self.states["Active"] == n, f"{n} are Active")

    def until_healthy(self, n):
        self.until(lambda: self.states["Active"] == n and time.time() > self.changed + HEALTHY_S, f"{n} stay Active")


def told(scene, name):
    """As changes(), by its lines; behind a reason there is more."""
    found = [line.split(" ", 2)[1:] for line in scene.lines(name)]
    return [(state.rstrip(":"), words) for state, words in found]


def is_same(changes, told):
    told = told[-len(changes):]
    return len(changes) == len(told) and all(
        state == told_state and (state == "Active" or words.startswith(why))
        for (state, why), (told_state, words) in zip(changes, told))


def test_its_status_is_right_while_fifty_forwards_change(new_scene):
    scene = new_scene(names=[f"hit-{i}" for i in range(FORWARDS)], transport="websocket", **SETTINGS)
    scene.start("far")
    asker = Asker(scene.porter.answers())
    asker.start()
    try:
        for turn in TURNS:
            asker.until_healthy(FORWARDS + 1)
            faults = [scene.one.fault(name, **how) for name, how in turn]
            scene.one.cut(where="tunnel")
            asker.until_active(1)
            for fault in faults:
                fault.end()
        asker.until_active(FORWARDS + 1)
    finally:
        asker.over = True
        asker.join()
    assert asker.wrong is None and {"Active", "Reconnecting", "Failed"} <= asker.seen
    found = {f["service"]: f for f in scene.porter.status()["forwards"]}
    assert found.keys() == scene.ports.keys()
    for name, f in found.items():
        assert f["pod"] == name
        scene.porter.until(lambda: is_same(changes(f), told(scene, name)), "its lines say the same")
        assert len(changes(f)) > len(TURNS) or name == "far"
    assert changes(found["far"]) == [("Active", "")]
    assert any("closed by the server (1011: \"en\\ough\"?[2J \u2713)" in why for f in found.values()
               for _, why in changes(f))


def test_one_that_waits_for_its_next_try_is_tried_at_once(new_scene):
    scene = new_scene(check_interval="10m", reconnect_delay="10m")
    with scene.one.fault("status", where="tunnel", pod="hit"):
        scene.start("beside", "far")
        scene.wait("hit", "Reconnecting", "the stand-in answers 500")
        held = Talk(scene.ports["hit"])
    assert scene.porter.ask("-reconnect", "one/hit") == (0, "", "")
    held.goes_on()
    held.stop()
    scene.wait("hit", "Active")
    scene.nobody_else_noticed()
