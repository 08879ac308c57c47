"""Comparisons of two runs: the first difference, and the measures of all."""

import json
import math
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from recorded import record
from small_graphs import ALLOW, loops
from small_messages import DIMS, PORTS, encoded, small_values

import soundstage
from soundstage.errors import InputError
from soundstage.graph import wire
from soundstage.graph.port import Port
from soundstage.runners.traces.comparison import Comparer
from soundstage.runners.traces.message_columns import read_columns

AUDIO = Port("float32", ("sample",), "audio", "1.0 = full scale")
TOKENS = Port("int32", ("frame", "level"), "codec token")
SEED = Port("int64", (), "seed")
EMBEDDING = Port("float32", ("level",), "style embedding")
TEXTS = Port("utf8", ("~text",), "prompt")
CLIPS = Port("float32", ("~clip", "sample"), "audio")


def one(port, value, streams=("a",), chunks=(0,)):
    value = value if port.ragged else np.asarray(value, port.dtype)
    return wire.encode({"it": port}, {"it": value}, streams, chunks, DIMS)


def compare(port, left, right, tolerance=0.0):
    """Compares one message of one row."""
    comparer = Comparer("left", "right", tolerance)
    comparer.add({"s": one(port, [left])}, {"s": one(port, [right])})
    return comparer.finish()


def test_columns_are_read_by_the_schema_of_the_message():
    columns = read_columns(encoded())
    assert (columns.streams, columns.chunks) == (("a", "b"), (3, 4))
    assert list(columns.ports) == list(PORTS)
    assert {name: column.kind for name, column in columns.ports.items()} == {
        name: port.kind for name, port in PORTS.items()
    }
    dtypes = {name: column.dtype for name, column in columns.ports.items()}
    assert dtypes == {name: port.dtype for name, port in PORTS.items()}
    assert columns.ports["tokens"].spelled_type == "int32 [frame=3 level=2] codec token"
    for name, value in small_values().items():
        for row, expected in enumerate(value):
            assert columns.ports[name].rows[row].tolist() == np.asarray(expected).tolist()


@settings(max_examples=150)
@given(data=st.data())
def test_one_changed_value_anywhere_is_named_exactly(data):
    tick = data.draw(st.integers(0, 2))
    stage = data.draw(st.sampled_from(["one", "two"]))
    name = data.draw(st.sampled_from(list(PORTS)))
    row = data.draw(st.integers(0, 1))
    values = small_values()
    entry = np.array(values[name][row], object if PORTS[name].dtype == "utf8" else None)
    index = tuple(data.draw(st.integers(0, max(size - 1, 0))) for size in entry.shape)
    assume(entry.size)
    before = entry[index]
    entry[index] = before + "!" if isinstance(before, str) else before + 1
    if name == "title":
        values[name][row] = str(entry)
    elif isinstance(values[name], list):
        values[name][row] = entry.tolist() if PORTS[name].dtype == "utf8" else entry
    else:
        values[name][row] = entry
    comparer = Comparer("left", "right")
    for number in range(3):
        right = {"one": encoded(), "two": encoded()}
        if number == tick:
            right[stage] = encoded(values)
        comparer.add({"one": encoded(), "two": encoded()}, right)
    comparison = comparer.finish()
    first = comparison.first
    assert not comparison.equal
    assert (first.tick, first.stage, first.port, first.row) == (tick, stage, name, row)
    assert (first.stream, first.index) == ("ab"[row], index)
    assert (first.left, first.right) == (before, entry[index])
    assert [(p.stage, p.port) for p in comparison.ports if p.unequal] == [(stage, name)]
    assert sum(port.differing for port in comparison.ports) == 1
    assert f"tick {tick}, stage {stage}, port {name}, row {row}, " in str(comparison)


def test_first_difference_follows_the_order_of_messages():
    comparer = Comparer("left", "right")
    same, other = one(SEED, [1]), one(SEED, [2])
    comparer.add({"x": same, "y": same}, {"y": same, "x": same})
    comparer.add({"x": same, "y": same}, {"y": other, "x": other})
    assert (comparer.finish().first.tick, comparer.finish().first.stage) == (1, "x")


@pytest.mark.parametrize("decibels", [0, 6, 20, 60])
def test_audio_has_a_snr_in_db_over_all_ticks(decibels):
    noise = np.random.default_rng(0)
    left = noise.normal(0, 0.3, (4, 5))
    error = noise.normal(0, 1, left.shape)
    error *= np.sqrt(np.sum(left**2) / np.sum(error**2)) * 10 ** (-decibels / 20)
    comparer = Comparer("left", "right")
    for one_left, one_error in zip(left, error, strict=True):
        messages = ({"s": one(AUDIO, [value])} for value in (one_left, one_left + one_error))
        comparer.add(*messages)
    (port,) = comparer.finish().ports
    assert port.snr_db == pytest.approx(decibels, abs=1e-3)
    assert port.max_error == pytest.approx(np.abs(error).max(), rel=1e-3)
    assert port.agreement_percent is None


def test_snr_of_equal_silent_and_nan_audio():
    assert compare(AUDIO, np.ones(5), np.ones(5)).ports[0].snr_db == math.inf
    assert compare(AUDIO, np.zeros(5), np.ones(5)).ports[0].snr_db == -math.inf
    assert math.isnan(compare(AUDIO, np.ones(5), np.full(5, np.nan)).ports[0].snr_db)
    assert compare(EMBEDDING, np.ones(2), np.zeros(2)).ports[0].snr_db is None


def test_agreement_of_tokens_is_never_rounded_up_to_100_percent():
    left = np.zeros((3, 2))
    right = left.copy()
    right[2, 1] = 7
    (port,) = compare(TOKENS, left, right).ports
    assert port.agreement_percent == pytest.approx(100 * 5 / 6)
    assert (port.values, port.differing, port.max_error) == (6, 1, 7)
    many, dims = Port("int32", ("sample",), "codec token"), {"sample": 30_000}
    ones = np.ones((1, 30_000), np.int32)
    one_less = ones.copy()
    one_less[0, 9] = 0
    comparer = Comparer("left", "right")
    messages = (wire.encode({"it": many}, {"it": v}, "a", (0,), dims) for v in (ones, one_less))
    comparer.add(*({"s": message} for message in messages))
    assert "99.99 %" in str(comparer.finish())


def test_error_of_whole_numbers_is_exact():
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    assert compare(SEED, low, high).ports[0].max_error == 2.0**64
    assert compare(SEED, high, high - 1).ports[0].max_error == 1


@pytest.mark.parametrize(
    ("left", "right", "error", "within"),
    [
        (1.0, 1.25, 0.25, True),
        (1.0, 1.5, 0.5, False),
        (0.0, -0.0, 0.0, True),
        (np.nan, 1.0, np.inf, False),
        (np.inf, 1.0, np.inf, False),
        (np.inf, -np.inf, np.inf, False),
        (-np.inf, -np.inf, 0.0, True),
        (np.nan, np.nan, 0.0, True),
    ],
)
def test_tolerance_is_the_largest_allowed_error(left, right, error, within):
    exact, loose = (compare(EMBEDDING, [0, left], [0, right], t) for t in (0.0, 0.25))
    assert loose.equal == within
    assert exact.within(0.25) == loose.within(0.25) == within
    assert exact.ports[0].max_error == error
    same = np.float32(left).tobytes() == np.float32(right).tobytes()
    assert exact.equal == exact.within(0) == bool(exact) == same
    assert (loose.first is None) == within


def test_first_difference_is_the_first_beyond_the_tolerance():
    comparison = compare(AUDIO, [0, 0, 0, 0, 0], [0, 0.1, 0.2, 0.9, 0.8], 0.5)
    assert comparison.first.index == (3,)
    assert (comparison.ports[0].unequal, comparison.ports[0].differing) == (4, 2)


@pytest.mark.parametrize(
    ("port", "left", "right", "index", "values", "differing"),
    [
        (TEXTS, ["a", "b"], ["a", "c"], (1,), 2, 1),
        (TEXTS, ["a"], ["a", "b", "c"], (1,), 3, 2),
        (TEXTS, ["x", "b"], ["a"], (0,), 2, 2),
        (TEXTS, [], ["a"], (0,), 1, 1),
        (CLIPS, np.zeros((1, 5), np.float32), np.zeros((2, 5), np.float32), (1, 0), 10, 5),
        (CLIPS, np.zeros((0, 5), np.float32), np.ones((1, 5), np.float32), (0, 0), 5, 5),
    ],
)
def test_rows_of_different_length_differ_from_the_shorter_end(
    port, left, right, index, values, differing
):
    comparison = compare(port, left, right, tolerance=9.0)
    assert comparison.first.index == index
    assert (comparison.ports[0].values, comparison.ports[0].differing) == (values, differing)
    assert not comparison.within(9.0)
    assert "nothing" in str(comparison) or len(left) == len(right) or index == (0,)


@pytest.mark.parametrize(
    ("left", "right", "fault"),
    [
        ({"x": one(SEED, [1])}, {}, "only left has messages of these stages: x"),
        ({}, {"x": one(SEED, [1])}, "only right has messages of these stages: x"),
        ({"x": one(SEED, [1])}, {"x": one(EMBEDDING, [[1, 1]])}, "s.it is int64"),
        ({"x": one(SEED, [1])}, {"x": one(SEED, [1], ("b",))}, "streams [a] against [b]"),
        ({"x": one(SEED, [1])}, {"x": one(SEED, [1], chunks=(4,))}, "chunks [0] against [4]"),
        ({"x": one(SEED, [1])}, {"x": one(SEED, [1, 1], "ab", (0, 0))}, "[a] against [a, b]"),
        ({"x": one(SEED, [1])}, {"x": encoded()}, "port x.it is in left and not in right"),
    ],
)
def test_part_that_only_one_run_has_is_a_fault(left, right, fault):
    comparer = Comparer("left", "right", 1e9)
    comparer.add(left, right)
    comparer.add(left, right)
    comparison = comparer.finish()
    assert not comparison.equal
    assert not comparison.within(1e9)
    assert str(comparison).count(fault.removeprefix("s.")) == 1


def test_damaged_message_is_refused_with_tick_and_stage():
    comparer = Comparer("left", "right")
    comparer.add({"s": one(SEED, [1])}, {"s": one(SEED, [1])})
    with pytest.raises(InputError, match="right: tick 1, stage 's': this is not a message"):
        comparer.add({"s": one(SEED, [1])}, {"s": b"junk"})


def test_table_is_aligned_and_json_is_valid():
    comparison = compare(AUDIO, np.zeros(5), np.full(5, np.nan))
    summary, _, heading, row = str(comparison).splitlines()[0], *str(comparison).splitlines()[-3:]
    assert summary == "left and right differ: 1 tick, 1 port compared"
    assert row.index("audio") == heading.index("kind")
    assert row.index(" 5 ") + 2 == heading.index("values") + len("values")
    assert row.index("inf") + 3 == heading.index("max error") + len("max error")
    assert len(row) == len(heading)
    facts = json.loads(comparison.as_json())
    assert facts["equal"] is False
    assert facts["first"]["index"] == [0]
    assert facts["first"]["right"] is None
    assert facts["ports"][0]["max_error"] is None
    assert "differ" in repr(comparison)
    assert len(repr(comparison).splitlines()) == 1


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two runs of a small graph; the second is steered at tick 2 and one tick shorter."""
    folder = tmp_path_factory.mktemp("pair")
    record(folder / "a.arrow", loops(), 4)
    record(folder / "b.arrow", loops(), 3, steer={2: {"number": 9}})
    return folder


def test_diff_reports_the_first_difference_and_the_lengths(pair):
    comparison = soundstage.diff(pair / "a.arrow", pair / "b.arrow")
    assert (comparison.left, comparison.right, comparison.ticks) == ("a.arrow", "b.arrow", (4, 3))
    assert (comparison.first.tick, comparison.first.stage, comparison.first.port) == (
        2,
        "in",
        "number",
    )
    assert (comparison.first.left, comparison.first.right) == (1, 9)
    assert comparison.faults == ("a.arrow has 4 ticks and b.arrow has 3",)
    only = soundstage.diff(pair / "a.arrow", pair / "b.arrow", stage="both")
    assert {port.stage for port in only.ports} == {"both"}
    with pytest.raises(soundstage.PipelineError, match="did you mean 'both'"):
        soundstage.diff(pair / "a.arrow", pair / "b.arrow", stage="bth")
    assert soundstage.diff(pair / "a.arrow", pair / "a.arrow").equal


def test_diff_notes_other_pipelines_weights_and_versions(pair, tmp_path):
    record(tmp_path / "a.arrow", soundstage.load(preset="toy"), 1)
    settings = ["embed.params.weights=random:1", "decode.use=other_stages:ScaledDecode"]
    graph = soundstage.load(preset="toy", settings=settings, allow=["other_stages"])
    record(tmp_path / "b.arrow", graph, 1)
    comparison = soundstage.diff(tmp_path / "a.arrow", tmp_path / "b.arrow")
    notes = "\n".join(comparison.notes)
    assert "decode is stages.toy:SineDecode against other_stages:ScaledDecode" in notes
    assert "the settings or inputs of embed" in notes
    assert "the weights of embed differ: random weights, seed 0: for tests against" in notes
    assert "weights of quantize" not in notes
    assert comparison.first.stage == "embed"
    assert f"{pair / 'a.arrow'}" in str(soundstage.diff(pair / "a.arrow", tmp_path / "a.arrow"))
    only = soundstage.diff(tmp_path / "a.arrow", tmp_path / "b.arrow", stage="decode")
    assert "weights" not in "\n".join(only.notes)


@settings(max_examples=150)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_damaged_file_is_refused_or_read(pair, where, bit):
    path = pair / "damaged.arrow"
    data = bytearray((pair / "a.arrow").read_bytes())
    data[int(where * len(data))] ^= 1 << bit
    path.write_bytes(data)
    for read in (lambda: soundstage.diff(path, pair / "a.arrow"), lambda: _replay(path)):
        with suppress(InputError, soundstage.PipelineError):
            assert str(read())


def _replay(path):
    return soundstage.replay(path, "both", allow=ALLOW)
