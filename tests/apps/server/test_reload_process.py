"""`soundstage serve --reload` as a process: SIGHUP takes a changed file, and no broken one."""

import itertools
import queue
import signal
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import MODULE
from wires import PATIENCE_S, free_port

import soundstage

ROOT = Path(__file__).parents[3]
SHORT = ("--set", "format.chunk_s=0.2", "--set", "format.context_s=0.4")
MUSIC = {"prompts": ["bells"], "seed": 5}
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")


@contextmanager
def serving(file, port, monkeypatch):
    """Serves a pipeline file with --reload; yields the process and a queue of its log's lines."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [*MODULE, "serve", "--pipeline", file, *SHORT, "--port", str(port), "--reload"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    lines = queue.Queue()
    reading = threading.Thread(target=lambda: [lines.put(line) for line in server.stderr])
    reading.start()
    try:
        yield server, lines
    finally:
        server.send_signal(
            signal.SIGTERM
        )  # SIGINT is ignored by what a shell runs in the background
        server.wait(PATIENCE_S)
        reading.join()
        server.stderr.close()


def logged(lines, words):
    """Waits for a line of the log with some words, and returns it."""
    while words not in (line := lines.get(timeout=PATIENCE_S)):
        pass
    return line


def of_server(session, count):
    return [(chunk.chunk, chunk.audio.tobytes()) for chunk in itertools.islice(session, count)]


def of_file(file, count):
    """The chunks of a local session, as `of_server` returns them."""
    with soundstage.open(pipeline=file, settings=SHORT[1::2], **MUSIC) as session:
        audio = [chunk.audio.tobytes() for chunk in itertools.islice(session, count)]
    return list(enumerate(audio))


def test_hangup_takes_a_changed_file_and_refuses_a_broken_one(tmp_path, monkeypatch):
    file, url = tmp_path / "pipeline.toml", f"http://127.0.0.1:{(port := free_port())}"
    old = (ROOT / "presets" / "toy.toml").read_text("utf-8")
    new = old.replace('params = { weights = "random:0" }', 'params = { weights = "random:1" }')
    file.write_text(old)
    first = of_file(file, 2)
    with serving(file, port, monkeypatch) as (server, lines):
        connected = soundstage.connect(url, pace="fast", give_up_s=PATIENCE_S, **MUSIC)
        with connected as listener:
            assert of_server(listener, 2) == first
            file.write_text(old.replace("SineDecode", "SinDecode"))
            server.send_signal(signal.SIGHUP)
            reason = "not reloaded: stage.decode: stages.toy has no class 'SinDecode'; did you mean"
            assert reason in logged(lines, "reloaded: ")
            assert [chunk for chunk, _ in of_server(listener, 2)] == [2, 3]
            with soundstage.connect(url, pace="fast", **MUSIC) as fresh:
                assert of_server(fresh, 2) == first
            file.write_text(new)
            server.send_signal(signal.SIGHUP)
            assert "1 stream(s) go on, 0 ended" in logged(lines, "has replaced")
            assert logged(lines, "reloaded: toy")
            assert [chunk for chunk, _ in of_server(listener, 3)] == [4, 5, 6]
            with soundstage.connect(url, pace="fast", **MUSIC) as fresh:
                second = of_server(fresh, 2)
    assert second == of_file(file, 2) != first
