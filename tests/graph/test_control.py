"""Control values are converted to what their port carries, or refused with a reason."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.graph import wire
from soundstage.graph.control import ControlError, read_number, to_row
from soundstage.graph.port import Port

DIMS = {"level": 2, "sample": 3}
TEMPERATURE = Port("float32", (), "temperature", "[0, 4]", 0, 4)
TOP_K = Port("int32", (), "top k", ">= 1", 1)
SEED = Port("int64", (), "seed")
PAN = Port("float32", ("level",), "pan")
WEIGHTS = Port("float32", ("~text",), "weight", ">= 0", 0)
CLIPS = Port("float32", ("~clip", "sample"), "audio")
PITCH = Port("float32", (), "pitch", "semitones", -24, 24)
TITLE = Port("utf8", (), "title")
TEXTS = Port("utf8", ("~text",), "prompt")
PORTS = [TEMPERATURE, TOP_K, SEED, PAN, WEIGHTS, CLIPS, TITLE, TEXTS, Port("uint8", (), "byte")]
PORTS += [Port("float16", (), "half")]

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-4, 4)
    | st.floats()
    | st.sampled_from([2.0**63, -(2.0**63), 1e39, 65_504.0, 65_520.0, 2**63, 10**400])
    | st.complex_numbers()
    | st.text(st.characters(), max_size=3)
    | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=1), inner, max_size=1)
    ),
    max_leaves=6,
)


@settings(max_examples=2000)
@given(anything, st.sampled_from(PORTS))
def test_any_value_fits_its_port_or_is_refused_by_name(value, port):
    try:
        row = to_row("knob", value, port, DIMS)
    except ControlError as error:
        refusal = str(error)
    else:
        refusal = None
    if refusal is not None:
        assert refusal.startswith("knob: ")
        assert len(refusal) < 200
        return
    is_list = port.ragged or port.dtype == "utf8"
    wire.encode({"knob": port}, {"knob": [row] if is_list else np.stack([row])}, ["a"], [0], DIMS)
    if port.dtype != "utf8" and np.size(row):
        assert np.isfinite(row).all()
        assert np.min(row) >= (-np.inf if port.minimum is None else port.minimum)
        assert np.max(row) <= (np.inf if port.maximum is None else port.maximum)
        assert np.allclose(np.asarray(row, float), np.asarray(value, float), rtol=1e-3, atol=1e-3)


@given(st.integers(-(2**63), 2**63 - 1))
def test_whole_number_is_kept_exactly(number):
    assert to_row("seed", number, SEED, DIMS) == number


@given(st.floats(0, 4, width=32))
def test_number_in_range_is_kept_exactly(number):
    row = to_row("temperature", number, TEMPERATURE, DIMS)
    assert row == number
    assert row.dtype == np.float32


@pytest.mark.parametrize("value", [3, 3.0, np.int8(3), np.float64(3), np.array(3)])
def test_whole_number_may_be_of_any_number_type(value):
    row = to_row("top_k", value, TOP_K, DIMS)
    assert row == 3
    assert row.dtype == np.int32


@pytest.mark.parametrize(
    ("value", "port", "reason"),
    [
        (4.5, TEMPERATURE, "4.5 is outside the range [0, 4]"),
        (-0.1, TEMPERATURE, "-0.1 is outside the range [0, 4]"),
        (float("nan"), TEMPERATURE, "nan is not a finite number"),
        (float("inf"), SEED, "inf is not a finite number"),
        ([0.5, float("nan")], WEIGHTS, "[0.5, nan] is not a finite number"),
        (True, TEMPERATURE, "expected a number, got True"),
        ([True], WEIGHTS, "expected a list of float32, got [True]"),
        ([0.5, True], WEIGHTS, "expected a list of float32, got [0.5, True]"),
        ("1.0", TEMPERATURE, "expected a number, got '1.0'"),
        (None, TEMPERATURE, "expected a number, got None"),
        (1j, TEMPERATURE, "expected a number, got 1j"),
        (2.5, TOP_K, "expected a whole number, got 2.5"),
        (0, TOP_K, "0 is outside the range >= 1"),
        ("7", SEED, "expected a whole number, got '7'"),
        (
            30,
            Port("float32", (), "pitch", "semitones", -24, 24),
            "30 is outside the range [-24, 24] s",
        ),
        (2**31, TOP_K, "2147483648 is outside the range >= 1"),
        (2**63, SEED, "9223372036854775808 is outside the range [-9223372036854775808, 92233720"),
        (2.0**63, SEED, "9.223372036854776e+18 is outside the range [-9223372036854775808, 92233"),
        (1e39, PAN, "expected float32, got 1e+39"),
        ([1e39, 0], PAN, "[1e+39, 0.0] is outside the range"),
        ([1.0], PAN, "expected float32, got [1.0]"),
        ([1.0, 2.0, 3.0], PAN, "expected float32, got [1.0, 2.0, 3.0]"),
        (1.0, WEIGHTS, "expected a list of float32, got 1.0"),
        ([[1.0]], WEIGHTS, "expected a list of float32, got [[1.0]]"),
        ([-1.0], WEIGHTS, "[-1.0] is outside the range >= 0"),
        ([[0.0], [0.0, 0.0]], CLIPS, "expected numbers, got [[0.0], [0.0, 0.0]]"),
        ([1.5, 10**400], WEIGHTS, "expected a list of float32, got [1.5, 1000"),
        (np.zeros((2, 4)), CLIPS, "expected a list of float32 [3] each, got float64 [2, 4]"),
        ([[], []], CLIPS, "expected a list of float32 [3] each, got [[], []]"),
        (7, TITLE, "expected text, got 7"),
        (["a"], TITLE, "expected text, got ['a']"),
        ("a", TEXTS, "expected a list of texts, got 'a'"),
        (["a", 1], TEXTS, "expected a list of texts, got ['a', 1]"),
        ("\ud800", TITLE, "'\\ud800' is not text that UTF-8 can write"),
        (["a", "\udfff"], TEXTS, "'\\udfff' is not text that UTF-8 can write"),
        (list(range(100)), TEMPERATURE, "expected a number, got [0, 1, 2, 3,"),
    ],
)
def test_value_that_does_not_fit_is_refused_with_a_reason(value, port, reason):
    with pytest.raises(ControlError) as refused:
        to_row("knob", value, port, DIMS)
    assert str(refused.value).startswith(f"knob: {reason}")
    assert len(str(refused.value)) < 160


@pytest.mark.parametrize("empty", [[], (), np.zeros(0), np.zeros((0, 3), np.float32)])
def test_empty_list_is_a_value_of_a_ragged_port(empty):
    row = to_row("clips", empty, CLIPS, DIMS)
    assert row.shape == (0, 3)
    assert row.dtype == np.float32


def test_texts_may_be_empty_and_of_any_characters():
    assert to_row("texts", [], TEXTS, DIMS) == []
    assert to_row("texts", ("", "日本", "a\0b"), TEXTS, DIMS) == ["", "日本", "a\0b"]


def test_later_changes_of_a_list_do_not_change_the_row():
    weights, texts = np.ones(2, np.float32), ["a"]
    kept = to_row("weights", weights, WEIGHTS, DIMS), to_row("texts", texts, TEXTS, DIMS)
    weights[0] = 9
    texts.append("b")
    assert kept[0].tolist() == [1, 1]
    assert kept[1] == ["a"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("-1", -1), ("0.5", 0.5), ("1e3", 1000.0), (str(2**63 - 1), 2**63 - 1)],
)
def test_text_of_a_number_is_read_as_that_number(text, number):
    found = read_number(text)
    assert found == number
    assert type(found) is type(number)


@pytest.mark.parametrize("text", ["", "x", "1,5", "0x10", "1.5.2", "true"])
def test_text_of_no_number_stays_text_and_is_refused_by_name(text):
    with pytest.raises(ControlError, match=r"^seed: expected a whole number, got "):
        to_row("seed", read_number(text), SEED, DIMS)
