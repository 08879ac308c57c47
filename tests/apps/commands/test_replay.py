"""`soundstage replay` and `soundstage diff`: their output and exit codes."""

import json

import pytest
from command_line import run, told
from recorded import record

import soundstage
from soundstage.runners.traces.trace import read_trace

SWAP = ("--stage", "decode", "--use", "other_stages:ScaledDecode", "--allow", "other_stages")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a recorded run of two ticks, its continuation, and damaged runs."""
    folder = tmp_path_factory.mktemp("runs")
    files = ("-o", folder / "a.wav", "--save", folder / "a.session", "--record")
    first = ("generate", "warm pads", "--preset", "toy", "--duration", 4, "-q")
    assert run(*first, *files, folder / "a.arrow").code == 0
    resume = ("generate", "--resume", folder / "a.session", "--duration", 2, "-q", "-o")
    assert run(*resume, folder / "b.wav", "--record", folder / "b.arrow").code == 0
    data = (folder / "a.arrow").read_bytes()
    (folder / "cut.arrow").write_bytes(data[: 3 * len(data) // 4])
    (folder / "stub.arrow").write_bytes(data[: len(data) // 4])
    (folder / "junk.arrow").write_bytes(b"what is this" * 99)
    (folder / "empty.arrow").touch()
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 1
    (folder / "damaged.arrow").write_bytes(damaged)
    return folder


@pytest.mark.parametrize("name", ["a.arrow", "b.arrow", "cut.arrow"])
@pytest.mark.parametrize("options", [(), ("--stage", "crossfade"), ("--place", "sample=cpu")])
def test_equal_replay_exits_with_0(runs, name, options):
    done = run("replay", runs / name, *options)
    assert done.code == 0, done.stderr
    ticks = {"a.arrow": "2 ticks", "b.arrow": "1 tick", "cut.arrow": "1 tick"}[name]
    assert done.stdout.startswith(f"{name} and its replay are equal: {ticks}, ")
    assert ("was stopped" in done.stdout) == (name == "cut.arrow")
    assert "crossfade.audio" in done.stdout


def test_different_stage_exits_with_1_and_within_tolerance_with_0(runs):
    done = run("replay", runs / "a.arrow", *SWAP, "--param", "factor=0.9")
    assert done.code == 1
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "a.arrow and its replay differ: 2 ticks, 1 port compared"
    assert lines[1].startswith("first: tick 0, stage decode, port audio, row 0, [faded_sample=19")
    assert lines[-1].endswith("20.0 dB")
    loose = run("replay", runs / "a.arrow", *SWAP, "--param", "factor=0.9", "--tolerance", 0.05)
    assert loose.code == 0
    assert "are equal within 0.05" in loose.stdout


def test_json_of_replay_holds_ports_and_first_difference(runs):
    done = run("replay", runs / "a.arrow", *SWAP, "--param", "factor=0.9", "--json")
    assert done.code == 1
    facts = json.loads(done.stdout)
    assert facts["equal"] is False
    assert facts["ports"][0]["snr_db"] == pytest.approx(20, abs=0.01)
    assert (facts["first"]["tick"], facts["first"]["port"]) == (0, "audio")
    assert json.loads(run("replay", runs / "a.arrow", "--json").stdout)["equal"] is True


def test_trace_of_a_replay_can_be_diffed(runs, tmp_path):
    out = tmp_path / "out.arrow"
    assert run("replay", runs / "a.arrow", "-o", out).code == 0
    same = run("diff", runs / "a.arrow", out)
    assert same.code == 0
    assert same.stdout.startswith("a.arrow and out.arrow are equal: 2 ticks")
    assert read_trace(out).complete
    assert run("replay", runs / "a.arrow", *SWAP, "--param", "factor=2", "-o", out).code == 1
    assert run("diff", runs / "a.arrow", out, "--stage", "decode", "--tolerance", 1).code == 0
    other = run("diff", runs / "a.arrow", out, "--stage", "decode", "--json")
    assert other.code == 1
    assert json.loads(other.stdout)["ports"][0]["snr_db"] == pytest.approx(0, abs=0.01)


def test_diff_names_the_first_steered_tick(runs, tmp_path):
    graph = soundstage.load(preset="toy")
    rows = [{"prompts": ["warm pads"]}]
    record(tmp_path / "a.arrow", graph, 2, rows, steer={1: {"seed": 9}})
    done = run("diff", runs / "a.arrow", tmp_path / "a.arrow")
    assert done.code == 1
    assert "first: tick 1, stage in, port seed, row 0, []: 0 against 9" in done.stdout
    assert "note: recorded by soundstage" in done.stdout


def test_diff_of_a_run_and_its_continuation_names_the_chunks(runs):
    done = run("diff", runs / "a.arrow", runs / "b.arrow")
    assert done.code == 1
    assert "tick 0 has chunks [0] against [2]" in done.stdout
    assert "a.arrow has 2 ticks and b.arrow has 1" in done.stdout


@pytest.mark.parametrize("command", ["replay", "diff"])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing.arrow", "No such file"),
        ("junk.arrow", "is no recorded run"),
        ("empty.arrow", "is empty"),
        ("a.session", "is no recorded run"),
        ("a.wav", "is no recorded run"),
        ("damaged.arrow", "damaged"),
        ("stub.arrow", "before its first tick"),
        (".", "cannot be read"),
    ],
)
def test_file_that_is_not_a_recorded_run_is_refused(runs, command, name, why):
    others = [runs / "a.arrow"] if command == "diff" else []
    done = run(command, *others, runs / name)
    assert done.code == 3
    assert why in told(done.stderr)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("options", "code", "why"),
    [
        (["--stage", "decod"], 4, "did you mean 'decode'?"),
        (["--stage", "in"], 2, "controls are no stage"),
        (["--use", "stages.toy:SineDecode"], 2, "--stage"),
        (["--param", "a=1"], 2, "--stage"),
        (["--stage", "decode", "--param", "a.b=1"], 2, "KEY=VALUE"),
        (["--stage", "decode", "--param", "a=1"], 4, "no parameter named 'a'"),
        (["--stage", "decode", "--use", "other_stages:ScaledDecode"], 4, "--allow other_stages"),
        (["--stage", "decode", "--use", "stages.toy:Sine"], 4, "Sine"),
        (["--stage", "quantize", "--param", "weights=nowhere"], 5, "no weights called nowhere"),
        (
            [*SWAP[:2], "--use", "broken_stages:RaisingDecode", "--allow", "broken_stages"],
            7,
            "at chunk 0",
        ),
        (["--place", "decod=cpu"], 4, "no stage named 'decod'"),
        (["--place", "decode=gpu:7"], 4, "gpu"),
        (["--tolerance", "-1"], 3, "tolerance -1"),
        (["--tolerance", "nan"], 3, "tolerance nan"),
        (["--tolerance", "much"], 2, "--tolerance"),
        (["--output", "nowhere/x.arrow"], 6, "no folder nowhere"),
        (["--bogus"], 2, "No such option"),
    ],
)
def test_invalid_option_of_replay_is_refused_in_one_line(runs, options, code, why):
    done = run("replay", runs / "a.arrow", *options)
    assert done.code == code, done.stderr
    assert why in told(done.stderr)


def test_replay_that_would_overwrite_its_run_is_refused(runs):
    before = (runs / "a.arrow").read_bytes()
    done = run("replay", runs / "a.arrow", "-o", runs / "a.arrow")
    assert done.code == 2
    assert "the recorded run itself" in told(done.stderr)
    assert (runs / "a.arrow").read_bytes() == before


def test_replay_with_other_weights_is_refused(runs, tmp_path):
    data = (runs / "a.arrow").read_bytes()
    digest = read_trace(runs / "a.arrow").weights["embed"]["digest"].encode()
    (tmp_path / "forged.arrow").write_bytes(data.replace(digest, digest[::-1]))
    done = run("replay", tmp_path / "forged.arrow")
    assert done.code == 3
    assert "stage 'embed' had other weights" in told(done.stderr)


def test_run_with_a_changed_pipeline_is_refused_as_damaged(runs, tmp_path):
    data = (runs / "a.arrow").read_bytes()
    (tmp_path / "x.arrow").write_bytes(data.replace(b"stages.toy:Sine", b"stages.toy:Wine"))
    done = run("replay", tmp_path / "x.arrow")
    assert done.code == 3
    assert "does not match what was recorded" in told(done.stderr)


def test_diff_of_an_unknown_stage_is_refused(runs):
    done = run("diff", runs / "a.arrow", runs / "b.arrow", "--stage", "crosfade")
    assert done.code == 4
    assert "did you mean 'crossfade'?" in told(done.stderr)
