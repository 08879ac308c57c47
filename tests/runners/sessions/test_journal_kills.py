"""Processes that are killed at any moment lose no committed chunk."""

import json
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import MODULE, run, run_process

from soundstage.runners.sessions.journal_file import read_journal

ROOT = Path(__file__).parents[3]
FRAME_BYTES = 4  # two channels of 16 bits
LONG_S = 80_000
ARGUMENTS = ("warm pads", "--prompt", "jazz trio:0.5", "--seed", 7, "--preset", "toy")


@pytest.fixture(autouse=True)
def _find_the_packages(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def payload(wav):
    """Returns the samples of a WAV file, which may be incomplete."""
    at = 12
    while wav[at : at + 4] not in (b"data", b""):
        at += 8 + int.from_bytes(wav[at + 4 : at + 8], "little")
    return wav[at + 8 :]


def play_until_killed(journal, arguments, delay_s, first_bytes):
    """Generates to a pipe that is always read, and kills the process.

    The kill comes `delay_s` after `first_bytes` bytes were received and the journal was written.
    Returns the received samples.
    """
    command = [*MODULE, "generate", *map(str, arguments), "--duration", str(LONG_S)]
    command += ["--output", "-", "--journal", str(journal), "--quiet"]
    received = bytearray()

    def read():
        while block := driver.stdout.read1(1 << 20):
            received.extend(block)

    before = journal.stat().st_mtime_ns if journal.exists() else 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as driver:
        reader = threading.Thread(target=read)
        reader.start()
        while (
            len(received) < first_bytes
            or not journal.exists()
            or journal.stat().st_mtime_ns == before
        ):
            assert driver.poll() is None, driver.stderr.read().decode()
            time.sleep(0.001)
        time.sleep(delay_s)
        driver.kill()
        reader.join()
    return payload(bytes(received))


def kill_and_go_on(journal, moments, *runner):
    """Returns the committed music of several killed runs and of a last one that ends."""
    kept = b""
    arguments = ARGUMENTS
    for delay_s, first_bytes in moments:
        kept += play_until_killed(journal, (*arguments, *runner), delay_s, first_bytes)
        samples = read_journal(journal).samples
        assert len(kept) >= samples * FRAME_BYTES  # all committed samples were received
        kept = kept[: samples * FRAME_BYTES]
        arguments = ("--resume", journal)
    last = ("generate", "--resume", journal, *runner, "--journal", journal)
    done = run_process(*last, "--duration", 3, "--output", "-")
    assert done.returncode == 0, done.stderr
    return kept + payload(done.stdout)


def unbroken(folder, samples):
    whole = folder / "whole.wav"
    done = run("generate", *ARGUMENTS, "--duration", samples / 48_000, "--output", whole)
    assert done.code == 0, done.stderr
    return payload(whole.read_bytes())


def assert_unbroken(kept, folder):
    assert len(kept) % FRAME_BYTES == 0
    whole = unbroken(folder, len(kept) // FRAME_BYTES)
    assert len(kept) == len(whole)
    assert kept == whole


def test_music_of_a_killed_and_resumed_run_is_unbroken(tmp_path):
    journal = tmp_path / "set.journal"
    moments = [(float(np.random.default_rng().uniform(0, 0.3)), 1)]
    kept = kill_and_go_on(journal, moments)
    assert_unbroken(kept, tmp_path)
    facts = json.loads(run("inspect", journal, "--json").stdout)
    assert facts["samples"] == len(kept) // FRAME_BYTES
    assert facts["committed"] == facts["streams"][0]["chunks"]


@pytest.mark.slow
def test_music_of_a_run_killed_seven_times_is_unbroken(tmp_path):
    draw = np.random.default_rng()
    # At first before any output, then at random moments.
    moments = [(0.0, 0), *((float(draw.uniform(0, 0.5)), 1) for _ in range(6))]
    kept = kill_and_go_on(tmp_path / "set.journal", moments)
    assert_unbroken(kept, tmp_path)


@pytest.mark.ray
@pytest.mark.slow
def test_music_of_a_killed_and_resumed_ray_run_is_unbroken(ray_cluster, tmp_path):
    address = ray_cluster.get_runtime_context().gcs_address
    draw = np.random.default_rng()
    moments = [(float(draw.uniform(0, 1.0)), 1)]
    runner = ("--runner", "ray", "--ray-address", address)
    kept = kill_and_go_on(tmp_path / "set.journal", moments, *runner)
    assert_unbroken(kept, tmp_path)


@pytest.mark.slow
def test_killed_run_leaves_no_file_and_can_be_resumed(tmp_path):
    journal, output = tmp_path / "set.journal", tmp_path / "out.wav"
    command = [*MODULE, "generate", *map(str, ARGUMENTS), "--duration", str(LONG_S // 100)]
    command += ["--output", str(output), "--journal", str(journal), "--quiet"]
    with subprocess.Popen(command) as driver:
        while not (journal.exists() and read_journal(journal).chunks > 2):
            assert driver.poll() is None
            time.sleep(0.001)
        driver.kill()
    assert not output.exists()
    chunks = read_journal(journal).chunks
    resumed = ("generate", "--resume", journal, "--duration", 2, "--output", output)
    assert run(*resumed).code == 0
    whole = unbroken(tmp_path, (chunks + 1) * 96_000)
    assert payload(output.read_bytes()) == whole[-96_000 * FRAME_BYTES :]
