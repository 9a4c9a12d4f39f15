"""Faults in the watch of pods: nothing of them is noticed, and none hides what
happens to pods from then on.
"""
import time

import pytest

from rig.waiting import until

from .scene import table

ENDS = {
    "fin": ("cut", {"how": "fin"}),
    "rst": ("cut", {"how": "rst"}),
    "garbage-record": ("garbage-record", {}),
    "error-410": ("watch-error", {}),
    "error-500": ("watch-error", {"code": 500, "message": "the watch has failed"}),
    "half": ("half-answer", {}),
    "json": ("garbage-json", {}),
    "long-line": ("long-line", {}),
}
REFUSALS = {
    "401": ("status", {"code": 401}),
    "403": ("status", {"code": 403}),
    "404": ("status", {"code": 404}),
    "404-proxy": ("status", {"code": 404, "body": False}),
    "410": ("status", {"code": 410}),
    "429": ("status", {"code": 429, "retry_after": 1}),
    "500": ("status", {"code": 500}),
    "503": ("status", {"code": 503, "body": False}),
    "garbage": ("garbage-head", {}),
}
SILENCES = {
    "half-silence": ("half-answer", {"then": "silence"}),
    "none": ("no-answer", {}),
    "hole": ("black-hole", {}),
    "hole-out": ("black-hole", {"direction": "out"}),
}


def moved(scene):
    scene.porter.until(lambda: [line for line in scene.porter.log() if "forward=one/hit pod=hit-2" in line],
                       "it goes to the new pod")


def notices_pods(scene):
    """Another pod is moved to when the one in use goes."""
    scene.near.pod("hit-2", {"app": "hit"})
    scene.pods["hit"].delete()
    moved(scene)
    scene.talks["hit"].goes_on()  # while its pod does


@pytest.mark.parametrize("once, name, fields", **table(
    {f"once-{key}": (True, *row) for key, row in (ENDS | {"410": REFUSALS["410"]}).items()},
    {key: (False, *row) for key, row in (ENDS | REFUSALS).items()}))
def test_a_watch_ends_or_is_refused(scene, once, name, fields):
    scene.start()
    scene.hurt()
    with scene.one.fault(name, where="watch", **fields, **({"count": 2} if once else {})) as fault:
        if name in ("status", "garbage-head"):
            scene.one.cut("rst", where="watch")
        until(lambda: fault.hits() >= 2, "the fault hits")
        time.sleep(0.5 if once else 1)
        scene.healed()
    scene.recovers()
    notices_pods(scene)
    scene.nothing_was_told()


def test_a_version_that_is_too_old_is_left_for_a_new_list(scene):
    scene.start()
    scene.hurt()
    scene.near.pod("unwatched")
    scene.one.forget()
    scene.one.cut("rst", where="watch")
    scene.healed()
    scene.recovers()
    notices_pods(scene)
    scene.nothing_was_told()


@pytest.mark.parametrize("name, fields", **table(SILENCES))
def test_a_silent_watch_hides_no_pod(scene, name, fields):
    scene.start()
    time.sleep(5)  # a list that is newer is believed
    scene.hurt()
    with scene.one.fault(name, where="watch", **fields) as fault:
        if name == "no-answer":
            scene.one.cut("rst", where="watch")
        until(lambda: fault.hits() >= 2, "the fault hits")
        time.sleep(0.7)
        scene.nothing_was_told()
        scene.near.pod("hit-2", {"app": "hit"})
        scene.pods["hit"].delete(0)
        until(lambda: scene.talks["hit"].end, "its connection ends")
        scene.talk("hit")
        moved(scene)
        scene.healed()
    scene.one.cut("rst", where="watch")
    scene.recovers()
