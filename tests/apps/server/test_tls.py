"""TLS: every protocol works with it, and unusable certificates are refused with a reason."""

import hashlib
import http.client
import io
import json
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
import soundfile
from certificates import self_signed
from command_line import run, told
from served import CONTROLS, PATIENCE_S, free_port, hear, samples, say
from websockets.sync.client import connect

import soundstage
from soundstage.apps.server.listen_sockets import listen
from soundstage.apps.server.protocols.frames import HEADER
from soundstage.apps.server.protocols.lyria import PATHS


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return self_signed(tmp_path_factory.mktemp("tls"), "own", "rsa")


@pytest.fixture(scope="module")
def trust(files):
    return ssl.create_default_context(cafile=str(files.cert))


@pytest.fixture(scope="module")
def server(files, trust, tmp_path_factory):
    """`soundstage serve` in a process of its own; yields its address, without the scheme."""
    log = tmp_path_factory.mktemp("log") / "log"
    port = free_port()
    where = f"127.0.0.1:{port}"
    command = [
        sys.executable,
        "-m",
        "soundstage",
        "serve",
        "toy",
        "--port",
        str(port),
    ]
    certificate = ["--tls-cert", str(files.cert), "--tls-key", str(files.key)]
    with log.open("wb") as out:
        server = subprocess.Popen([*command, *certificate], stdout=out, stderr=out)
    try:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"https://{where}/readyz", context=trust, timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, log.read_text()
                time.sleep(0.1)
        assert f"https://{where}/" in log.read_text()
        yield where
    finally:
        server.kill()
        server.wait()


def speak(server, path, trust):
    return connect(f"wss://{server}{path}", ssl=trust, max_size=None, open_timeout=PATIENCE_S)


def test_own_protocol_over_tls_gives_the_bytes_of_a_local_session(server, trust):
    digest, expected = hashlib.sha256(), hashlib.sha256()
    with speak(server, "/ws/stream", trust) as client:
        say(client, type="start", controls=CONTROLS, pace="fast")
        say(client, type="play")
        for _ in range(3):
            digest.update(samples(client)[HEADER.size :])
        say(client, type="stop")
        hear(client, "stopped")
    with soundstage.open("toy", prompts=[("bells", 1.0)], seed=5) as session:
        for _ in range(3):
            expected.update(np.ascontiguousarray(next(session).audio[0]).tobytes())
    assert digest.hexdigest() == expected.hexdigest()


def test_other_protocols_play_over_tls(server, trust):
    with speak(server, PATHS[0], trust) as client:
        say(client, setup={"model": "models/lyria-realtime-exp"})
        say(client, clientContent={"weightedPrompts": [{"text": "drums", "weight": 1}]})
        say(client, playbackControl="PLAY")
        while "serverContent" not in hear(client):
            pass
    with urllib.request.urlopen(f"https://{server}/style", b"bells", context=trust) as answer:
        style = json.load(answer)
    with speak(server, "/stream", trust) as client:
        say(client, type="StartSession", body={})
        say(client, type="UpdateControl", body={"style": style})
        say(client, type="UpdatePlayback", body={"state": "PLAYING"})
        assert len(samples(client)) == 96_000 * 2 * 4


def test_plain_requests_are_answered_over_tls(server, trust):
    with urllib.request.urlopen(f"https://{server}/", context=trust) as answer:
        assert "soundstage" in answer.read().decode()
    body = json.dumps({"prompts": ["bells"], "duration_s": 0.5}).encode()
    with urllib.request.urlopen(f"https://{server}/generate", body, context=trust) as answer:
        audio, _ = soundfile.read(io.BytesIO(answer.read()))
    assert len(audio) == 24_000
    with urllib.request.urlopen(f"https://{server}/stream.wav", context=trust) as answer:
        assert len(answer.read(100_000)) == 100_000


def test_connections_without_tls_or_trust_fail(server):
    with pytest.raises((OSError, http.client.HTTPException)):
        urllib.request.urlopen(f"http://{server}/healthz", timeout=PATIENCE_S)
    with pytest.raises(Exception, match=r"did not receive|closed|reset|EOF"):
        connect(f"ws://{server}/ws/stream", open_timeout=PATIENCE_S, legacy=True)
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(f"https://{server}/healthz", timeout=PATIENCE_S)


def refusal(cert, key):
    """Returns what the command prints for a certificate and a key that it refuses."""
    ran = run("serve", "toy", "--port", free_port(), "--tls-cert", cert, "--tls-key", key)
    assert ran.code == 2
    return told(ran.stderr)


def test_unusable_certificate_is_refused_in_one_line(files, tmp_path):
    other = self_signed(tmp_path, "other")
    again = self_signed(tmp_path, "again")
    torn = tmp_path / "torn"
    begin, rest = files.key.read_text().split("\n", 1)
    torn.write_text(f"{begin}\n{rest[100:]}")
    torn_cert = tmp_path / "torn.pem"
    torn_cert.write_text(files.cert.read_text().replace("M", "-", 3))
    for cert, key, words in (
        (files.cert, tmp_path / "none", f"--tls-key {tmp_path}/none: cannot be read: No such file"),
        (tmp_path, files.key, "cannot be read: Is a directory"),
        (files.key, files.key, "the file holds no certificate in PEM"),
        (files.cert, files.cert, "the file holds no private key in PEM"),
        (files.cert, files.locked, "the key has a passphrase"),
        (files.cert, other.key, f"the key is not that of the certificate in {files.cert}"),
        (again.cert, other.key, f"the key is not that of the certificate in {again.cert}"),
        (files.cert, torn, f"--tls-key {torn}: the key is damaged"),
        (torn_cert, files.key, f"--tls-cert {torn_cert}: the certificate is damaged"),
    ):
        assert words in refusal(cert, key)


def test_certificate_without_key_is_refused(files):
    ran = run("serve", "toy", "--tls-cert", files.cert)
    assert (ran.code, "--tls-key need each other" in told(ran.stderr)) == (2, True)


def test_taken_port_and_foreign_address_are_refused_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = run("serve", "toy", "--port", taken.getsockname()[1])
    assert (ran.code, "cannot listen there: the port is taken" in told(ran.stderr)) == (6, True)
    ran = run("serve", "toy", "--host", "192.0.2.1", "--insecure", "--port", free_port())
    assert (ran.code, "the address is not this machine's" in told(ran.stderr)) == (6, True)
    for host in ("no such name", "no..name"):
        ran = run("serve", "toy", "--host", host, "--insecure")
        assert (ran.code, "not an address of this machine" in told(ran.stderr)) == (6, True)


def test_name_with_one_address_twice_is_bound_once(monkeypatch):
    addresses = socket.getaddrinfo("127.0.0.1", free_port(), type=socket.SOCK_STREAM)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: addresses * 2)
    (sock,) = listen("twice", 0, 40.0)
    sock.close()


def test_health_of_a_server_with_its_own_certificate(server):
    asked = run("health", f"https://{server}")
    assert (asked.code, asked.stdout) == (0, f"https://{server}/healthz: 200\n")
    assert run("health", f"http://{server}").code == 1
