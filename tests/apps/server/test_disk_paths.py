"""No reply of a server holds a path of its disk, whatever goes wrong."""

import base64
import io
import json
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from served import PATIENCE_S, hear, say, served, settled, speak
from touchy_stages import RAISES_AT
from websockets.exceptions import ConnectionClosed

import soundstage
from soundstage.apps.server.disk_paths import without_folders
from soundstage.apps.server.protocols.lyria import PATHS
from soundstage.runners.runner import StageFailed
from soundstage.stages.weights.array_source import WeightsError

OWN, DEMO, LYRIA = "/ws/stream", "/stream", PATHS[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with blanks in its name, where the weights are said to lie."""
    return tmp_path_factory.mktemp("my secret") / "more secrets"


@pytest.fixture(scope="module")
def context(folder):
    graph = soundstage.load(
        preset="toy-inject",
        settings=[
            "format.chunk_s=0.2",
            "format.context_s=0.4",
            "sample.use=touchy_stages:FolderSample",
            f"sample.params.weights={folder}/w.safetensors",
        ],
        allow=["touchy_stages"],
    )
    with served(graph=graph, capacity=8) as context:
        yield context


@pytest.fixture
def no_paths(folder):
    """Checks that texts hold no folder of this machine."""

    def check(*texts):
        for text in texts:
            for path in (folder, folder.parent, tempfile.gettempdir(), Path.home(), Path.cwd()):
                assert str(path) not in text
            assert "secret" not in text

    return check


def ask(context, path, body=None, **headers):
    """Returns the status and the whole answer of a request, headers included."""
    address = f"http://127.0.0.1:{context.settings.port}{path}"
    try:
        request = urllib.request.Request(address, body, headers)
        answer = urllib.request.urlopen(request, timeout=PATIENCE_S)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, f"{answer.headers}{answer.read().decode()}"


def closed(socket):
    """Returns the reason with which the server closes a connection."""
    try:
        while True:
            socket.recv(timeout=PATIENCE_S)
    except ConnectionClosed as error:
        return error.rcvd.reason


def clip():
    file = io.BytesIO()
    audio = np.sin(np.arange(48_000) / 20).astype(np.float32)
    soundfile.write(file, audio, 48_000, format="WAV", subtype="FLOAT")
    return file.getvalue()


def test_stage_that_names_a_file_fails_without_its_folder_at_every_door(context, no_paths):
    controls = {"temperature": RAISES_AT}
    with speak(context, OWN) as socket:
        hear(socket, "ready")
        say(socket, type="start", pace="fast", controls=controls)
        say(socket, type="play")
        reasons = [hear(socket, "failed")["reason"]]
    with speak(context, LYRIA) as socket:
        say(socket, setup={"model": "any"})
        say(socket, musicGenerationConfig=controls)
        say(socket, playbackControl="PLAY")
        while "warning" not in (message := hear(socket)):
            pass
        reasons.append(message["warning"])
    with speak(context, DEMO) as socket:
        style = json.loads(ask(context, "/style", b"pads")[1].rpartition("\n")[2])
        say(socket, type="StartSession", body={})
        say(socket, type="UpdateControl", body={"style": style, "generation_kwargs": controls})
        say(socket, type="UpdatePlayback", body={"state": "PLAYING"})
        reasons.append(closed(socket))
    status, answer = ask(context, "/generate", json.dumps({"duration_s": 0.2} | controls).encode())
    assert status == 500
    for reason in (*reasons, answer):
        assert "No such file or directory: 'w.safetensors'" in reason
        no_paths(reason)
    assert settled(context, 0)


def test_saved_session_goes_on_and_names_no_folder(context, no_paths, tmp_path):
    with speak(context, OWN) as socket:
        hear(socket, "ready")
        say(socket, type="start", pace="fast", controls={"seed": 3})
        say(socket, type="save")
        data = hear(socket, "session")["data"]
        say(socket, type="stop")
        say(socket, type="start", pace="fast", session=data)
        assert hear(socket, "started")["pace"] == "fast"
    session = base64.b64decode(data)
    no_paths(session.decode("latin-1"))
    header = pa.ipc.open_file(pa.BufferReader(session)).schema.metadata
    assert json.loads(header[b"pipeline"])["stage"]["sample"]["params"]["weights"] == (
        "w.safetensors"
    )


def test_odd_sessions_and_clips_are_refused_without_paths(
    context, folder, no_paths, monkeypatch, tmp_path
):
    def lacking(graph):
        raise WeightsError(f"{folder}/encoder.safetensors: the weights lack the encoder")

    monkeypatch.setattr("soundstage.runners.engine.clip_encoder.ClipContinuer", lacking)
    name = json.loads(ask(context, "/uploads", clip())[1].rpartition("\n")[2])["upload"]
    with soundstage.open("toy") as session:
        other = tmp_path / "other.session"
        session.save(other)
    sessions = [b"", b"ARROW1\0\0ARROW1", other.read_bytes(), other.read_bytes()[:-20]]
    with speak(context, OWN) as socket:
        hear(socket, "ready")
        for data in sessions:
            say(socket, type="start", session=base64.b64encode(data).decode())
            no_paths(hear(socket, "refused")["reason"])
        say(socket, type="start", **{"continue": name})
        reason = hear(socket, "refused")["reason"]
    assert "from this clip: encoder.safetensors: the weights lack the encoder" in reason


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/uploads", b""),
        ("/uploads", b"no audio"),
        ("/uploads", clip()[:60]),
        ("/uploads", b"OggS" + bytes(80)),
        ("/uploads", b"ID3" + bytes(80)),
        ("/generate", b"{"),
        ("/generate", b'{"continue": "/etc/passwd"}'),
        ("/generate", b'{"format": "/tmp/a.wav"}'),
        ("/style", b"\xff"),
        ("/stream.wav?weights=/etc/passwd", None),
        ("/%2e%2e/%2e%2e/etc/passwd", None),
        ("/js/%00", None),
        ("/" + 300 * "a", None),
        ("/js", None),
    ],
)
def test_odd_requests_are_answered_without_paths(context, no_paths, path, body):
    status, answer = ask(context, path, body)
    assert 400 <= status < 500
    no_paths(answer)


def test_disk_that_refuses_files_is_told_in_words(context, folder, no_paths, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    for path, body in (("/uploads", clip()), ("/generate", b'{"duration_s": 0.2}')):
        status, answer = ask(context, path, body)
        assert status == 500
        assert "a temporary file of the server: cannot be written: No such file" in answer
        no_paths(answer)
    assert settled(context, 0)


def test_style_that_fails_is_told_in_words(context, folder, no_paths, monkeypatch):
    async def fail(controls):
        raise StageFailed("embed", (0,), f"OSError: cannot read {folder}/w.safetensors")

    monkeypatch.setattr(context.fleet, "embed", fail)
    status, answer = ask(context, "/style", b"pads")
    assert status == 500
    assert "stage 'embed' failed at chunk 0: OSError: cannot read w.safetensors" in answer


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/home/me/w.safetensors: is damaged", "w.safetensors: is damaged"),
        ("'/a b/c d/e.wav' is empty", "'e.wav' is empty"),
        ("no folder /srv/models/", "no folder a folder"),
        ("read ~/models/w.npz or ~me/x/y.npz", "read w.npz or y.npz"),
        (r"C:\Users\me\w.npz: missing", "w.npz: missing"),
        ("file:///srv/x/w.npz", "file://w.npz"),
        ("at https://host.example/a/b", "at https://host.example/a/b"),
        ("connect to /ws/stream", "connect to /ws/stream"),
        ("POST it to /style, or 3/4 of 1/2", "POST it to /style, or 3/4 of 1/2"),
        ("models/w.npz and TCP/IP", "models/w.npz and TCP/IP"),
    ],
)
def test_absolute_paths_lose_their_folders_and_nothing_else(text, told):
    assert without_folders(text) == told
