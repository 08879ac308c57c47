"""`soundstage inspect` and `soundstage verify`: their output and exit codes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from command_line import run, told

import soundstage
from soundstage.apps.commands.main import app

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the audio, the session and the trace of one `generate`."""
    folder = tmp_path_factory.mktemp("inspect")
    outputs = ("--save", folder / "out.session", "--record", folder / "out.arrow")
    prompts = ("warm pads", "--prompt", "jazz:0.5", "--seed", 7)
    arguments = (*prompts, "--preset", "toy", "--duration", 3, "-o", folder / "out.flac")
    assert run("generate", *arguments, *outputs).code == 0
    return folder


def test_audio_is_printed_with_format_and_provenance(folder):
    done = run("inspect", folder / "out.flac")
    assert done.code == 0
    for fact in ("FLAC", "48000 Hz, stereo", "3.00 s", "jazz (0.5)", "seed        7", "toy"):
        assert fact in done.stdout


def test_session_is_printed_with_pipeline_and_chunks(folder):
    done = run("inspect", folder / "out.session")
    assert done.code == 0, done.stderr
    for fact in ("pipeline toy", "warm pads", "jazz (0.5)", "seed        7", "chunks      2"):
        assert fact in done.stdout


def test_trace_is_printed_with_ticks_and_messages(folder):
    done = run("inspect", folder / "out.arrow")
    assert done.code == 0
    for fact in ("pipeline toy", "ticks       2\n", "crossfade: ", "embed: random weights"):
        assert fact in done.stdout
    data = (folder / "out.arrow").read_bytes()
    (folder / "cut.arrow").write_bytes(data[: 3 * len(data) // 4])
    assert "ticks       1, cut short" in run("inspect", folder / "cut.arrow").stdout


def test_json_of_audio_session_and_trace_agrees(folder):
    names = ("out.flac", "out.session", "out.arrow")
    audio, session, record = (
        json.loads(run("inspect", folder / name, "--json").stdout) for name in names
    )
    digest = audio["provenance"]["graph_hash"]
    assert session["graph"] == record["graph"] == digest
    assert session["streams"][0]["prompts"] == audio["provenance"]["prompts"]
    assert session["streams"][0]["weights"] == record["weights"] == audio["provenance"]["weights"]
    assert record["ticks"] == session["streams"][0]["chunks"] == 2


def test_session_with_a_stage_from_outside_needs_allow(tmp_path):
    outside = {"settings": ["decode.use=other_stages:ScaledDecode"], "allow": ["other_stages"]}
    with soundstage.open("toy", **outside) as session:
        session.save(tmp_path / "a.session")
    done = run("inspect", tmp_path / "a.session")
    assert (done.code, "allow it with --allow other_stages" in told(done.stderr)) == (4, True)
    done = run("inspect", tmp_path / "a.session", "--allow", "other_stages")
    assert (done.code, "pipeline toy" in done.stdout) == (0, True)


def test_every_command_that_imports_stages_can_be_told_which():
    commands = typer.main.get_command(app).commands
    # These import no class that a file names.
    without = {
        name
        for name, command in commands.items()
        if not any("--allow" in parameter.opts for parameter in command.params)
    }
    assert without == {
        "plan",
        "diff",
        "verify",
        "presets",
        "models",
        "new-stage",
        "health",
        "top",
    }


def test_level_of_silence_is_null_in_json(tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros((4800, 1)), 48_000)
    done = run("inspect", tmp_path / "silent.wav", "--json")
    assert json.loads(done.stdout)["peak_dbfs"] is None


def test_plot_is_a_png(folder, tmp_path):
    pytest.importorskip("matplotlib")
    done = run("inspect", folder / "out.flac", "--plot", tmp_path / "out.png")
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
def test_file_that_cannot_be_inspected_is_refused(folder, name, arguments, code, why):
    (folder / "junk.wav").write_bytes(b"what is this" * 99)
    done = run("inspect", folder / name, *arguments)
    assert done.code == code
    assert why in told(done.stderr)


def test_verify_without_a_recording_is_refused(tmp_path):
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


def test_verify_with_a_wrong_array_exits_with_1(tmp_path):
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
