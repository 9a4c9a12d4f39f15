"""The test cluster itself: that its node does what real ones do, and that its
users may do what their names say.  The program under test is not needed."""
import pytest

from rig.kube import ApiError
from rig.probe import FIN, Refused, Tunnel
from rig.waiting import until


@pytest.mark.parametrize("user", ["admin", "developer", "developer-ec", "developer-rsa", "create-only", "blind"])
def test_users_who_may_forward_with_spdy(namespace, user):
    with Tunnel(namespace.pod("app"), user) as tunnel:
        stream = tunnel.open(7015)
        assert tunnel.finish(stream) == (b"hello from app\n", "")


@pytest.mark.parametrize("user, status", [("no-forward", 403), ("stranger", 401)])
def test_users_who_may_not(namespace, user, status):
    with pytest.raises(Refused) as refused:
        Tunnel(namespace.pod("app"), user)
    assert refused.value.status == status


@pytest.mark.parametrize("runtime, text", [
    ("containerd", 'failed to execute portforward in network namespace "/var/run/netns/cni-'),
    ("cri-o", 'port forward into network namespace "/var/run/netns/cni-'),
    ("docker", "exit status 1: ")])
def test_a_dead_port_in_the_words_of_the_runtime(namespace, runtime, text):
    pod = namespace.pod("app", runtime=runtime)
    assert pod.get()["status"]["containerStatuses"][0]["containerID"].startswith(f"{runtime}://")
    with Tunnel(pod) as tunnel:
        stream = tunnel.open(9999)
        data, error = tunnel.finish(stream)
        assert data == b"" and text in error and "connection refused" in error.lower()
        assert error.startswith("error forwarding port 9999 to pod ")
        # Both runtimes end the data stream in good order before they tell the error.
        assert (tunnel.ended[stream], tunnel.ended[stream - 2]) == ("end", "reset")


@pytest.mark.parametrize("annotations, answer", [
    ({}, b""), ({"runtime": "cri-o"}, b""), ({"half_close": "pass"}, b"got 5 bytes\n"),
    ({"runtime": "docker"}, b"got 5 bytes\n")])
def test_half_close_reaches_the_application_only_where_asked_for(namespace, annotations, answer):
    with Tunnel(namespace.pod("app", **annotations)) as tunnel:
        stream = tunnel.open(7013)
        tunnel.send(stream, b"hello", FIN)
        assert tunnel.finish(stream)[0] == answer


@pytest.mark.parametrize("runtime, text", [
    ("containerd", "network namespace for sandbox"), ("cri-o", "is not running")])
def test_a_pod_serves_through_its_grace_period_and_its_tunnel_outlives_it(namespace, runtime, text):
    pod = namespace.pod("app", runtime=runtime)
    with Tunnel(pod) as tunnel:
        before = tunnel.open(7007)
        assert tunnel.read(tunnel_send(tunnel, before, b"one"), 3) == b"one"
        pod.delete(grace=600)
        assert pod.get()["metadata"]["deletionTimestamp"] and pod.is_ready()
        during = tunnel.open(7007)
        assert tunnel.read(tunnel_send(tunnel, during, b"two"), 3) == b"two"
        pod.annotate(exits_after="0s")
        tunnel.finish(before)
        tunnel.finish(during)
        until(lambda: not pod.exists(), "pod gone")
        assert text in tunnel.finish(tunnel.open(7007))[1]
        with pytest.raises(Refused) as refused:
            Tunnel(pod)
        assert refused.value.status == 404


def tunnel_send(tunnel, stream, data):
    tunnel.send(stream, data)
    return stream


def test_a_forced_deletion_ends_the_pod_at_once(namespace):
    pod = namespace.pod("app")
    with Tunnel(pod) as tunnel:
        stream = tunnel.open(7007)
        tunnel.read(tunnel_send(tunnel, stream, b"one"), 3)
        pod.delete(grace=0)
        assert tunnel.finish(stream)[0] == b"one"
    assert pod.seen()["ended"] and pod.seen(7007)["ended"] == {"stopped": 1}


def test_a_restarted_container_has_another_id_in_the_same_pod(namespace):
    pod = namespace.pod("app")
    before = pod.get()
    with Tunnel(pod) as tunnel:
        stream = tunnel.open(7007)
        tunnel.read(tunnel_send(tunnel, stream, b"one"), 3)
        pod.restart()
        assert tunnel.finish(stream)[0] == b"one"
        assert tunnel.finish(tunnel.open(7015))[0] == b"hello from app\n"
    after = pod.get()
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    old, new = (obj["status"]["containerStatuses"][0] for obj in (before, after))
    assert (old["restartCount"], new["restartCount"]) == (0, 1) and old["containerID"] != new["containerID"]


def test_readiness_and_phase_follow_the_annotations(namespace):
    pod = namespace.pod("app", ready="false")
    assert not pod.is_ready()
    pod.annotate(ready="true")
    until(pod.is_ready, "ready")
    pod.annotate(phase="Failed")
    until(lambda: pod.get()["status"]["phase"] == "Failed" and not pod.is_ready(), "failed")
    with pytest.raises(Refused) as refused:
        Tunnel(pod)
    assert refused.value.status == 500
    pod.annotate(phase=None)
    until(pod.is_ready, "ready again")
    Tunnel(pod).socket.close()


def test_the_poller_gets_but_does_not_list(namespace):
    pod, api = namespace.pod("app"), namespace.cluster.client("poller")
    assert api.get(pod.path)["metadata"]["name"] == "app"
    with pytest.raises(ApiError) as refused:
        api.get(f"{namespace.path}/pods")
    assert refused.value.status == 403


def test_counts_tell_an_end_from_an_abort(namespace):
    pod = namespace.pod("app")
    with Tunnel(pod) as tunnel:
        stream = tunnel.open(7014)
        tunnel.send(stream, b"100000 seed\n")
        data, error = tunnel.finish(stream)
        assert len(data) == 100000 and "connection reset by peer" in error
        stream = tunnel.open(7012)
        tunnel.send(stream, b"x" * 1000)
        until(lambda: pod.seen(7012)["open"] == 1, "accepted")
        assert pod.seen(7012)["in"] == 0
        pod.read_stubborn()
        until(lambda: pod.seen(7012)["in"] == 1000, "read at last")
    assert pod.seen()["tunnels"]["opened"] == 1
    until(lambda: pod.seen(7012)["ended"] == {"eof": 1}, "its end seen")
