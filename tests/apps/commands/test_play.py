"""`soundstage play` without the mixing desk: files, pipes, players, and refusals in one line."""

import io
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import MODULE, run, told
from played_graphs import CHUNK_S, dragging, humming, toml
from worded_graphs import WORDED

import soundstage
from soundstage.runners.sessions.files import read_session
from soundstage.runners.sessions.injection import blocks

TOY = ("play", "--preset", "toy", "--set", "format.chunk_s=0.4")


@pytest.fixture
def hum(tmp_path):
    """Arguments that play a hum of short chunks."""
    file = tmp_path / "hum.toml"
    file.write_text(toml(humming()))
    return ("play", "--pipeline", file, "--allow", "small_stages")


def lines_of(stderr, start):
    return [line for line in stderr.splitlines() if line.startswith(start)]


def test_output_file_holds_the_music_and_each_chunk_has_a_line(hum, tmp_path):
    done = run(*hum, "--duration", 1, "--output", tmp_path / "out.wav")
    assert done.code == 0, done.stderr
    audio, rate_hz = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert rate_hz == 8000
    assert np.count_nonzero(audio[:, 0]) >= 7990
    chunks = lines_of(done.stderr, "chunk ")
    assert [line.split(":")[0] for line in chunks] == ["chunk 0", "chunk 1", "chunk 2"]
    assert all("x real time" in line and "underruns" in line for line in chunks)
    assert "slack" not in chunks[0]
    assert "slack" in chunks[2]
    assert "1.0 s of music" in done.stderr


def test_saved_session_is_resumed_with_its_own_pipeline(tmp_path):
    session, out = tmp_path / "set.session", tmp_path / "out.flac"
    first = run(*TOY, "bells", "--duration", 0.5, "--output", out, "--save", session, "--quiet")
    assert (first.code, first.stderr) == (0, "")
    saved = read_session(session)
    again = run("play", "drums", "--resume", session, "--duration", 0.5, "--output", out)
    assert again.code == 0, again.stderr
    assert "chunk 2: " in again.stderr
    assert saved.spec.format["chunk_s"] == 0.4


def test_injected_file_is_heard_chunk_by_chunk(tmp_path):
    audio = np.random.default_rng(2).uniform(-0.3, 0.3, (30_000, 2)).astype(np.float32)
    tune, saved_to, out = (tmp_path / name for name in ("in.wav", "set.session", "out.wav"))
    soundfile.write(tune, audio, 48_000, subtype="FLOAT")
    inject = ("play", "--preset", "toy-inject", "--set", "format.chunk_s=0.4")
    options = ("--inject", tune, "--duration", 1.2, "--output", out, "--save", saved_to)
    done = run(*inject, "bells", *options)
    assert done.code == 0, done.stderr
    saved = read_session(saved_to)
    settings = ["format.chunk_s=0.4"]
    with soundstage.open("toy-inject", settings=settings, prompts=["bells"]) as session:
        reached, _ = saved.restore(session.graph, session.runner.weights())
        for block in islice(blocks(audio, session.graph.format), reached.chunks[0]):
            session.steer(inject=block)
            chunk = next(session)
    assert reached.chunks[0] >= 3
    for name, values in chunk.state.values.items():
        np.testing.assert_array_equal(reached.values[name], values)


def test_pipeline_that_is_too_slow_is_reported_with_its_stage(tmp_path):
    file = tmp_path / "slow.toml"
    file.write_text(toml(dragging(1.3 * CHUNK_S)))
    slow = ("play", "--pipeline", file, "--allow", "small_stages")
    done = run(*slow, "--duration", 1.5, "--output", tmp_path / "out.wav")
    assert done.code == 0
    slow = "does not play in real time"
    (warning,) = [line for line in done.stderr.splitlines() if slow in line]
    assert "soundstage doctor" in warning
    # 0.52 s; more if the machine is busy.
    took = re.search(r"slow took (\d\.\d+) s", lines_of(done.stderr, "underrun before chunk")[-1])
    assert took is not None
    assert float(took[1]) >= 1.3 * CHUNK_S
    assert "underrun(s)" in done.stderr


def test_program_receives_wav_and_has_time_to_play_it(hum, tmp_path):
    copy = tmp_path / "copy.wav"
    command = f"sh -c 'cat > {shlex.quote(str(copy))}; sleep 0.2; echo end >> {copy}.txt'"
    done = run(*hum, "--duration", 0.6, "--to", command)
    assert done.code == 0, done.stderr
    assert Path(f"{copy}.txt").read_text() == "end\n"
    audio, rate_hz = soundfile.read(io.BytesIO(copy.read_bytes()), dtype="float32")
    assert rate_hz == 8000
    assert 0.6 * 8000 - 10 <= np.count_nonzero(audio[:, 0]) <= 0.6 * 8000


def test_program_that_fails_is_reported_with_its_last_message(hum):
    done = run(*hum, "--quiet", "--to", "sh -c 'head -c 100 >/dev/null; echo no card >&2; exit 3'")
    assert done.code == 6
    assert told(done.stderr) == "--to: sh ended with status 3: no card"


def test_program_that_stops_reading_ends_the_music(hum):
    done = run(*hum, "--to", "head -c 3000")
    assert done.code == 0
    assert "head: the reader left" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--to", "no-such-player"), 6, "there is no program 'no-such-player'"),
        (("--to", "aplay 'x"), 6, "No closing quotation"),
        (("--to", " "), 6, "--to is empty"),
        (("--output", "x.aiff"), 6, "the name must end in one of"),
        (("--output", "/nowhere/x.wav"), 6, "/nowhere"),
        (("--output", "x.wav", "--to", "aplay"), 2, "--to and --output exclude each other"),
        (("--output", "x.wav", "--latency", 0), 3, "--latency 0: must be above 0 s, at most 120 s"),
        (("--output", "x.wav", "--duration", 0), 3, "duration 0"),
        (("--output", "x.wav", "--top-k", -1), 3, "top_k"),
        (("--output", "x.wav", "--save", "/nowhere/s"), 6, "/nowhere"),
        (("--output", "x.wav", "--resume", "none.session"), 3, "none.session"),
        (
            ("--output", "x.wav", "--inject", "x.wav", "--listen"),
            2,
            "--inject and --listen exclude",
        ),
        (("--output", "x.wav", "--inject", "x.wav"), 4, "takes no audio"),
        (("--output", "x.wav", "--listen"), 4, "takes no audio"),
        (("--device", "no such device"), 6, "or play through a program"),
        (("--device", "9999"), 6, "or play through a program"),
    ],
)
def test_invalid_option_is_refused_before_anything_is_loaded(
    options, code, words, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    done = run(*TOY, *options)
    assert done.code == code
    assert words in told(done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_without_sounddevice_only_the_speakers_are_refused(hum, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    refused = run(*TOY)
    assert refused.code == 2
    assert "pip install '.[play]'" in told(refused.stderr)
    assert run("play", "--list-devices").code == 2
    assert run(*hum, "--duration", 0.3, "--output", tmp_path / "out.wav").code == 0


def test_without_portaudio_the_error_names_its_cure(tmp_path, monkeypatch):
    # The library sounddevice raises this where the system lacks PortAudio.
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    refused = run(*TOY)
    assert refused.code == 6
    assert "apt-get install libportaudio2" in told(refused.stderr)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_completes_the_file_and_saves_the_session(tmp_path, stop):
    main = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from soundstage.apps.commands.main import main; main()"
    )
    out, session = tmp_path / "out.wav", tmp_path / "set.session"
    arguments = [*TOY, "--output", str(out), "--save", str(session)]
    command = [sys.executable, "-c", main, *arguments]
    player = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    for line in player.stderr:
        if line.startswith(b"chunk 2:"):
            break
    player.send_signal(stop)
    messages = player.communicate(timeout=60)[1].decode()
    assert player.returncode == 128 + stop
    assert messages.splitlines()[-1] == "soundstage: stopped"
    audio, _ = soundfile.read(out, dtype="float32")
    assert len(audio) > 0.4 * 48_000
    assert not audio[-1].any()
    assert read_session(session).spec.name == "toy"


def test_wav_on_standard_output_ends_when_its_reader_leaves():
    command = [*MODULE, *TOY, "--output", "-"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    player = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    assert player.stdout.read(4) == b"RIFF"
    start = time.monotonic()
    player.stdout.read(48_000 * 4)
    assert time.monotonic() - start > 0.5
    player.stdout.close()
    player.stdout = None
    messages = player.communicate(timeout=60)[1].decode()
    assert player.returncode == 0
    assert "the reader left" in messages
    assert "Traceback" not in messages


def test_words_that_are_not_understood_are_told_once(tmp_path):
    options = ("--pipeline", WORDED, "--set", "format.chunk_s=0.4", "--duration", 1)
    done = run("play", *options, "--output", tmp_path / "out.wav", "techno flrbgl")
    assert done.code == 0, done.stderr
    assert lines_of(done.stderr, "not understood") == ["not understood: flrbgl"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_full_disk_keeps_the_music_and_saves_the_session(tmp_path):
    main = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "from soundstage.apps.commands.main import main; main()"
    )
    arguments = [*TOY, "--quiet", "--output", "out.wav", "--save", "set.session"]
    done = subprocess.run(
        [sys.executable, "-c", main, *arguments],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 6, done.stderr
    kept, reason = done.stderr.splitlines()
    assert "out.partial.wav: has the first 1." in kept
    assert reason.startswith("soundstage: out.wav: cannot be written")
    assert soundfile.info(tmp_path / "out.partial.wav").duration > 1.5
    assert not (tmp_path / "out.wav").exists()
    assert read_session(tmp_path / "set.session").spec.name == "toy"
