"""`soundstage inspect` and `soundstage verify`: what they tell, and with which exit code."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import run, told

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a file, a session and a recorded run, all of one generate."""
    folder = tmp_path_factory.mktemp("made")
    outputs = ("--save", folder / "out.session", "--record", folder / "out.arrow")
    prompts = ("warm pads", "--prompt", "jazz:0.5", "--seed", 7)
    arguments = (*prompts, "--preset", "toy", "--duration", 3, "-o", folder / "out.flac")
    assert run("generate", *arguments, *outputs).code == 0
    return folder


def test_audio_tells_what_it_is_and_what_made_it(made):
    done = run("inspect", made / "out.flac")
    assert done.code == 0
    for fact in ("FLAC", "48000 Hz, stereo", "3.00 s", "jazz (0.5)", "seed        7", "toy"):
        assert fact in done.stdout


def test_a_session_tells_where_it_goes_on(made):
    done = run("inspect", made / "out.session")
    assert done.code == 0, done.stderr
    for fact in ("pipeline toy", "warm pads", "jazz (0.5)", "seed        7", "chunks      2"):
        assert fact in done.stdout


def test_a_recorded_run_tells_what_was_said(made):
    done = run("inspect", made / "out.arrow")
    assert done.code == 0
    for fact in ("pipeline toy", "ticks       2\n", "crossfade: ", "embed: random weights"):
        assert fact in done.stdout
    data = (made / "out.arrow").read_bytes()
    (made / "cut.arrow").write_bytes(data[: 3 * len(data) // 4])
    assert "ticks       1, cut short" in run("inspect", made / "cut.arrow").stdout


def test_json_agrees_between_the_three(made):
    names = ("out.flac", "out.session", "out.arrow")
    audio, session, record = (
        json.loads(run("inspect", made / name, "--json").stdout) for name in names
    )
    digest = audio["provenance"]["graph_hash"]
    assert session["graph"] == record["graph"] == digest
    assert session["streams"][0]["prompts"] == audio["provenance"]["prompts"]
    assert session["streams"][0]["weights"] == record["weights"] == audio["provenance"]["weights"]
    assert record["ticks"] == session["streams"][0]["chunks"] == 2


def test_the_level_of_silence_is_json(tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros((4800, 1)), 48_000)
    done = run("inspect", tmp_path / "silent.wav", "--json")
    assert json.loads(done.stdout)["peak_dbfs"] is None


def test_a_plot_is_a_png(made, tmp_path):
    pytest.importorskip("matplotlib")
    done = run("inspect", made / "out.flac", "--plot", tmp_path / "out.png")
    assert done.code == 0, done.stderr
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "arguments", "code", "why"),
    [
        ("missing.wav", [], 3, "No such file"),
        ("junk.wav", [], 3, "not an audio file"),
        ("out.session", ["--plot", "x.png"], 2, "--plot draws audio"),
        ("out.flac", ["--plot", "nowhere/x.png"], 6, "no folder"),
    ],
)
def test_what_cannot_be_inspected(made, name, arguments, code, why):
    (made / "junk.wav").write_bytes(b"what is this" * 99)
    done = run("inspect", made / name, *arguments)
    assert done.code == code
    assert why in told(done.stderr)


def test_verify_needs_a_recording(tmp_path):
    assert "no such folder" in told(run("verify", tmp_path / "nowhere").stderr)
    done = run("verify", tmp_path)
    assert done.code == 1
    assert "config.json" in told(done.stderr)


def test_verify_prints_every_array_and_the_verdict():
    done = run("verify", GOLDEN / "spectrostream")
    assert done.code == 0, done.stdout + done.stderr
    heading, *rows, summary = done.stdout.splitlines()
    assert heading.split()[:4] == ["array", "max", "error", "tolerance"]
    assert sum("ok" in row.split() for row in rows) >= 5
    assert summary.endswith(": passed")


def test_verify_fails_with_one_wrong_array(tmp_path):
    changed = shutil.copytree(GOLDEN / "spectrostream", tmp_path / "changed")
    with np.load(changed / "decode.npz") as file:
        arrays = dict(file)
    for name, array in arrays.items():
        if array.dtype.kind == "f":
            arrays[name] = array + 0.1
    np.savez(changed / "decode.npz", **arrays)
    done = run("verify", changed)
    assert done.code == 1
    assert "FAIL" in done.stdout
    assert done.stdout.endswith(": FAILED\n")
    assert done.stderr == ""
