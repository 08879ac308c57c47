"""Replays: equal to their run, and exact about the values of a replaced stage."""

import math

import numpy as np
import pytest
from recorded import messages, record
from small_graphs import ALLOW, loops

import soundstage
from soundstage.errors import InputError, UsageError
from soundstage.runners.traces.trace import read_trace

TICKS = 3
STAGES = ["embed", "quantize", "pack", "sample", "decode", "crossfade", "remember"]
ROWS = [{"prompts": ["pads"], "seed": 3}, {"prompts": ["jazz", ("drums", 0.5)], "seed": 4}]
OTHER = ["other_stages"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a steered toy run of two rows, and a run that continues it."""
    folder = tmp_path_factory.mktemp("runs")
    graph = soundstage.load(preset="toy")
    steer = {2: {"temperature": 0.4}}
    state = record(folder / "fresh.arrow", graph, TICKS, ROWS, steer=steer)
    assert state.chunks == (TICKS, TICKS)
    record(folder / "resumed.arrow", graph, 2, ROWS, state=state)
    return folder


@pytest.fixture
def run(runs):
    return runs / "fresh.arrow"


@pytest.mark.parametrize("name", ["fresh.arrow", "resumed.arrow"])
def test_replay_equals_its_run(runs, name, tmp_path):
    again = tmp_path / "again.arrow"
    compared = soundstage.replay(runs / name, output=again)
    assert compared.equal
    assert compared.within(0)
    assert compared.first is None
    ticks = {"fresh.arrow": TICKS, "resumed.arrow": 2}[name]
    assert compared.ticks == (ticks, ticks)
    assert {port.stage for port in compared.ports} == {"in", *STAGES}
    assert sum(port.values for port in compared.ports) > 500_000
    assert messages(again) == messages(runs / name)
    assert soundstage.diff(runs / name, again).equal


@pytest.mark.parametrize("name", ["fresh.arrow", "resumed.arrow"])
@pytest.mark.parametrize("stage", STAGES)
def test_replay_of_each_stage_alone_equals_the_run(runs, name, stage):
    compared = soundstage.replay(runs / name, stage=stage)
    assert compared.equal
    assert {port.stage for port in compared.ports} == {stage}
    assert all(port.values for port in compared.ports)


@pytest.mark.parametrize("preset", ["tiny", "mrt2-tiny"])
def test_replay_of_real_networks_equals_their_run(tmp_path, preset):
    graph = soundstage.load(preset=preset)
    fresh, resumed = tmp_path / "fresh.arrow", tmp_path / "resumed.arrow"
    state = record(fresh, graph, 2, [{"prompts": ["pads"]}])
    # Its first tick rebuilds what a stage derives from its state.
    record(resumed, graph, 2, [{"prompts": ["pads"]}], state=state)
    again = tmp_path / "again.arrow"
    assert soundstage.replay(resumed, output=again).equal
    assert soundstage.diff(resumed, again).equal
    for stage in graph.nodes:
        assert soundstage.replay(resumed, stage=stage).equal, stage


@pytest.mark.parametrize("start", [0, 2])
def test_stages_with_feedback_are_replayed_from_any_state(tmp_path, start):
    graph = loops()
    rows = [{"number": 1}, {"number": 2}]
    state = record(tmp_path / "before.arrow", graph, start, rows) if start else None
    record(tmp_path / "run.arrow", graph, 4, rows, state=state, steer={1: {"number": 5}})
    for stage in [None, *graph.nodes]:
        compared = soundstage.replay(tmp_path / "run.arrow", stage, allow=ALLOW)
        assert compared.equal, stage
        assert compared.ticks == (4, 4)


def test_replay_with_an_equivalent_stage_is_equal(run):
    assert soundstage.replay(run, "decode", "other_stages:ScaledDecode", allow=OTHER).equal


@pytest.mark.parametrize("place", [(0, 0, 0, 0), (1, 1, 7, 3), (2, 1, 49, 15)])
def test_one_wrong_value_of_a_replaced_stage_is_named_exactly(run, place):
    tick, row, frame, level = place
    params = [f"chunk={tick}", f"row={row}", f"frame={frame}", f"level={level}"]
    compared = soundstage.replay(
        run, "sample", "other_stages:WrongOnce", params=params, allow=OTHER
    )
    first = compared.first
    assert not compared.equal
    assert (first.tick, first.stage, first.port, first.row) == (tick, "sample", "tokens", row)
    assert (first.index, first.dims) == ((frame, level), ("frame", "level"))
    assert first.left == first.right ^ 1
    (port,) = compared.ports
    assert (port.differing, port.max_error) == (1, 1.0)
    assert port.agreement_percent == pytest.approx(100 * (1 - 1 / port.values))


def test_replaced_codec_is_compared_in_db_and_with_a_tolerance(run):
    def replay(factor, tolerance=0.0):
        params = [f"factor={factor}"]
        use = "other_stages:ScaledDecode"
        return soundstage.replay(
            run, "decode", use, params=params, allow=OTHER, tolerance=tolerance
        )

    tenth = replay(0.9)
    assert tenth.ports[0].snr_db == pytest.approx(20, abs=0.01)
    assert not tenth.within(1e-4)
    assert replay(1.0001).within(1e-4)
    assert not replay(1.0001).equal
    assert replay(1.0001, tolerance=1e-4).equal
    assert math.isinf(replay(1.0).ports[0].snr_db)


def test_tolerance_does_not_apply_to_tokens(run):
    compared = soundstage.replay(
        run, "sample", "other_stages:WrongOnce", allow=OTHER, tolerance=10.0
    )
    assert not compared.equal
    assert not compared.within(10.0)


def test_replay_of_one_stage_writes_a_trace_of_its_messages(run, tmp_path):
    out = tmp_path / "decode.arrow"
    use = "other_stages:ScaledDecode"
    soundstage.replay(run, "decode", use, params=["factor=0.5"], allow=OTHER, output=out)
    trace = read_trace(out)
    assert trace.complete
    assert trace.spec.stage["decode"].use == use
    assert [list(tick) for tick in trace.ticks()] == [["decode"]] * TICKS
    compared = soundstage.diff(run, out, stage="decode")
    assert compared.ports[0].snr_db == pytest.approx(20 * math.log10(2), abs=0.01)
    assert any("stages.toy:SineDecode against" in note for note in compared.notes)
    with pytest.raises(InputError, match="has no message of 'in'"):
        soundstage.replay(out, allow=OTHER)
    with pytest.raises(InputError, match="has no message of 'remember'"):
        soundstage.replay(out, "decode", allow=OTHER)


def test_placement_makes_no_difference(run):
    assert soundstage.replay(run, placements=["decode=cpu"]).equal
    assert soundstage.replay(run, "decode", placements=["decode=cpu"]).equal
    with pytest.raises(soundstage.PipelineError, match="--place decode=auto"):
        soundstage.replay(run, "decode", placements=["decode=cpu:9"])


@pytest.mark.parametrize("stage", [None, "embed"])
def test_weights_other_than_the_recorded_ones_are_refused(tmp_path, stage):
    path, forged = tmp_path / "run.arrow", tmp_path / "forged.arrow"
    record(path, soundstage.load(preset="toy"), 1)
    digest = read_trace(path).weights["embed"]["digest"]
    forged.write_bytes(path.read_bytes().replace(digest.encode(), digest[::-1].encode()))
    with pytest.raises(InputError, match="stage 'embed' had other weights"):
        soundstage.replay(forged, stage)
    assert soundstage.replay(forged, "sample").equal
    assert soundstage.replay(forged, "embed", params=["weights=random:0"]).equal


def test_other_weights_by_params_are_compared(run):
    compared = soundstage.replay(run, "embed", params=["weights=random:1"])
    assert compared.first.tick == 0
    assert compared.ports[0].unequal == compared.ports[0].values


@pytest.mark.parametrize(
    ("cls", "reason"),
    [
        ("Talkative", r"decode\.loudness: .* recorded was nothing"),
        ("Renamed", "decode has no output 'audio'"),
        ("Short", "no input named 'context'"),
        ("Long", "input 'future' is not wired"),
    ],
)
def test_stage_with_other_ports_is_refused(run, cls, reason):
    with pytest.raises(soundstage.PipelineError, match=reason):
        soundstage.replay(run, "decode", f"other_stages:{cls}", allow=OTHER)


@pytest.mark.parametrize(
    ("arguments", "error", "reason"),
    [
        ({"stage": "decod"}, soundstage.PipelineError, "did you mean 'decode'"),
        ({"stage": "in"}, UsageError, "controls are no stage"),
        ({"use": "stages.toy:Gain"}, UsageError, "--stage"),
        ({"params": ["a=1"]}, UsageError, "--stage"),
        ({"stage": "decode", "params": ["a"]}, UsageError, "KEY=VALUE"),
        ({"stage": "decode", "params": ["a=1"]}, soundstage.PipelineError, "parameter named 'a'"),
        ({"stage": "decode", "use": "other_stages:X"}, soundstage.PipelineError, "--allow"),
        ({"tolerance": -1.0}, InputError, "tolerance -1"),
        ({"tolerance": float("nan")}, InputError, "tolerance nan"),
        ({"tolerance": float("inf")}, InputError, "tolerance inf"),
    ],
)
def test_bad_arguments_are_refused(run, arguments, error, reason):
    with pytest.raises(error, match=reason):
        soundstage.replay(run, **arguments)


def test_failed_stage_is_named_and_ends_the_trace(run, tmp_path):
    out = tmp_path / "out.arrow"
    use, allow = "broken_stages:RaisingDecode", ["broken_stages"]
    with pytest.raises(soundstage.StageFailed, match=r"'decode' failed at chunk 0"):
        soundstage.replay(run, "decode", use, allow=allow, output=out)
    with pytest.raises(InputError, match="is empty: the run was stopped"):
        read_trace(out)


def test_output_over_the_recorded_run_is_refused(run):
    before = run.read_bytes()
    with pytest.raises(UsageError, match="the recorded run itself"):
        soundstage.replay(run, output=run)
    assert run.read_bytes() == before


def test_killed_run_is_replayed_up_to_its_last_complete_tick(run, tmp_path):
    data = run.read_bytes()
    cut = tmp_path / "cut.arrow"
    cut.write_bytes(data[: int(0.9 * len(data))])
    compared = soundstage.replay(cut)
    assert compared.equal
    assert compared.ticks == (2, 2)
    assert any("was stopped" in note for note in compared.notes)
    cut.write_bytes(data[: int(0.2 * len(data))])
    with pytest.raises(InputError, match="before its first tick"):
        soundstage.replay(cut)


def test_message_that_was_replaced_is_found(run, tmp_path):
    """The message is replaced together with its checksum."""
    from soundstage.runners.traces.trace import open_trace

    graph = soundstage.load(preset="toy")
    trace = read_trace(run)
    session = soundstage.open(preset="toy", rows=ROWS)
    with session, open_trace(tmp_path / "x.arrow", graph, trace.weights, session.state, "1") as x:
        for number, tick in enumerate(trace.ticks()):
            if number == 1:
                wrong = np.frombuffer(tick["decode"], np.uint8).copy()
                last = np.flatnonzero(wrong[:-64])[-1]
                wrong[last] ^= 1
                tick = tick | {"decode": wrong.tobytes()}
            x.write_messages(tick)
    whole = soundstage.replay(tmp_path / "x.arrow")
    alone = soundstage.replay(tmp_path / "x.arrow", "decode")
    assert whole.first == alone.first
    assert (whole.first.tick, whole.first.stage, whole.first.port) == (1, "decode", "audio")
    assert sum(port.unequal for port in whole.ports) == 1
