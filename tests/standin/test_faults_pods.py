"""What becomes of pods and services: a forward follows, and those beside it notice
nothing.  What is chosen is tests/cluster/test_pods.py's.
"""
import pytest

from rig.waiting import until

from .scene import PORTS, persists, served_at_last

GRACE_S = 600  # the test ends the pod itself


def moved(scene, name):
    scene.porter.until(lambda: scene.porter.logged(f"forward goes to another pod forward=one/hit pod={name}"),
                       f"it goes to {name}")


def gone(pod):
    until(lambda: not pod.exists(), f"{pod.name} is gone")


def test_a_pod_that_ends_in_peace_hands_over(scene):
    scene.start()
    scene.hurt()
    scene.near.pod("hit-2", {"app": "hit"})
    scene.pods["hit"].delete(GRACE_S)
    moved(scene, "hit-2")
    scene.talks["hit"].goes_on()
    scene.healed()
    scene.recovers()
    scene.pods["hit"].delete(0)
    gone(scene.pods["hit"])
    scene.talks["hit"].goes_on()  # which is the second one, to the other pod
    scene.nothing_was_told()


def test_the_only_pod_ends_in_peace(scene):
    scene.start()
    scene.hurt()
    scene.pods["hit"].delete(GRACE_S)
    scene.talks["hit"].goes_on()
    scene.talk("hit")  # it serves yet
    scene.nothing_was_told()
    scene.pods["hit"].annotate(exits_after="0s")
    scene.wait("hit", "Reconnecting", "no ready pod: service 'hit' has no pods")
    held = persists(scene, "Reconnecting")
    scene.near.pod("hit-2", {"app": "hit"})
    served_at_last(held)
    scene.healed()
    scene.recovers()


def test_a_pod_that_is_killed_has_a_successor(scene):
    scene.start()
    scene.near.pod("hit-2", {"app": "hit"})
    scene.hurt()
    scene.pods["hit"].delete(0)
    until(lambda: scene.talks["hit"].end, "its connection ends")
    moved(scene, "hit-2")
    scene.healed()
    scene.recovers()
    scene.nothing_was_told()


@pytest.mark.parametrize("kind", ["service", "pod"])
def test_a_pod_comes_back_by_the_same_name(new_scene, kind):
    scene = new_scene(kind=kind)
    scene.start()
    scene.hurt()
    uid = scene.pods["hit"].get()["metadata"]["uid"]
    scene.pods["hit"].delete(0)
    gone(scene.pods["hit"])
    scene.wait("hit", "Reconnecting")
    held = persists(scene, "Reconnecting")
    assert scene.near.pod("hit").get()["metadata"]["uid"] != uid
    served_at_last(held)
    scene.healed()
    scene.recovers()


def test_a_selector_that_is_changed_moves_new_connections(scene):
    scene.start()
    scene.hurt()
    scene.near.pod("hit-2", {"app": "other"})
    scene.near.api.patch(f"{scene.near.path}/services/hit", {"spec": {"selector": {"app": "other"}}})
    moved(scene, "hit-2")
    scene.talks["hit"].goes_on()
    scene.healed()
    scene.recovers()
    scene.nothing_was_told()


def test_a_service_that_is_deleted_takes_no_new_connections_until_it_is_back(scene):
    scene.start()
    scene.hurt()
    scene.near.api.delete(f"{scene.near.path}/services/hit")
    scene.wait("hit", "Failed", "service not found")
    persists(scene, "Failed")
    scene.talks["hit"].goes_on()
    scene.near.service("hit", ports=PORTS)
    scene.healed()
    scene.recovers()
