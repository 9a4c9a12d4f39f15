"""Faults of tunnels: those that are open, and those that are to be.  What they hit
ends by a reset, and nothing else notices.
"""
import time

import pytest

from rig import apps
from rig.waiting import until

from .scene import Talk, persists, served_at_last, table

RECONNECTING, FAILED = "Reconnecting", "Failed"
TRANSPORTS = ("websocket", "spdy", "v4")
WEBSOCKETS, SPDY = ("websocket", "v4"), ("websocket", "spdy")

REFUSALS = {
    "401": ("status", {"code": 401}, RECONNECTING, "server refuses the user's credentials: the stand-in answers 401"),
    "403": ("status", {"code": 403}, RECONNECTING, "the stand-in answers 403"),
    "404": ("status", {"code": 404}, RECONNECTING, "the stand-in answers 404"),
    "404-proxy": ("status", {"code": 404, "body": False}, RECONNECTING, "server answered with HTTP status 404"),
    "429": ("status", {"code": 429, "retry_after": 2}, RECONNECTING, "the stand-in answers 429: retry in 2s"),
    "500": ("status", {"code": 500}, RECONNECTING, "the stand-in answers 500"),
    "503": ("status", {"code": 503, "body": False}, RECONNECTING, "server answered with HTTP status 503"),
    "garbage": ("garbage-head", {}, RECONNECTING, "the server's answer is not HTTP"),
    "rst": ("cut", {"only": "new"}, RECONNECTING, "Connection reset by peer"),
    "fin": ("cut", {"only": "new", "how": "fin"}, RECONNECTING, "cut without notice"),
    "garbage-record": ("garbage-record", {"only": "new"}, RECONNECTING, "garbled"),
    "refuse": ("refuse", {}, RECONNECTING, "connection refused"),
    "garbage-handshake": ("garbage-handshake", {"where": "new"}, FAILED, "server does not speak TLS here"),
    "expired": ("expired", {"where": "new"}, FAILED, "expired"),
    "fin-handshake": ("cut", {"how": "fin", "where": "new"}, RECONNECTING, "closed the connection during the TLS handshake"),
    "rst-handshake": ("cut", {"where": "new"}, RECONNECTING, "Connection reset by peer"),
}


@pytest.mark.parametrize("name, fields, state, words", **table(REFUSALS))
def test_no_new_tunnel_can_be_had(scene, name, fields, state, words):
    scene.start()
    scene.hurt()
    where = {} if "where" in fields or name == "refuse" else {"where": "tunnel", "pod": "hit"}
    with scene.one.fault(name, **where, **fields) as fault:
        more = [Talk(scene.ports["hit"]) for _ in range(3)]
        for talk in more:
            talk.goes_on()  # on the tunnels that are there
            talk.stop()
        scene.nothing_was_told()
        began = fault.hits()
        assert scene.one.cut(where="tunnel", pod="hit") == 2
        scene.wait("hit", state, words)
        scene.broken()
        held = persists(scene, state)
        scene.healed()
        if "retry_after" in fields:
            assert fault.hits() == began + 1
    served_at_last(held)
    scene.recovers()


def test_what_is_held_stays_so_from_try_to_try(scene):
    scene.start()
    scene.hurt()
    with scene.one.fault("status", where="tunnel", pod="hit") as fault:
        scene.one.cut(where="tunnel", pod="hit")
        scene.wait("hit", RECONNECTING, "the stand-in answers 500")
        before = fault.hits()
        held = persists(scene, RECONNECTING, 4)
        assert fault.hits() > before
        scene.healed()
    served_at_last(held)
    scene.recovers()


BREAKS = {
    "rst": ("cut", {}, RECONNECTING, "Connection reset by peer"),
    "fin": ("cut", {"how": "fin"}, RECONNECTING, "cut without notice"),
    "garbage-record": ("garbage-record", {}, RECONNECTING, "garbled"),
    "ws-garbage": ("ws-garbage", {}, RECONNECTING, "WebSocket: reserved bits are set"),
    "ws-masked": ("ws-masked", {}, RECONNECTING, "WebSocket: the server's frame is masked"),
    "ws-partial": ("ws-partial", {}, RECONNECTING, "cut without notice"),
    "ws-close": ("ws-close", {"reason": "enough\x1b[2J"}, RECONNECTING, "closed by the server (1011: enough?[2J)"),
    "spdy-garbage": ("spdy-garbage", {}, RECONNECTING, "the server does not speak SPDY/3.1"),
    "spdy-endless": ("spdy-endless", {}, RECONNECTING, "the server does not speak SPDY/3.1"),
    "spdy-goaway-close": ("spdy-goaway", {"then": "close"}, RECONNECTING, "closed by the server"),
}


def carries(transport, name):
    return transport in (WEBSOCKETS if name.startswith("ws-") else SPDY if name.startswith("spdy-") else TRANSPORTS)


def by_transport(rows):
    return {f"{transport}-{key}": (transport, *row) for key, row in rows.items() for transport in TRANSPORTS
            if carries(transport, row[0])}


@pytest.mark.parametrize("lasting, transport, name, fields, state, words", **table(
    {key: (False, *row) for key, row in by_transport(BREAKS).items()},
    {f"lasting-{key}": (True, "websocket", *row) for key, row in BREAKS.items()}))
def test_tunnels_break(new_scene, lasting, transport, name, fields, state, words):
    scene = new_scene(transport=transport)
    scene.start()
    scene.hurt()
    with scene.one.fault(name, where="tunnel", pod="hit", **fields, **({} if lasting else {"only": "old"})):
        scene.broken()
        assert scene.porter.logged("connection reset forward=one/hit")
        if transport == "v4":  # its tunnels are those of its connections
            scene.nothing_was_told()
        elif lasting or name != "spdy-goaway" or scene.told("hit", ""):  # another may be there in time: it was announced
            scene.porter.until(lambda: scene.told("hit", f"{state}: ") and scene.told("hit", words), f"{state}: {words}")
        time.sleep(1 if lasting else 0)
        scene.healed()
    scene.recovers()


SILENT = "no answer through the tunnel"


@pytest.mark.parametrize("transport, direction", [("websocket", "both"), ("websocket", "in"), ("spdy", "out")])
def test_all_tunnels_fall_silent(new_scene, transport, direction):
    scene = new_scene(transport=transport)
    scene.start()
    scene.hurt()
    with scene.one.fault("black-hole", where="tunnel", pod="hit", direction=direction):
        scene.porter.until(lambda: scene.told("hit", f"{RECONNECTING}: {SILENT}"), SILENT)
        held = persists(scene, RECONNECTING) if direction != "in" else None  # a new one opens
        scene.healed()
    scene.broken()
    served_at_last(held)
    scene.recovers()


def test_a_stall_that_passes_ends_nothing(scene):
    scene.start()
    scene.hurt()
    with scene.one.fault("stall", where="tunnel", pod="hit"):
        scene.wait("hit", RECONNECTING, SILENT)
        held = persists(scene, RECONNECTING)
        scene.healed()
    served_at_last(held)
    scene.talks["hit"].goes_on()
    scene.wait("hit", "Active")
    scene.nobody_else_noticed()


@pytest.mark.parametrize("transport, name, fields", **table({
    "spdy-hole": ("spdy", "black-hole", {}), "v4-hole": ("v4", "black-hole", {}),
    "half-frame": ("websocket", "ws-partial", {"then": "silence"})}))
def test_open_tunnels_fall_silent_and_die(new_scene, transport, name, fields):
    scene = new_scene(transport=transport)
    scene.start()
    scene.hurt()
    with scene.one.fault(name, where="tunnel", pod="hit", only="old", **fields):
        scene.broken()
        assert scene.porter.logged('connection reset forward=one/hit')[-1].endswith('reason="no answer for 15 s"')
        if transport == "v4":
            scene.nothing_was_told()
        else:
            assert scene.told("hit", f"{RECONNECTING}: {SILENT}") and scene.state("hit") == "Active"
        scene.healed()
    scene.recovers()


UNNOTICED = {
    "latency": ("latency", {"ms": 200, "where": None}),
    "bandwidth": ("bandwidth", {"bytes_per_s": 100000, "where": None}),
    "bytewise": ("bytewise", {"where": None}),
    "ws-no-pong": ("ws-no-pong", {}),
    "spdy-slow-pong": ("spdy-slow-pong", {"ms": 2500}),
    "spdy-goaway": ("spdy-goaway", {"only": "old"}),
}


@pytest.mark.parametrize("transport, name, fields", **table(
    by_transport(UNNOTICED), {"lasting-goaway": ("websocket", "spdy-goaway", {})}))
def test_what_is_slow_or_on_its_way_out_serves(new_scene, transport, name, fields):
    scene = new_scene(transport=transport)
    scene.start()
    scene.hurt()
    with scene.one.fault(name, **{"where": "tunnel", "pod": "hit", **fields} if "where" not in fields else fields):
        for _ in range(2):
            talk = scene.porter.wait(Talk, scene.ports["hit"])
            talk.goes_on()
            time.sleep(0.5)
            talk.goes_on()
            talk.stop()
        scene.talks["hit"].goes_on()
        if name == "spdy-goaway":
            assert scene.counts()["tunnel"] > scene.counted["tunnel"]
        scene.healed()
    scene.nothing_was_told()
    scene.recovers()
    scene.nothing_was_told()


def test_lost_pongs_end_no_connection(scene):
    scene.start()
    scene.hurt()
    with scene.one.fault("spdy-no-pong", where="tunnel", pod="hit", only="old"):
        scene.porter.until(lambda: scene.told("hit", f"{RECONNECTING}: {SILENT}"), SILENT)
        scene.wait("hit", "Active")
        Talk(scene.ports["hit"]).stop()
        scene.talks["hit"].goes_on()
        scene.healed()
    scene.recovers()


@pytest.mark.parametrize("transport", SPDY)
def test_a_stream_that_is_reset_is_that_connection_s_affair(new_scene, transport):
    scene = new_scene(transport=transport)
    scene.start()
    scene.hurt()
    with scene.one.fault("spdy-reset", where="tunnel", pod="hit"):
        scene.broken()
        assert apps.refused(scene.ports["hit"]) == b""
        scene.healed()
    scene.nothing_was_told()
    scene.recovers()


def test_new_streams_without_an_answer_are_given_up(scene):
    scene.start()
    scene.hurt()
    with scene.one.fault("spdy-no-reply", where="tunnel", pod="hit"):
        new = Talk(scene.ports["hit"])
        until(lambda: new.end, "the new connection ends")
        assert (new.end, new.pieces) == ("reset", 0)
        assert scene.porter.logged("connection reset forward=one/hit")[-1].endswith(
            'reason="no answer to a new connection for 15 s"')
        new.stop()
        scene.talks["hit"].goes_on()
        scene.healed()
    scene.recovers()


@pytest.mark.parametrize("transport, name, fields", **table(
    {f"{transport}-{how}": (transport, "cut", {"how": how, "after": 300000}) for how in ("fin", "rst")
     for transport in TRANSPORTS} |
    {f"{transport}-garbage": (transport, "garbage-record", {"after": 300000}) for transport in TRANSPORTS}))
def test_a_download_that_is_cut_does_not_look_complete(new_scene, transport, name, fields):
    scene = new_scene(transport=transport)
    scene.start()
    scene.hurt()
    with apps.chosen(scene.ports["hit"], "source") as s:
        whole = apps.stream(1000000, "seed")
        until(lambda: scene.one.open("tunnel") >= 3, "its tunnel is open")
        with scene.one.fault(name, where="tunnel", pod="hit", only="old", **fields):
            s.sendall(b"1000000 seed\n")
            got = apps.read_to_reset(s)
    least = 0 if fields.get("how") == "rst" else 250000  # a reset overtakes what is on its way
    assert whole.startswith(got) and least < len(got) < len(whole)
    scene.recovers()
