"""Budgets of a connection and of the server: each is reached, refused in words, and free again."""

import asyncio
import http.client
import io
import json
import socket
import struct
import time
from contextlib import ExitStack

import numpy as np
import pytest
import soundfile
from served import CONTROLS, hear, say, served, settled, speak, started
from websockets.exceptions import ConnectionClosed
from wires import PATIENCE_S

from soundstage.apps.server import budget
from soundstage.apps.server.budget import Amount, LoopTime, timed
from soundstage.apps.server.listen_sockets import MOST_FRAGMENTS
from soundstage.apps.server.settings import Limits
from soundstage.apps.server.uploads import Upload, Uploads
from soundstage.errors import InputError
from soundstage.graph.format import Format
from soundstage.runners.engine.refusals import Full

OWN = "/ws/stream"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = (
    b"GET /ws/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture(scope="module")
def context():
    with served() as context:
        yield context


def tcp(context, data=b""):
    sock = socket.create_connection(("127.0.0.1", context.settings.port), PATIENCE_S)
    sock.sendall(data)
    return sock


def read_all(sock):
    """Returns everything until the server closes the connection."""
    data = b""
    try:
        while part := sock.recv(1 << 16):
            data += part
    except ConnectionResetError:
        pass
    return data


def post(context, path, body, **headers):
    port = context.settings.port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def until(condition):
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.02)


# ---- amounts and time


def test_amount_is_refused_in_words_and_is_free_again():
    amount = Amount(3e6, "MB in transfer", 1e6)
    amount.take(2e6)
    with pytest.raises(Full, match="busy with 2 MB in transfer, and 3 are the limit"):
        amount.take(1.1e6)
    with pytest.raises(ZeroDivisionError), amount.holding(1e6):
        raise ZeroDivisionError
    assert amount.held == 2e6


def test_time_of_a_connection_is_its_own_and_the_servers():
    server = LoopTime(0.5)
    heavy, light = LoopTime(0.1, server), LoopTime(0.1, server)
    heavy.add(0.9)
    assert heavy.problem == ""
    heavy.add(0.2)
    assert "s of the server's time in 10 s" in heavy.problem
    light.add(0.05)
    assert light.problem == ""


def test_full_server_closes_those_that_use_much_and_no_others():
    server = LoopTime(0.5)
    heavy = [LoopTime(0.1, server) for _ in range(8)]
    light = LoopTime(0.1, server)
    for one in heavy:
        one.add(0.8)
    light.add(0.01)
    assert all("all clients" in one.problem for one in heavy)
    assert light.problem == ""


def test_time_becomes_free_again(monkeypatch):
    now_s = 100.0
    monkeypatch.setattr(budget.time, "monotonic", lambda: now_s)
    one = LoopTime(0.1)
    one.add(1.5)
    assert one.problem
    now_s += 6
    assert one.problem == ""
    assert one.used_s == pytest.approx(0.9)


def test_time_of_a_coroutine_is_counted_without_its_waiting():
    async def work():
        await asyncio.sleep(0.05)
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        except TimeoutError:
            pass
        end_s = time.thread_time() + 0.1
        while time.thread_time() < end_s:
            pass
        return 7

    async def check():
        one = LoopTime(0.1)
        assert await timed(work(), one) == 7
        assert 0.05 < one.used_s < 0.2

    asyncio.run(check())


def flood(sock, text):
    for _ in range(500):
        sock.send(text)
        hear(sock)


def test_messages_that_take_much_time_end_their_connection_alone():
    with served(limits=Limits(loop_share=0.002)) as context, speak(context, OWN) as calm:
        hear(calm)
        with speak(context, OWN) as heavy:
            hear(heavy)
            text = '{"type": "steer", "controls": {"texts": [' + "{}," * 60_000 + "{}]}}"
            with pytest.raises(ConnectionClosed) as caught:
                flood(heavy, text)
            assert caught.value.rcvd.code == 4429
            assert "server's time" in caught.value.rcvd.reason
        say(calm, type="start", controls=CONTROLS)
        assert hear(calm)["type"] == "started"


# ---- connections and frames


def test_connection_beyond_the_limit_is_refused_in_words():
    with served(limits=Limits(connections=3)) as context, ExitStack() as opened:
        for _ in range(3):
            opened.enter_context(tcp(context))
        last = opened.enter_context(
            tcp(context, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        )
        head, _, body = read_all(last).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503")
        assert json.loads(body)["error"].startswith("3 connections are open")


@pytest.mark.parametrize("start", [b"", b"GET /healthz HTTP/1.1\r\nHost: lo"])
def test_connection_without_a_whole_request_is_closed(start):
    with served(limits=Limits(head_s=0.3)) as context:
        with tcp(context, start) as sock:
            assert read_all(sock) == b""
        # Also the second request of a connection.
        if start:
            with tcp(context, HEALTH + start) as sock:
                assert b"200 OK" in read_all(sock)


def test_endless_empty_fragments_end_their_connection(context):
    with tcp(context, UPGRADE) as sock:
        sock.recv(1 << 16)
        sock.sendall(b"\x01\x80abcd" + b"\x00\x80abcd" * (2 * MOST_FRAGMENTS))
        answer = read_all(sock)
    assert struct.pack("!H", 1009) in answer
    assert b"fragments" in answer


def test_pings_whose_answers_are_not_read_take_no_memory(context):
    with tcp(context, UPGRADE) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(2)
        ping, sent = b"\x89\xfdabcd" + bytes(125), 0
        try:
            while sent < 12_000_000:
                sent += sock.send(ping * 100)
        except (TimeoutError, ConnectionError):
            pass
        server = next(iter(pings(context)), None)
        assert server is None or server.transport.get_write_buffer_size() < 1_000_000


def pings(context):
    """Returns the server's WebSocket connections."""
    import gc

    from soundstage.apps.server.listen_sockets import Pulse

    port = context.settings.port
    found = (thing for thing in gc.get_objects() if type(thing) is Pulse)
    return [one for one in found if one.server and one.server[1] == port and not one.disconnected]


# ---- bodies and uploads


def test_only_uploads_may_be_large(context):
    body = b"[" + b"[]," * 100_000 + b"[]]"
    for path in ("/generate", "/style"):
        status, answer = post(context, path, body)
        assert (status, json.loads(answer)) == (413, {"error": "a body has at most 262 kB"})


def test_body_that_does_not_go_on_is_refused():
    with served(limits=Limits(lost_s=0.5)) as context:
        head = b"POST /uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"
        with tcp(context, head + bytes(100)) as sock:
            answer = read_all(sock)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"nothing of the body came for 0.5 s" in answer
        assert context.transfer.held == 0


@pytest.mark.parametrize("path", ["/uploads", "/generate", "/style"])
def test_client_that_leaves_within_its_body_is_no_error_of_the_server(context, caplog, path):
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"
    with tcp(context, head.encode() + bytes(100)):
        until(lambda: context.transfer.held == 100)
    until(lambda: context.transfer.held == 0)
    assert "Exception" not in caplog.text


def test_bodies_of_all_requests_together_are_limited():
    with served(limits=Limits(transfer_bytes=300_000)) as context:
        head = b"POST /uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200001\r\n\r\n"
        with tcp(context, head + bytes(200_000)):
            until(lambda: context.transfer.held == 200_000)
            status, answer = post(context, "/uploads", bytes(150_000))
            assert status == 503
            assert "MB in transfer" in json.loads(answer)["error"]
        until(lambda: context.transfer.held == 0)


def flac(channels, rate_hz, seconds):
    file = io.BytesIO()
    samples = np.full((round(rate_hz * seconds), channels), 0.1, np.float32)
    soundfile.write(file, samples, rate_hz, format="FLAC")
    return file.getvalue()


def test_small_file_of_many_samples_is_refused(monkeypatch):
    monkeypatch.setattr("soundstage.apps.server.uploads.MOST_VALUES", 1_000_000)
    uploads = Uploads(Format(), 4)
    data = flac(8, 192_000, 1.0)
    assert len(data) < 100_000
    with pytest.raises(InputError, match="the upload: holds 1536000 samples in all channels"):
        asyncio.run(uploads.add(data))
    asyncio.run(uploads.add(flac(1, 16_000, 1.0)))


def test_uploads_are_kept_up_to_a_number_of_bytes():
    uploads = Uploads(Format(), 64, max_bytes=1_500_000)
    names = [asyncio.run(uploads.add(flac(1, 16_000, 1.0)))[0] for _ in range(4)]
    assert [uploads.get(name) is not None for name in names] == [False, False, True, True]
    whole = Uploads(Format(), 64, max_bytes=10)
    name, _ = asyncio.run(whole.add(flac(1, 16_000, 1.0)))
    assert isinstance(whole.get(name), Upload)


def test_files_are_made_up_to_a_number_and_take_no_memory():
    with served(limits=Limits(files=1)) as context:
        body = json.dumps({"duration_s": 600}).encode()
        head = f"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        with tcp(context, head.encode() + body):
            until(lambda: context.files.held == 1)
            status, answer = post(context, "/generate", b'{"duration_s": 1}')
            assert (status, "1 files that are made" in answer.decode()) == (503, True)
        until(lambda: context.files.held == 0)
        assert settled(context, 0)
        status, _ = post(context, "/generate", b'{"duration_s": 1}')
        assert status == 200
        until(lambda: context.files.held == 0)


def test_saved_session_that_is_not_read_counts_until_the_client_leaves(context):
    with speak(context, OWN) as sock:
        started(sock)
        say(sock, type="save")
        data = hear(sock, "session")["data"]
        until(lambda: context.transfer.held == len(data))
        say(sock, type="steer", controls={})
        hear(sock, "steered")
        until(lambda: context.transfer.held == 0)
        say(sock, type="save")
        hear(sock, "session")
    until(lambda: context.transfer.held == 0)


def test_save_beyond_the_bytes_in_transfer_is_refused():
    with served(limits=Limits(transfer_bytes=100)) as context, speak(context, OWN) as sock:
        started(sock)
        say(sock, type="save")
        refused = hear(sock)
        assert (refused["type"], refused["of"]) == ("refused", "save")
        assert "in transfer" in refused["reason"]


def test_long_name_of_a_control_is_refused_in_short(context):
    with speak(context, OWN) as sock:
        hear(sock)
        say(sock, type="start", controls={"x" * 100_000: 1})
        assert len(json.dumps(hear(sock))) < 500
