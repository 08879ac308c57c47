"""Who is answered: names in every spelling, pages of other sites, methods without effects."""

import http.client
import json
import logging
import socket

import pytest
from served import PATIENCE_S, hear, served, settled, speak
from starlette.datastructures import Headers
from websockets.exceptions import ConnectionClosed

from soundstage.apps.server.auth import RefusalLog
from soundstage.apps.server.hosts import answering_names, is_answering, origin_of
from soundstage.apps.server.protocols.websocket import MOST_REASON_BYTES, close_reason

FRIEND = "https://friend.example"
TOKEN = "a long enough token"
NAMES = answering_names("box", (), ())


@pytest.fixture(scope="module")
def context():
    with served(origins=(FRIEND,)) as context:
        yield context


def answer(context, path="/stream_info", method="GET", **headers):
    """Returns status, headers and body of a request with exactly these headers."""
    port = context.settings.port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body.decode()


def raw_answer(context, request):
    """Returns the beginning of the answer to bytes."""
    with socket.create_connection(("127.0.0.1", context.settings.port), PATIENCE_S) as sock:
        sock.sendall(request)
        return sock.recv(4096).decode(errors="replace")


@pytest.mark.parametrize(
    "host", ["Box", "box.", "BOX.:80", "localhost.", "a.localhost", "[::1]", "[FE80::1%25lo]:1"]
)
def test_every_spelling_of_an_own_name_is_answered(host):
    assert is_answering(NAMES, host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        ".localhost",
        "localhost..",
        "localhost:80:80",
        "localhost:x",
        "evil.example@localhost",
        "localhost@evil.example",
        "localhost/evil.example",
        "localhost\\.evil.example",
        "evil.example#@localhost",
        "localhost, evil.example",
        "box evil.example",
        "0x7f000001",
        "2130706433",
        "127.1",
        "[evil.example]",
        "[::1",
        "::1",
        "xn--ocalhost-0jg",
    ],
)
def test_other_names_and_odd_spellings_are_refused(host):
    assert not is_answering(NAMES, host)


@pytest.mark.parametrize(
    "head",
    [
        "GET /stream_info HTTP/1.1",
        "GET /stream_info HTTP/1.0",
        "GET /stream_info HTTP/1.1\r\nHost: ",
        "GET /stream_info HTTP/1.1\r\nHost: localhost\r\nHost: evil.example",
        "GET http://localhost/stream_info HTTP/1.1\r\nHost: evil.example",
        "GET /stream_info HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost",
    ],
)
def test_missing_second_and_forwarded_hosts_are_refused(context, head):
    status = raw_answer(context, f"{head}\r\n\r\n".encode()).split()[1]
    assert status in ("400", "403")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost@evil.example"},
        {"Origin": "https://friend.example.evil.example"},
        {"Origin": "https://friend.example:444"},
        {"Referer": "http://evil.example/page"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": ""},
        {"Sec_Fetch_Site": "none", "Referer": "http://evil.example/"},
    ],
)
def test_page_of_another_site_is_refused_with_the_option(context, headers):
    status, _, body = answer(context, **headers)
    assert status == 403
    assert "--origin" in json.loads(body)["error"]


def test_chrome_extension_of_the_same_name_is_another_site(context):
    host = f"127.0.0.1:{context.settings.port}"
    assert answer(context, Origin=f"http://{host}")[0] == 200
    assert answer(context, Origin=f"chrome-extension://{host}")[0] == 403


def test_media_of_an_allowed_page_is_answered(context):
    assert origin_of(Headers({"referer": f"{FRIEND}/page?x=1"})) == FRIEND
    status, _, _ = answer(context, Sec_Fetch_Site="cross-site", Referer=f"{FRIEND}/page")
    assert status == 200


def test_allowed_page_may_read_answers_and_others_may_not(context):
    _, headers, _ = answer(context, Origin=FRIEND)
    assert headers["access-control-allow-origin"] == FRIEND
    asked = {
        "Access_Control_Request_Method": "POST",
        "Access_Control_Request_Headers": "content-type",
    }
    status, headers, _ = answer(context, "/style", "OPTIONS", Origin=FRIEND, **asked)
    assert (status, headers["access-control-allow-origin"]) == (200, FRIEND)
    assert "POST" in headers["access-control-allow-methods"]
    status, headers, _ = answer(context, "/style", "OPTIONS", Origin="http://evil.example", **asked)
    assert (status, headers["access-control-allow-origin"]) == (403, None)


def test_token_is_needed_after_a_preflight_and_its_lack_can_be_read():
    with served(origins=(FRIEND,), token=TOKEN) as guarded:
        asked = {"Access_Control_Request_Method": "POST"}
        assert answer(guarded, "/style", "OPTIONS", Origin=FRIEND, **asked)[0] == 200
        status, headers, _ = answer(guarded, "/style", "POST", Origin=FRIEND)
        assert (status, headers["access-control-allow-origin"]) == (401, FRIEND)


@pytest.mark.parametrize("path", ["/ws/stream", "/stream"])
def test_refused_page_is_told_and_logged_with_the_option_once(context, path, caplog):
    site = f"https://original{len(path)}.example"
    with caplog.at_level(logging.WARNING, "soundstage.serve"):
        for _ in range(3):
            with (
                speak(context, path, origin=site) as sock,
                pytest.raises(ConnectionClosed) as caught,
            ):
                sock.recv(timeout=PATIENCE_S)
            assert caught.value.rcvd.code == 4403
            assert f"--origin {site}" in caught.value.rcvd.reason
    lines = [line for line in caplog.messages if f"--origin {site}" in line]
    assert len(lines) == 1


def test_log_of_refusals_is_bounded(caplog):
    log = RefusalLog()
    with caplog.at_level(logging.WARNING, "soundstage.serve"):
        for number in range(1_000):
            log.add(f"page {number}")
    assert len(caplog.messages) == 100


@pytest.mark.parametrize("reason", ["é" * 200, "日本" * 60, "\ud800" * 130, "x" * 500, "short"])
def test_close_reason_fits_its_frame(reason):
    short = close_reason(reason).encode()
    assert len(short) <= MOST_REASON_BYTES
    assert len(short) >= min(len(reason), MOST_REASON_BYTES - 3)


def test_reason_outside_ascii_closes_with_its_code(context):
    with speak(context, "/stream") as sock:
        sock.send(json.dumps({"type": "日本" * 80}))
        with pytest.raises(ConnectionClosed) as caught:
            sock.recv(timeout=PATIENCE_S)
    assert caught.value.rcvd.code == 1007


@pytest.mark.parametrize("suffix", [".wav", ".ogg", ".mp3"])
def test_head_of_a_stream_takes_no_slot(context, suffix):
    joined = context.fleet.counts().joined
    status, headers, body = answer(context, f"/stream{suffix}", "HEAD")
    assert (status, body) == (200, "")
    assert headers["content-type"].startswith("audio/")
    assert context.fleet.counts().joined == joined


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PUT", "DELETE", "POST"])
def test_other_methods_of_a_stream_have_no_effect(context, method):
    joined = context.fleet.counts().joined
    assert answer(context, "/stream.wav", method)[0] in (400, 403, 405)
    assert context.fleet.counts().joined == joined
    assert settled(context, 0)


def test_websocket_without_origin_is_a_program_and_may_connect(context):
    with speak(context, "/ws/stream") as sock:
        assert hear(sock)["type"] == "ready"
