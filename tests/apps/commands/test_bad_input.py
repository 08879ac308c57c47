"""Bad input of every kind: one line, the documented exit code, no traceback, no file."""

import importlib
import io
import os
import pkgutil
import re
import struct

import numpy as np
import pytest
import soundfile
from command_line import run, told

import soundstage
from soundstage import errors

OUTPUTS = ("--output", "--save", "--record")


@pytest.fixture
def files(tmp_path):
    """A folder of audio files, each with another defect."""
    tone = np.sin(np.arange(48_000) / 20)[:, None].astype(np.float32) * 0.3
    folder = tmp_path / "files"
    folder.mkdir()
    soundfile.write(folder / "good.wav", tone, 48_000)
    soundfile.write(folder / "silent.wav", 0 * tone, 48_000)
    hole = tone.copy()
    hole[1000] = np.nan
    soundfile.write(folder / "nan.wav", hole, 48_000, subtype="FLOAT")
    (folder / "empty.wav").touch()
    (folder / "junk.wav").write_bytes(b"what is this" * 99)
    (folder / "cut.flac").write_bytes(b"fLaC\0\0\0")
    _five_hours(folder / "long.wav")
    return folder


def _five_hours(path):
    """Writes a WAV header, eight-bit mono at 8 kHz, before a sparse file of five hours."""
    size = 5 * 3600 * 8_000
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8_000, 8_000, 1, 8)
    header = struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form
    with path.open("wb") as file:
        file.write(header + struct.pack("<4sI", b"data", size))
        file.truncate(len(header) + 8 + size)


@pytest.fixture
def refuse(tmp_path):
    """Runs a `generate` that must fail and change no file; returns its line."""

    def run_generate(*arguments, code):
        output = tmp_path / "out" / "old.wav"
        output.parent.mkdir(exist_ok=True)
        output.write_bytes(b"old")
        done = run("generate", "--preset", "toy", "--duration", 2, "-o", output, *arguments)
        assert done.code == code, done.stderr
        assert [path.name for path in output.parent.iterdir()] == ["old.wav"]
        assert output.read_bytes() == b"old"
        return told(done.stderr)

    return run_generate


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("silent.wav", "silent"),
        ("nan.wav", "nan"),
        ("empty.wav", "empty"),
        ("junk.wav", "converts others (M4A, AAC, WMA): ffmpeg -i IN OUT.wav"),
        ("cut.flac", "cut.flac"),
        ("long.wav", "lasts 5 h"),
        ("missing.wav", "No such file"),
    ],
)
def test_unusable_audio_prompt_is_refused(refuse, files, name, why):
    assert why in refuse("--audio", files / name, code=3)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["x" * 20_000], "20000 characters"),
        (["pads:0"], "all prompt weights are zero"),
        (["pads:0", "jazz:0"], "all prompt weights are zero"),
        (["--prompt", "pads:-1"], "weight -1"),
        (["pads:nan"], "weight nan"),
        (["pads:inf"], "weight inf"),
        (["\udcff"], "UTF-8"),
        (["--duration", "0"], "duration 0"),
        (["--duration", "-2"], "duration -2"),
        (["--duration", "nan"], "duration nan"),
        (["--duration", "inf"], "duration inf"),
        (["--duration", "1e9"], "more than 24 hours"),
        (["--duration", "1e-6"], "shorter than one sample"),
        (["--temperature", "nan"], "temperature"),
        (["--temperature", "-1"], "temperature"),
        (["--top-k", "-1"], "top_k"),
        (["--guidance", "inf"], "guidance"),
        (["--seed", "-1"], "seed"),
        (["--seed", str(10**30)], "seed"),
    ],
)
def test_value_outside_its_range_is_refused(refuse, arguments, why):
    assert why in refuse(*arguments, code=3)


def test_empty_prompt_is_valid(tmp_path):
    done = run("generate", "", "--preset", "toy", "--duration", 1, "-o", tmp_path / "out.wav")
    assert done.code == 0, done.stderr


@pytest.mark.parametrize("text", ["   ", "\t", "\u00a0", "\u200b", " \u2060:0.5", "\u3164"])
def test_prompt_of_blanks_is_refused(refuse, text):
    assert "has blanks only" in refuse(text, code=3)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--bogus"], "No such option"),
        (["--duration", "long"], "--duration"),
        (["--runner", "carrier-pigeon"], "not one of 'local'"),
        (["--seed", "1.5"], "--seed"),
    ],
)
def test_wrong_command_line_is_refused(refuse, arguments, why):
    assert why in refuse(*arguments, code=2)


def test_unknown_command_is_refused_with_a_suggestion():
    done = run("genrate")
    assert done.code == 2
    assert "'generate'" in told(done.stderr)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--preset", "toyy"], "did you mean 'toy'?"),
        (["--set", "decod.use=stages.toy:SineDecode"], "no stage named 'decod'"),
        (["--set", "decode.use=stages.toy:Nope"], "no class 'Nope'"),
        (["--set", "decode.use=stages.nowhere:Nope"], "stages.nowhere"),
        (["--set", "decode.use=os:system"], "--allow os"),
        (["--set", "decode.inputs.tokens=sample.tokenz"], "sample has no output 'tokenz'"),
        (["--set", "embed.params.wieghts=1"], "wieghts"),
        (["--set", "nonsense"], "not an override"),
        (["--set", "outputs.audio=decode.audio"], "outputs"),
        (["--place", "decoder=cpu"], "no stage named 'decoder'"),
        (["--place", "decode=abacus"], "'abacus' is not a device"),
        (["--place", "decode=cpu:99"], "cpu"),
        (["--pipeline", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_invalid_pipeline_is_refused(refuse, arguments, why):
    assert why in refuse(*arguments, code=4)


def test_every_problem_of_a_pipeline_has_a_line(tmp_path):
    wrong = ("--set", "decode.use=stages.toy:Nope", "--set", "sample.use=stages.toy:Neither")
    done = run("generate", "--preset", "toy", "-o", tmp_path / "out.wav", *wrong)
    assert done.code == 4
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("soundstage: stage.") for line in lines)


@pytest.mark.parametrize(
    ("option", "output", "why"),
    [
        ("--output", "out.aiff", ".flac"),
        ("--output", "out", ".flac"),
        *((option, "nowhere/out.wav", "no folder") for option in OUTPUTS),
        *((option, "folder.wav", "is a folder") for option in OUTPUTS),
    ],
)
def test_output_that_cannot_be_written_is_refused(tmp_path, monkeypatch, option, output, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.wav").mkdir()
    done = run("generate", "--preset", "toy", "--duration", 2, option, output)
    assert done.code == 6
    assert why in told(done.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.wav"]


@pytest.mark.skipif(os.name != "posix", reason="only POSIX deletes the folder of a process")
@pytest.mark.parametrize(
    ("option", "code", "why"),
    [("--pipeline", 4, "music: cannot read it"), ("--resume", 3, "music: cannot read it")],
)
def test_relative_file_in_a_deleted_folder_is_named(tmp_path, monkeypatch, option, code, why):
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    done = run("generate", option, "music", "--output", tmp_path / "out.wav")
    assert done.code == code
    assert why in told(done.stderr)


def test_two_outputs_with_one_path_are_refused(tmp_path):
    done = run("generate", "-o", tmp_path / "a.wav", "--record", tmp_path / "." / "a.wav")
    assert done.code == 2
    assert "--output" in told(done.stderr)


def test_damaged_and_missing_weights_are_refused(refuse, files):
    damaged = files / "damaged.safetensors"
    damaged.write_bytes(b"\x10\0\0\0\0\0\0\0{nothing good   ")
    for weights in (damaged, files / "none.safetensors", "no-such-model"):
        assert refuse("--set", f"quantize.params.weights={weights}", code=5)


def test_damaged_and_missing_session_files_are_refused(refuse, files):
    whole = files / "whole.session"
    with soundstage.open(preset="toy", prompts=["pads"]) as session:
        next(session)
        session.save(whole)
    data = whole.read_bytes()
    damaged = {
        "cut": data[: len(data) // 2],
        "short": data[:-1],
        "none": b"",
        "flipped": data[:30_000] + bytes([data[30_000] ^ 1]) + data[30_001:],
        "other": b"what is this" * 99,
    }
    for name, content in damaged.items():
        (files / name).write_bytes(content)
        assert name in refuse("--resume", files / name, code=3)
    assert "missing" in refuse("--resume", files / "missing", code=3)


def test_session_of_several_streams_is_refused(refuse, files):
    rows = [{"prompts": ["pads"]}, {"prompts": ["jazz"]}]
    with soundstage.open(preset="toy", rows=rows) as session:
        session.save(files / "two.session")
    assert "2 streams" in refuse("--resume", files / "two.session", code=3)


@pytest.mark.parametrize(
    ("stage", "code", "why"),
    [
        ("NanDecode", 7, "the first such number is from the stage 'decode'"),
        ("RaisingDecode", 7, "two and two are not five"),
        ("UnbuildableDecode", 7, "stage 'decode': broken_stages:UnbuildableDecode cannot be built"),
        ("GeneratorDecode", 7, "stage 'decode' failed at chunk 0: it returned generator"),
        ("NoneDecode", 7, "stage 'decode' failed at chunk 0: it returned NoneType"),
        ("OddNamesDecode", 7, "stage 'decode' failed at chunk 0"),
        ("ExitingDecode", 7, "stage 'decode' failed at chunk 0: SystemExit"),
        ("LeavingDecode", 7, "stage 'decode' failed at chunk 0: GeneratorExit"),
        ("JaxDecode", 7, "an array of another library: return np.asarray(value)"),
        ("UnknownWeightsDecode", 7, "stage 'decode': its weights_digest or weights_note raised"),
        ("UnreadableDecode", 4, "stage.decode: broken_stages:UnreadableDecode cannot be read"),
        ("UncallableDecode", 4, "broken_stages:UncallableDecode cannot be called with its inputs"),
        ("ArgumentlessDecode", 4, "broken_stages:ArgumentlessDecode cannot be built"),
    ],
)
def test_stage_that_fails_leaves_no_file(refuse, stage, code, why):
    swap = ("--set", f"decode.use=broken_stages:{stage}", "--allow", "broken_stages")
    assert why in refuse(*swap, "--quiet", code=code)


def test_debug_prints_the_traceback(tmp_path):
    done = run("generate", "pads:nan", "--preset", "toy", "-o", tmp_path / "out.wav", "--debug")
    assert done.code == 3
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("soundstage: prompt 'pads'")


def test_control_characters_do_not_reach_the_terminal(refuse):
    line = refuse("--audio", "\x1b[2Jno\nsuch.wav", code=3)
    assert "\x1b" not in line


def subclasses(kind):
    """Yields all subclasses of a class, at every depth."""
    for subclass in kind.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


def test_every_error_has_one_base_and_a_documented_exit_code():
    for module in pkgutil.walk_packages(soundstage.__path__, "soundstage."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    kinds = {errors.Error, *subclasses(errors.Error)}
    assert len(kinds) > 30
    documented = {int(code) for code in re.findall(r"^\| (\d+) ", errors.__doc__, re.MULTILINE)}
    assert {kind.exit_code for kind in kinds} <= documented
    ours = {kind for kind in subclasses(Exception) if kind.__module__.startswith("soundstage.")}
    warnings = {kind for kind in ours if issubclass(kind, Warning)}
    assert warnings == {errors.SoundstageWarning, *subclasses(errors.SoundstageWarning)}
    # Exceptions that end a loop or a block and are caught where it began.
    signals = {"CommandFailed", "Gone", "Lost", "ReaderGone", "_Lost", "_Untouched"}
    assert {kind.__qualname__ for kind in ours - kinds - warnings} == signals


def test_audio_prompt_is_read_from_standard_input(tmp_path, files, monkeypatch):
    output = tmp_path / "out.wav"
    arguments = ["generate", "--preset", "toy", "--duration", 0.1, "--quiet", "-o", output]
    for data, code, words in (((files / "good.wav").read_bytes(), 0, ""), (b"", 3, "is empty")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        done = run(*arguments, "--audio", "-:0.5")
        assert done.code == code, done.stderr
        assert words in done.stderr
    assert b"standard-input" in output.read_bytes()
    assert "given twice" in told(run(*arguments, "--audio", "-", "--audio", "-").stderr)
    line = told(run(*arguments, "--inject", "-", "--preset", "toy-inject").stderr)
    assert "standard input cannot be read here" in line
