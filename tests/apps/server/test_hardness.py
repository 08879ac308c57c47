"""Networks that vanish, readers that stop, and more of everything than a server takes."""

import asyncio
import hashlib
import http.client
import json
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from served import CONTROLS, hear, offline, samples, say, served, settled, speak, started
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from wires import wire

from soundstage.apps.server.protocols.frames import HEADER
from soundstage.apps.server.protocols.lyria import PATHS
from soundstage.apps.server.settings import Limits

OWN = "/ws/stream"
LOST_S = 2.0
# A busy machine may be late with what it does after so many seconds.
LATE_S = 20.0
CHUNKED = {"Transfer-Encoding": "chunked"}


@pytest.fixture(scope="module")
def desk():
    with served(limits=Limits(lost_s=LOST_S)) as desk:
        yield desk


def until(condition):
    """Waits for something; False = it never was."""
    end_s = time.monotonic() + LATE_S
    while time.monotonic() < end_s:
        if condition():
            return True
        time.sleep(0.02)
    return False


def wanted(chunks):
    return hashlib.sha256(offline(chunks).tobytes()).hexdigest()


def playing(socket, pace):
    started(socket, pace=pace)
    say(socket, type="play")
    samples(socket)


def playing_as_lyria(socket):
    say(socket, setup={"model": "models/lyria-realtime-exp"})
    say(socket, clientContent={"weightedPrompts": [{"text": "drums", "weight": 1}]})
    say(socket, playbackControl="PLAY")
    hear(socket)


def unread(port, request):
    """A plain HTTP request whose answer nobody reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.sendall(request)
    return sock


def established(port):
    """TCP connections that the system keeps for a server on a port of this machine."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


# ---- who vanishes, who dawdles


def test_a_network_that_vanishes_frees_every_place_in_time_and_nobody_else_hears_it(desk):
    with speak(desk, OWN) as witness, wire(desk.settings.port) as cable, ExitStack() as lost:
        playing(witness, "realtime")
        say(witness, type="reset")
        hear(witness, "restarted")
        paths = (OWN, OWN, OWN, PATHS[0], "/stream")
        sockets = [speak(cable.desk, path, legacy=True, ping_interval=None) for path in paths]
        for sock in sockets:
            lost.callback(sock.socket.close)
        started(sockets[0])
        playing(sockets[1], "realtime")
        playing(sockets[2], "fast")
        playing_as_lyria(sockets[3])
        say(sockets[4], type="StartSession", body={})
        assert settled(desk, 6)
        cable.cut()
        cut_s = time.monotonic()
        heard = []
        while desk.engine.figures().streams > 1 and time.monotonic() - cut_s < LATE_S:
            heard.append(samples(witness)[HEADER.size :])
        assert settled(desk, 1)
        assert time.monotonic() - cut_s < LOST_S + LATE_S
        assert cable.hung_up()
        assert until(lambda: desk.sockets == 1)
        first = heard.index(offline(1).tobytes())
        whole = b"".join(heard[first:])
        assert hashlib.sha256(whole).hexdigest() == wanted(len(heard) - first)
    assert settled(desk, 0)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system does not tell")
def test_who_asks_by_plain_http_and_never_reads_is_let_go(desk):
    port = desk.settings.port
    order = json.dumps({"duration_s": 60}).encode()
    head = f"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(order)}\r\n\r\n"
    with (
        unread(port, head.encode() + order),
        unread(port, b"GET /stream.wav HTTP/1.1\r\nHost: x\r\n\r\n"),
    ):
        assert until(lambda: desk.engine.figures().streams)
        assert until(lambda: established(port) == 0)
        assert settled(desk, 0)


def test_who_hangs_up_while_a_file_is_made_frees_the_place_and_no_more_is_made(desk):
    order = json.dumps({"duration_s": 600}).encode()
    head = f"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(order)}\r\n\r\n"
    before = desk.engine.figures().chunks
    with unread(desk.settings.port, head.encode() + order):
        assert until(lambda: desk.engine.figures().chunks > before)
    assert settled(desk, 0)
    assert desk.engine.figures().chunks - before < 600 / 0.2


def test_a_reader_that_dawdles_misses_nothing_and_holds_up_nobody():
    with served() as desk, speak(desk, OWN) as quick:
        address = f"ws://127.0.0.1:{desk.settings.port}{OWN}"
        with connect(address, max_size=None, max_queue=2) as slow:
            started(slow)
            say(slow, type="play")
            made = 0

            def rests():
                nonlocal made
                time.sleep(0.1)
                made, last = desk.engine.figures().ticks, made
                return 0 < made == last

            assert until(rests)  # its pipe is full
            playing(quick, "fast")
            say(quick, type="stop")
            hear(quick, "stopped")
            digest = hashlib.sha256()
            for _ in range(made + 10):
                digest.update(samples(slow)[HEADER.size :])
            assert digest.hexdigest() == wanted(made + 10)
            say(slow, type="stop")
            hear(slow, "stopped")
        assert settled(desk, 0)


@pytest.mark.slow
def test_a_reader_who_takes_something_now_and_then_is_kept_though_its_pongs_are_late():
    with served(limits=Limits(lost_s=4.0)) as desk:
        address = f"ws://127.0.0.1:{desk.settings.port}{OWN}"
        with connect(address, max_size=None, max_queue=1, ping_interval=None) as slow:
            started(slow)
            say(slow, type="play")
            time.sleep(1)  # until its pipe is full
            digest = hashlib.sha256()
            for _ in range(20):
                digest.update(samples(slow)[HEADER.size :])
                time.sleep(0.3)
            assert desk.engine.figures().streams == 1
            assert digest.hexdigest() == wanted(20)
            say(slow, type="stop")
            hear(slow, "stopped")


def test_who_has_to_wait_long_for_an_answer_is_kept_though_nothing_is_read_meanwhile(
    desk, monkeypatch
):
    async def slow(name):
        # Until the very moment at which a pong is due.
        await asyncio.sleep(2.5 * LOST_S)

    with speak(desk, OWN) as client:
        started(client)
        monkeypatch.setattr(desk, "continued", slow)
        say(client, type="reset", **{"continue": "a clip"})
        say(client, type="steer", controls={})
        assert hear(client)["type"] == "restarted"
        assert hear(client)["type"] == "steered"
    assert settled(desk, 0)


# ---- more than a server takes


def test_more_sockets_than_are_taken_are_told_so():
    with served(limits=Limits(sockets=2)) as desk:
        with speak(desk, OWN) as first, speak(desk, PATHS[0]):
            hear(first)
            for path in (OWN, PATHS[0], "/stream"):
                with speak(desk, path) as third, pytest.raises(ConnectionClosed) as caught:
                    third.recv(timeout=LATE_S)
                assert (caught.value.rcvd.code, "2 connections" in caught.value.rcvd.reason) == (
                    1013,
                    True,
                )
        assert until(lambda: desk.sockets == 0)
        with speak(desk, OWN) as again:
            assert hear(again)["type"] == "ready"


def test_realtime_listeners_beyond_the_capacity_are_told_when_to_ask_again():
    with served(capacity=1) as desk, speak(desk, OWN) as first, speak(desk, OWN) as second:
        playing(first, "realtime")
        hear(second)
        say(second, type="start", controls=CONTROLS)
        full = hear(second)
        assert (full["type"], "no more were allowed" in full["reason"]) == ("full", True)
        assert full["retry_after_s"] > 0


def test_a_body_that_grows_beyond_the_limit_unannounced_is_refused():
    with served(limits=Limits(upload_bytes=100_000)) as desk:
        connection = http.client.HTTPConnection("127.0.0.1", desk.settings.port, timeout=LATE_S)
        parts = (b"0" * 30_000 for _ in range(4))
        connection.request("POST", "/uploads", parts, encode_chunked=True, headers=CHUNKED)
        answer = connection.getresponse()
        assert (answer.status, "at most" in json.load(answer)["error"]) == (413, True)
        connection.close()
