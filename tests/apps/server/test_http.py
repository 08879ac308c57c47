"""Plain HTTP: files, streams, uploads, tokens and origins, health and metrics."""

import io
import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile
from served import PATIENCE_S, free_port, hear, samples, say, served, settled, speak

from soundstage.apps.server.hosts import answering_names, is_answering
from soundstage.apps.server.settings import Limits, ServeSettings
from soundstage.errors import UsageError

TOKEN = "a-long-token"
PIANO = Path(__file__).parents[3] / "docs" / "audio" / "piano.ogg"


@pytest.fixture(scope="module")
def context():
    with served(limits=Limits(upload_bytes=200_000)) as context:
        yield context


@pytest.fixture(scope="module")
def guarded():
    with served(token=TOKEN, origins=("https://friend.example",)) as context:
        yield context


def ask(context, path, body=None, headers=None, method=None):
    address = f"http://127.0.0.1:{context.settings.port}{path}"
    request = urllib.request.Request(address, body, headers or {}, method=method)
    return urllib.request.urlopen(request, timeout=PATIENCE_S)


def refused(context, path, body=None, headers=None):
    """Returns the status and the reason of a request that is refused."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(context, path, body, headers)
    return caught.value.code, json.load(caught.value)["error"]


# ---- music


@pytest.mark.parametrize("format", ["wav", "flac", "ogg", "mp3"])
def test_generate_makes_a_file_of_the_requested_length(context, format):
    fields = {"prompts": ["bells", ["drums", 0.5]], "duration_s": 0.5, "format": format, "seed": 3}
    with ask(context, "/generate", json.dumps(fields).encode()) as answer:
        audio, rate_hz = soundfile.read(io.BytesIO(answer.read()))
    assert rate_hz == 48_000
    # Ogg and MP3 round the length up to whole blocks.
    assert 0 <= len(audio) - 24_000 <= (0 if format in ("wav", "flac") else 3_000)
    assert np.abs(audio).max() > 0.01
    assert settled(context, 0)


def test_equal_requests_make_equal_files_in_the_accepted_format(context):
    body = json.dumps({"prompts": ["bells"], "duration_s": 0.4, "seed": 1}).encode()
    files = []
    for _ in range(2):
        with ask(context, "/generate", body, {"Accept": "audio/flac"}) as answer:
            assert answer.headers["content-type"] == "audio/flac"
            files.append(answer.read())
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON"),
        (b'{"duration_s": -1}', "duration_s"),
        (b'{"duration_s": 1e9}', "duration_s"),
        (b'{"duration_s": 1%s}' % (400 * b"0"), "duration_s"),
        (b'{"duration_s": 1e999}', "duration_s: 1e999 is beyond"),
        (b'{"duration_s": %s}' % (5000 * b"9"), "duration_s: a number of 5000 letters"),
        (b'{"duration_s": "\xff"}', "not text in UTF-8"),
        (b'{"duration_s": "long"}', "duration_s"),
        (b'{"format": "aiff"}', "format: expected one of"),
        (b'{"tempo": 3}', "no control 'tempo'"),
        (b'{"prompts": [["/etc/passwd"]]}', "prompts"),
        (b'{"texts": ["a"], "text_weights": [NaN]}', "NaN"),
        (b'{"prompts": ["\xc2\xa0"]}', "blanks only"),
        (b'{"prompts": ' + 70 * b"[" + 70 * b"]" + b"}", "more than 64 levels"),
    ],
)
def test_unusable_generate_request_is_refused_with_a_reason(context, body, words):
    status, reason = refused(context, "/generate", body)
    assert status == 400
    assert words in reason
    assert settled(context, 0)


@pytest.mark.parametrize("suffix", ["wav", "ogg", "mp3"])
def test_endless_stream_is_a_file_that_players_open(context, suffix):
    with ask(context, f"/stream.{suffix}?prompt=bells&prompt=drums:0.5&seed=4") as answer:
        data = b""
        while len(data) < 60_000:
            data += answer.read(4_000)
    audio = soundfile.SoundFile(io.BytesIO(data)).read(20_000)
    assert np.abs(audio).max() > 0.01
    assert settled(context, 0)


def test_unusable_query_is_refused(context):
    assert "tempo" in refused(context, "/stream.wav?tempo=3")[1]
    assert "expected a whole number, got 'x'" in refused(context, "/stream.wav?seed=x")[1]


def test_upload_is_an_audio_prompt(context):
    data = PIANO.read_bytes()
    with ask(context, "/uploads", data) as answer:
        assert answer.status == 201
        upload = json.load(answer)
    assert upload["seconds"] == pytest.approx(soundfile.info(PIANO).duration, abs=0.01)
    with speak(context, "/ws/stream") as socket:
        hear(socket)
        controls = {"texts": [], "text_weights": [], "clips": [upload["upload"]]}
        say(socket, type="start", controls=controls)
        assert hear(socket)["type"] == "started"
        say(socket, type="play")
        assert len(samples(socket)) > 1000
    assert settled(context, 0)


@pytest.mark.parametrize("name", ["piano.ogg", "a.\0x", "a.ö", "a." + 300 * "z"])
def test_upload_form_accepts_any_file_name(context, name):
    head = f'--X\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    form = head.encode() + PIANO.read_bytes() + b"\r\n--X--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=X"}
    with ask(context, "/uploads", form, headers=headers) as answer:
        assert answer.status == 201


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 48_000, format="WAV", subtype="FLOAT")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"no audio", "not an audio file"),
        (wav(np.zeros(10)), "lasts 0.208 ms"),
        (wav(np.zeros(48_000)), "is silent"),
        (wav(np.full(48_000, np.nan)), "outside full scale"),
        (wav(np.ones(48_000))[:9000], "cut short"),
    ],
)
def test_refusal_of_an_upload_shows_no_path_of_the_server(context, data, words):
    status, reason = refused(context, "/uploads", data)
    assert status == 400
    assert reason.startswith("the upload: ")
    assert words in reason
    assert tempfile.gettempdir() not in reason


def test_unusable_uploads_are_refused(context):
    assert refused(context, "/uploads", b"0" * 300_000)[0] == 413


# ---- tokens and origins


def test_without_token_only_page_and_health_checks_answer(guarded):
    for path in ("/", "/healthz", "/readyz", "/js/main.js"):
        with ask(guarded, path) as answer:
            assert answer.status == 200
    for path in ("/metrics", "/stream_info", "/openapi.json", "/stream.wav"):
        assert refused(guarded, path)[0] == 401
    assert refused(guarded, "/stream_info?token=wrong-token")[0] == 401


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"Authorization": f"Bearer {TOKEN}"}),
        ("", {"x-goog-api-key": TOKEN}),
        (f"?token={TOKEN}", {}),
        (f"?key={TOKEN}", {}),
    ],
)
def test_token_is_accepted_in_every_header_and_parameter(guarded, query, headers):
    with ask(guarded, "/stream_info" + query, headers=headers) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({}, 4401, "token"),
        ({"additional_headers": {"Authorization": "Bearer wrong-token"}}, 4401, "token"),
        ({"origin": "https://foe.example"}, 4403, "foe.example"),
        ({"origin": "null"}, 4403, "null"),
    ],
)
def test_refused_websocket_is_closed_with_code_and_reason(guarded, options, code, words):
    with speak(guarded, "/ws/stream", **options) as socket:
        with pytest.raises(Exception, match=words) as caught:
            socket.recv(timeout=PATIENCE_S)
        assert caught.value.rcvd.code == code


def test_allowed_origin_and_own_page_may_connect(guarded):
    own = f"http://127.0.0.1:{guarded.settings.port}"
    for origin in ("https://friend.example", own):
        with speak(guarded, f"/ws/stream?token={TOKEN}", origin=origin) as socket:
            assert hear(socket)["type"] == "ready"
    assert refused(guarded, "/healthz", headers={"Origin": "https://foe.example"})[0] == 403


@pytest.mark.parametrize("path", ["/", "/healthz", "/stream_info", "/stream.wav", "/openapi.json"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "localhost.evil.example"])
def test_name_that_is_rebound_to_this_machine_is_refused(context, path, host):
    headers = {"Host": host, "Origin": f"http://{host}"}
    status, reason = refused(context, path, headers=headers)
    assert status == 403
    assert f"--allowed-host {host}" in reason


def test_websocket_of_a_rebound_name_is_closed(context):
    request = (
        "GET /ws/stream HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    port = context.settings.port
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(request.encode())
        answer = connection.recv(4096)
        while b"--allowed-host" not in answer:
            more = connection.recv(4096)
            assert more, answer
            answer += more
    assert b'"type"' not in answer


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "127.8.8.8", "[::1]:3", "192.0.2.7", "box."]
)
def test_addresses_and_names_of_the_server_are_answered(host):
    names = answering_names("box", (), ())
    assert is_answering(names, host)


def test_allowed_hosts_and_hosts_of_origins_are_answered():
    names = answering_names("127.0.0.1", ("Music.example",), ("https://friend.example:8443",))
    assert is_answering(names, "music.example:80")
    assert is_answering(names, "friend.example")
    assert not is_answering(names, "other.example")
    assert not is_answering(names, "[::1")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_image_or_link_of_another_site_has_no_effect(context, site):
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
    for path in ("/stream.wav", "/stream.mp3", "/metrics", "/stream_info"):
        status, reason = refused(context, path, headers=headers)
        assert status == 403
        assert "other sites" in reason
    assert settled(context, 0)
    # The page itself may be opened by a link.
    for path in ("/", "/js/main.js", "/healthz"):
        with ask(context, path, headers=headers) as answer:
            assert answer.status == 200
    for own in ("same-origin", "none"):
        with ask(context, "/stream_info", headers={"Sec-Fetch-Site": own}) as answer:
            assert answer.status == 200


def test_allowed_page_may_request_although_it_is_of_another_site(guarded):
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://friend.example"}
    with ask(guarded, f"/stream_info?token={TOKEN}", headers=headers) as answer:
        assert answer.status == 200


def test_responses_have_security_headers(context):
    with ask(context, "/") as answer:
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_unsafe_settings_are_refused():
    with pytest.raises(UsageError, match="token"):
        ServeSettings(host="0.0.0.0")
    with pytest.raises(UsageError, match="at least 8"):
        ServeSettings(token="short")
    with pytest.raises(UsageError, match="both or neither"):
        ServeSettings(tls_cert=Path("cert.pem"))
    every = ServeSettings(host="0.0.0.0", insecure=True)
    assert (every.host, every.address) == ("0.0.0.0", "http://127.0.0.1:8080/")
    assert ServeSettings(host="::1").address == "http://[::1]:8080/"


# ---- health, metrics, descriptions, the command


def test_metrics_report_streams_and_stage_times(context):
    with ask(context, "/metrics") as answer:
        text = answer.read().decode()
    values = dict(re.findall(r"^soundstage_(\w+) ([\d.e+-]+)$", text, re.MULTILINE))
    assert float(values["ready"]) == 1
    assert float(values["joined_total"]) > 0
    assert 'soundstage_stage_seconds_total{stage="sample"}' in text


def test_openapi_document_lists_the_paths(context):
    with ask(context, "/openapi.json") as answer:
        document = json.load(answer)
    assert {"/generate", "/uploads", "/stream.mp3", "/metrics"} <= set(document["paths"])


@pytest.mark.slow
def test_serve_command_warms_up_serves_and_drains_at_sigterm(tmp_path):
    port, log = free_port(), tmp_path / "log"
    command = [
        sys.executable,
        "-m",
        "soundstage",
        "serve",
        "toy",
        "--port",
        str(port),
    ]
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, "--log-format", "json", "--drain", "5"], stdout=out, stderr=out
        )
    try:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                assert server.poll() is None, log.read_text()
                time.sleep(0.1)
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 128 + signal.SIGTERM
    finally:
        server.kill()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["level"] for line in lines] == ["info"] * len(lines)
    assert any("realtime streams fit" in line["message"] for line in lines)
