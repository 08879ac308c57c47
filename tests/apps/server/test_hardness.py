"""Lost networks, clients that do not read, and requests above every limit."""

import asyncio
import hashlib
import http.client
import json
import socket
import time
from contextlib import ExitStack, closing, suppress
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
# How late a busy machine may act, in seconds.
LATE_S = 20.0
CHUNKED = {"Transfer-Encoding": "chunked"}


@pytest.fixture(scope="module")
def context():
    with served(limits=Limits(lost_s=LOST_S)) as context:
        yield context


def until(condition):
    """Waits until a condition holds; returns whether it ever did."""
    end_s = time.monotonic() + LATE_S
    while time.monotonic() < end_s:
        if condition():
            return True
        time.sleep(0.02)
    return False


def digest_of(chunks):
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
    """Sends a plain HTTP request; the response is not read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.sendall(request)
    return sock


def established(port):
    """Returns the number of TCP connections of a server on a port of this machine."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


# ---- clients that vanish or read slowly


def test_lost_network_frees_every_slot_and_disturbs_no_other_stream(context):
    with speak(context, OWN) as witness, wire(context.settings.port) as cable, ExitStack() as lost:
        playing(witness, "realtime")
        say(witness, type="reset")
        hear(witness, "restarted")
        paths = (OWN, OWN, OWN, PATHS[0], "/stream")
        sockets = [speak(cable.context, path, legacy=True, ping_interval=None) for path in paths]
        for sock in sockets:
            lost.callback(sock.socket.close)
        started(sockets[0])
        playing(sockets[1], "realtime")
        playing(sockets[2], "fast")
        playing_as_lyria(sockets[3])
        say(sockets[4], type="StartSession", body={})
        assert settled(context, 6)
        cable.cut()
        cut_s = time.monotonic()
        frames = []
        while context.fleet.streams > 1 and time.monotonic() - cut_s < LATE_S:
            frames.append(samples(witness)[HEADER.size :])
        assert settled(context, 1)
        assert time.monotonic() - cut_s < LOST_S + LATE_S
        assert cable.hung_up()
        assert until(lambda: context.sockets == 1)
        first = frames.index(offline(1).tobytes())
        whole = b"".join(frames[first:])
        assert hashlib.sha256(whole).hexdigest() == digest_of(len(frames) - first)
    assert settled(context, 0)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system does not tell")
def test_plain_http_client_that_never_reads_is_disconnected(context):
    port = context.settings.port
    body = json.dumps({"duration_s": 60}).encode()
    head = f"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    with (
        unread(port, head.encode() + body),
        unread(port, b"GET /stream.wav HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ):
        assert until(lambda: context.fleet.streams)
        assert until(lambda: established(port) == 0)
        assert settled(context, 0)


def test_client_that_disconnects_stops_the_making_of_its_file(context):
    body = json.dumps({"duration_s": 600}).encode()
    head = f"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    before = context.fleet.counts().chunks
    with unread(context.settings.port, head.encode() + body):
        assert until(lambda: context.fleet.counts().chunks > before)
    assert settled(context, 0)
    assert context.fleet.counts().chunks - before < 600 / 0.2


def test_slow_reader_misses_nothing_and_delays_no_other_stream():
    with served() as context, speak(context, OWN) as quick:
        address = f"ws://127.0.0.1:{context.settings.port}{OWN}"
        with connect(address, max_size=None, max_queue=2) as slow:
            started(slow)
            say(slow, type="play")
            ticks = 0

            def rests():
                nonlocal ticks
                time.sleep(0.1)
                ticks, last = context.fleet.counts().ticks, ticks
                return 0 < ticks == last

            assert until(rests)  # its buffers are full
            playing(quick, "fast")
            say(quick, type="stop")
            hear(quick, "stopped")
            digest = hashlib.sha256()
            for _ in range(ticks + 10):
                digest.update(samples(slow)[HEADER.size :])
            assert digest.hexdigest() == digest_of(ticks + 10)
            say(slow, type="stop")
            hear(slow, "stopped")
        assert settled(context, 0)


@pytest.mark.slow
def test_slow_client_stays_connected_as_long_as_it_keeps_reading():
    with served(limits=Limits(lost_s=4.0)) as context:
        address = f"ws://127.0.0.1:{context.settings.port}{OWN}"
        with connect(address, max_size=None, max_queue=1, ping_interval=None) as slow:
            started(slow)
            say(slow, type="play")
            time.sleep(1)  # until its buffers are full
            digest = hashlib.sha256()
            for _ in range(20):
                digest.update(samples(slow)[HEADER.size :])
                time.sleep(0.3)
            assert context.fleet.streams == 1
            assert digest.hexdigest() == digest_of(20)
            say(slow, type="stop")
            hear(slow, "stopped")


def test_client_paused_by_server_is_not_timed_out(context, monkeypatch):
    async def slow(name):
        # Until the moment at which a pong is due.
        await asyncio.sleep(2.5 * LOST_S)

    with speak(context, OWN) as client:
        started(client)
        monkeypatch.setattr(context, "state_after_clip", slow)
        say(client, type="reset", **{"continue": "a clip"})
        say(client, type="steer", controls={})
        assert hear(client)["type"] == "restarted"
        assert hear(client)["type"] == "steered"
    assert settled(context, 0)


# ---- requests above the limits


def test_websockets_above_the_limit_are_closed_with_a_reason():
    with served(limits=Limits(sockets=2)) as context:
        with speak(context, OWN) as first, speak(context, PATHS[0]):
            hear(first)
            for path in (OWN, PATHS[0], "/stream"):
                with speak(context, path) as third, pytest.raises(ConnectionClosed) as caught:
                    third.recv(timeout=LATE_S)
                assert (caught.value.rcvd.code, "2 connections" in caught.value.rcvd.reason) == (
                    1013,
                    True,
                )
        assert until(lambda: context.sockets == 0)
        with speak(context, OWN) as again:
            assert hear(again)["type"] == "ready"


def test_stream_above_the_capacity_is_full_with_a_retry_time():
    with served(capacity=1) as context, speak(context, OWN) as first, speak(context, OWN) as second:
        playing(first, "realtime")
        hear(second)
        say(second, type="start", controls=CONTROLS)
        assert hear(second)["type"] == "started"
        say(second, type="play")
        full = hear(second)
        assert (full["type"], "no more are allowed" in full["reason"]) == ("full", True)
        assert full["retry_after_s"] > 0


def test_chunked_body_above_the_limit_is_refused():
    with served(limits=Limits(upload_bytes=100_000)) as context:
        for _ in range(5):
            address = ("127.0.0.1", context.settings.port)
            connection = http.client.HTTPConnection(*address, timeout=LATE_S)
            parts = (b"0" * 30_000 for _ in range(4))
            # The server may close the connection before the client has sent all.
            with suppress(ConnectionError), closing(connection):
                connection.request("POST", "/uploads", parts, encode_chunked=True, headers=CHUNKED)
                answer = connection.getresponse()
                assert (answer.status, "at most" in json.load(answer)["error"]) == (413, True)
                break
        else:
            pytest.fail("no answer came in five tries")
