"""Ports: legal declarations, numbers they hold, and ports that fit each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.graph.port import DTYPES, Port

NUMERIC = [dtype for dtype in DTYPES if dtype != "utf8"]


@pytest.mark.parametrize("dtype", ["bool", "float64", "int8", "str", "", "complex64"])
def test_dtype_that_arrow_cannot_write_and_read_is_refused(dtype):
    with pytest.raises(ValueError, match=f"one of int32, .*, got {dtype!r}"):
        Port(dtype, (), "kind")


@pytest.mark.parametrize(
    ("dtype", "shape", "reason"),
    [
        ("float32", ("frame", "~clip"), "only a port's first dimension may be ragged"),
        ("float32", ("~clip", "~sample"), "only a port's first dimension may be ragged"),
        ("utf8", ("level",), "a text port is a scalar or a ragged list"),
        ("utf8", ("~text", "level"), "a text port is a scalar or a ragged list"),
    ],
)
def test_shape_that_no_message_can_have_is_refused(dtype, shape, reason):
    with pytest.raises(ValueError, match=reason):
        Port(dtype, shape, "kind")


def test_fixed_shape_leaves_out_a_ragged_first_dimension():
    clips = Port("float32", ("~clip", "sample", "channel"), "audio")
    assert clips.ragged
    assert clips.fixed_shape == ("sample", "channel")
    audio = Port("float32", ("sample", "channel"), "audio")
    assert not audio.ragged
    assert audio.fixed_shape == ("sample", "channel")
    assert not Port("float32", (), "audio").ragged


@pytest.mark.parametrize("usual", [(-1, 5), (0, 11), (5, 5), (6, 5)])
def test_usual_range_outside_the_port_is_refused(usual):
    with pytest.raises(ValueError, match="usual lies within the port's range"):
        Port("float32", (), "temperature", minimum=0, maximum=10, usual=usual)


def test_words_and_usual_range_change_no_port():
    plain = Port("float32", (), "temperature", "[0, 4]", 0, 4)
    assert plain == Port("float32", (), "temperature", "[0, 4]", 0, 4, (0, 3), "Heat", "Warm.")


def test_ports_fit_if_kind_dtype_and_shape_are_equal():
    port = Port("int32", ("frame", "level"), "codec token", "[0, 1024)")
    assert port.fits(Port("int32", ("frame", "level"), "codec token"))
    for other in (
        Port("int64", ("frame", "level"), "codec token"),
        Port("int32", ("context_frame", "level"), "codec token"),
        Port("int32", ("level", "frame"), "codec token"),
        Port("int32", ("frame",), "codec token"),
        Port("int32", ("frame", "level"), "style token"),
    ):
        assert not port.fits(other)
        assert not other.fits(port)


def test_ports_of_different_unit_and_range_fit():
    port = Port("float32", (), "temperature", "[0, 4]", 0, 4)
    assert port.fits(Port("float32", (), "temperature", "any"))


@pytest.mark.parametrize("dtype", NUMERIC)
def test_port_holds_its_limits_and_nothing_beyond(dtype):
    port = Port(dtype, (), "kind")
    least, greatest = port.limits
    assert port.holds(least)
    assert port.holds(greatest)
    assert not port.holds(least - max(1, abs(least)))
    assert not port.holds(greatest * 2)
    assert not port.holds(float("nan"))
    assert not port.holds(float("inf"))
    assert port.holds(0.5) is ("float" in dtype)
    assert np.array(greatest, dtype).item() == greatest


@given(st.integers() | st.floats() | st.sampled_from([2.0**63, 2.0**31, 65_504.0]))
def test_number_that_a_port_holds_is_exact_in_numpy(number):
    for dtype in NUMERIC:
        if Port(dtype, (), "kind").holds(number):
            written = np.array(float(number) if "float" in dtype else number).astype(dtype)
            assert np.isfinite(written)
            if "float" not in dtype:
                assert written.item() == number


def test_text_port_holds_no_number():
    assert not Port("utf8", (), "title").holds(0)


def test_spelled_shape_shows_known_sizes():
    dims = {"clip_sample": 160_000, "frame": 50, "level": 16}
    assert Port("int32", ("frame", "level"), "t").spelled_shape(dims) == "[frame=50 level=16]"
    ragged = Port("float32", ("~clip", "clip_sample"), "audio")
    assert ragged.spelled_shape(dims) == "[~clip clip_sample=160000]"
    assert Port("float32", (), "t").spelled_shape(dims) == "[]"
