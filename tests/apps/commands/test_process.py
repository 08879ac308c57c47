"""The command line as a process: pipes, signals, start-up, and a long example."""

import io
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import MODULE, run_process, told

from soundstage.audio.inspection import inspect
from soundstage.presets.preset import preset_path
from soundstage.runners.sessions.journal_file import read_journal

ROOT = Path(__file__).parents[3]
TOY = ("generate", "warm pads", "--preset", "toy")


@pytest.fixture(autouse=True)
def _find_the_packages(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_help_imports_nothing_heavy():
    heavy = {"jax", "numpy", "pyarrow", "soundfile", "matplotlib", "soundstage.runners.api"}
    code = (
        "import sys; from soundstage.apps.commands.main import main\n"
        "try: main(['generate', '--help'])\n"
        f"except SystemExit as e: print(e.code, sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_standard_output_holds_the_wav_and_nothing_else(tmp_path):
    done = run_process(*TOY, "--duration", 3, "--output", "-")
    assert done.returncode == 0, done.stderr
    piped, rate_hz = soundfile.read(io.BytesIO(done.stdout), dtype="int16")
    assert (rate_hz, piped.shape) == (48_000, (3 * 48_000, 2))
    run_process(*TOY, "--duration", 3, "--output", tmp_path / "out.wav")
    assert np.array_equal(piped, soundfile.read(tmp_path / "out.wav", dtype="int16")[0])
    # Every error is a line with this prefix.
    assert not any(line.startswith(b"soundstage: ") for line in done.stderr.splitlines())


def test_threads_of_linear_algebra_change_no_byte(tmp_path, monkeypatch):
    written = []
    for threads in ("1", "4"):
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", threads)
        done = run_process(*TOY, "--duration", 3, "--output", tmp_path / f"{threads}.wav")
        assert done.returncode == 0, done.stderr
        written.append(soundfile.read(tmp_path / f"{threads}.wav", dtype="int16")[0])
    assert np.abs(written[0]).max() > 1000
    np.testing.assert_array_equal(*written)


def test_reader_that_leaves_ends_generate_without_an_error(tmp_path):
    command = [*MODULE, *TOY, "--duration", "3600", "--output", "-"]
    player = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert player.stdout.read(4) == b"RIFF"
    player.stdout.close()
    player.stdout = None
    messages = player.communicate(timeout=60)[1].decode()
    assert player.returncode == 0
    assert "the reader left" in messages
    assert "Traceback" not in messages
    assert "Exception" not in messages


@pytest.mark.parametrize(
    ("stop", "suffix"),
    [
        (signal.SIGINT, "flac"),
        (signal.SIGTERM, "wav"),
        (signal.SIGHUP, "ogg"),
        (signal.SIGKILL, "wav"),
        (signal.SIGKILL, "flac"),
    ],
)
def test_signal_keeps_what_was_made_under_a_name_of_its_own(tmp_path, stop, suffix):
    # A shell may have its background jobs ignore SIGINT.
    main = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from soundstage.apps.commands.main import main; main()"
    )
    # Longer than the test takes, and short enough for the free space of most disks.
    arguments = [*TOY, "--duration", "20000", "--output", str(tmp_path / f"out.{suffix}")]
    (tmp_path / f"out.{suffix}").write_bytes(b"an older file")
    journal = tmp_path / "set.journal"
    arguments += ["--journal", str(journal)]
    player = subprocess.Popen([sys.executable, "-c", main, *arguments], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    partial = tmp_path / f"out.partial.{suffix}"
    while not partial.exists() or partial.stat().st_size < 100_000:
        assert player.poll() is None, player.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    player.send_signal(stop)
    messages = player.communicate(timeout=30)[1].decode()
    names = {"set.journal", f"out.partial.{suffix}", f"out.{suffix}"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert (tmp_path / f"out.{suffix}").read_bytes() == b"an older file"
    kept, rate_hz = soundfile.read(partial)
    # The encoder of FLAC may hold back two of its frames.
    assert len(kept) >= read_journal(journal).samples - (2 * 4096 if suffix == "flac" else 0)
    assert len(kept) / rate_hz >= 1
    if stop == signal.SIGKILL:
        assert player.returncode == -stop
        return
    assert player.returncode == 128 + stop
    *_, told_kept, last = messages.splitlines()
    assert last == "soundstage: stopped"
    assert told_kept == f"soundstage: {partial}: has the first {len(kept) / rate_hz:.1f} s, " + (
        "made before the end"
    )


def test_bad_duration_is_one_line_on_standard_error(tmp_path):
    done = run_process(*TOY, "--duration", 0, "--output", tmp_path / "out.wav")
    assert done.returncode == 3
    assert done.stdout == b""
    assert done.stderr == b"soundstage: duration 0: must be a number of seconds above 0\n"


def test_generate_with_many_options_works_with_tiny_networks(tmp_path):
    reference, output = tmp_path / "ref.wav", tmp_path / "out.wav"
    soundfile.write(reference, np.random.default_rng(0).normal(0, 0.1, 16_000), 16_000)
    done = run_process(
        *("generate", "--prompt", "warm ambient pads", "--prompt", "jazz trio:0.5"),
        *("--audio", f"{reference}:1.0", "--duration", 10, "--seed", 7, "--temperature", 1.1),
        *("--top-k", 40, "--guidance", 5.0, "--preset", "tiny", "--runner", "local"),
        *("--pipeline", preset_path("tiny"), "--set", "decode.use=stages.toy:SineDecode"),
        *("--output", output),
    )
    assert done.returncode == 0, done.stderr
    assert b"noise, not music" in done.stderr
    facts = inspect(output)
    assert facts.seconds == 10
    assert facts.provenance.random_weights
    assert len(facts.provenance.prompts) == 3


@pytest.mark.parametrize("buffered", ["", "1"])
def test_reader_that_leaves_is_no_error_of_a_printing_command(monkeypatch, buffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", buffered)
    script = f"{shlex.join(MODULE)} presets | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("buffered", ["", "1"])
def test_standard_output_that_cannot_be_written_is_refused(monkeypatch, buffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", buffered)
    for arguments in (["presets"], [*TOY, "--duration", "2", "--quiet", "--output", "-"]):
        with open("/dev/full", "wb") as full:
            command = [*MODULE, *arguments]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 6, done.stderr
        assert told(done.stderr.decode()).startswith("standard output: cannot be written")
