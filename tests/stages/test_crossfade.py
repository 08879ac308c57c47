"""The cross-fade: equal power or linear at joins, and no sample lost between them."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.graph.format import Format
from soundstage.stages.crossfade import Crossfade, CrossfadeParams, Ramp

FORMATS = {
    "magenta": Format(),
    "two fade frames": Format(chunk_s=0.2, context_s=0.4, fade_s=0.08, sample_rate_hz=1_000),
    "all fade": Format(chunk_s=0.04, context_s=0.08, fade_s=0.04, sample_rate_hz=500, channels=1),
}


def crossfade(format: Format, ramp: Ramp = "equal-power") -> Crossfade:
    return Crossfade(CrossfadeParams(ramp), format, jax.devices("cpu")[0])


@pytest.fixture(params=FORMATS.values(), ids=FORMATS.keys())
def format(request: pytest.FixtureRequest) -> Format:
    return request.param


def ramps(format: Format, ramp: Ramp = "equal-power") -> tuple[np.ndarray, np.ndarray]:
    """The rise and the fall as float64, measured through the stage's inputs."""
    dims = format.dims
    fade = (1, dims["fade_sample"], dims["channel"])
    faded = (1, dims["faded_sample"], dims["channel"])
    join = crossfade(format, ramp)
    rise = join(np.ones(faded, np.float32), np.zeros(fade, np.float32))["audio"]
    fall = join(np.zeros(faded, np.float32), np.ones(fade, np.float32))["audio"]
    n = dims["fade_sample"]
    return rise[0, :n, 0].astype(np.float64), fall[0, :n, 0].astype(np.float64)


def test_rise_is_a_quarter_sine_without_its_end(format):
    rise, _ = ramps(format)
    n = len(rise)
    np.testing.assert_allclose(rise, np.sin(np.pi / 2 * np.arange(n) / n), atol=2e-7)
    assert rise[0] == 0
    assert rise[-1] < 1


def test_linear_rise_is_a_line_without_its_end_and_keeps_equal_waveforms(format):
    rise, fall = ramps(format, "linear")
    n = len(rise)
    np.testing.assert_allclose(rise, np.arange(n) / n, atol=1e-7)
    np.testing.assert_allclose(rise + fall, 1 - 1 / n, atol=1e-7)


def test_unknown_ramp_is_refused():
    with pytest.raises(ValueError, match="equal-power, linear, got 'cubic'"):
        CrossfadeParams("cubic")


@pytest.mark.parametrize("ramp", ["equal-power", "linear"])
def test_fall_is_the_rise_reversed(format, ramp):
    rise, fall = ramps(format, ramp)
    np.testing.assert_array_equal(fall, rise[::-1])


def test_power_of_a_join_dips_by_the_documented_amount(format):
    rise, fall = ramps(format)
    n = len(rise)
    # The fall is the rise's partner of one sample later: shifted by it, power is exactly 1.
    np.testing.assert_allclose(rise[1:] ** 2 + fall[:-1] ** 2, 1, atol=1e-6)
    # In place, cos^2 of the next sample stands for cos^2 of this one.
    dip = np.sin(np.pi / (2 * n)) * np.sin(np.pi * (2 * np.arange(n) + 1) / (2 * n))
    np.testing.assert_allclose(rise**2 + fall**2, 1 - dip, atol=1e-6)


def test_signal_cut_into_chunks_is_unchanged_outside_joins(format):
    dims = format.dims
    n, size = dims["fade_sample"], dims["sample"]
    signal = np.random.default_rng(3).standard_normal((1, 4 * size + n, dims["channel"]))
    signal = signal.astype(np.float32)
    join = crossfade(format)
    tail, pieces = np.zeros((1, n, dims["channel"]), np.float32), []
    for first in range(0, 4 * size, size):
        out = join(signal[:, first : first + size + n], tail)
        tail = out["tail"]
        pieces.append(out["audio"])
    joined = np.concatenate(pieces, axis=1)
    rise, fall = ramps(format)
    gain = np.ones(size)
    gain[:n] = rise + fall  # both sides of a join are the same signal here
    gains = np.tile(gain, 4)
    gains[:n] = rise  # nothing came before the first chunk
    np.testing.assert_allclose(joined[0], signal[0, : 4 * size] * gains[:, None], atol=2e-6)
    np.testing.assert_array_equal(tail, signal[:, -n:])


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), rows=st.integers(1, 3), scale=st.floats(-8, 8, width=32))
def test_cross_fade_is_linear_and_keeps_every_sample(seed, rows, scale):
    format = FORMATS["two fade frames"]
    dims = format.dims
    random = np.random.default_rng(seed)
    audio, tail = (
        random.standard_normal((rows, dims[name], dims["channel"])).astype(np.float32)
        for name in ("faded_sample", "fade_sample")
    )
    join = crossfade(format)
    once, scaled = join(audio, tail), join(audio * np.float32(scale), tail * np.float32(scale))
    assert once["audio"].shape == (rows, dims["sample"], dims["channel"])
    assert once["tail"].shape == tail.shape
    for name in once:
        np.testing.assert_allclose(scaled[name], once[name] * np.float32(scale), atol=1e-4)
    played = np.concatenate([once["audio"], once["tail"]], axis=1)
    np.testing.assert_array_equal(played[:, len(join.rise) :], audio[:, len(join.rise) :])


def test_independent_noise_keeps_its_power_through_a_join():
    random = np.random.default_rng(0)
    rows = 40
    format = Format(chunk_s=0.2, context_s=0.4, sample_rate_hz=24_000, channels=1)
    audio = random.standard_normal((rows, format.dims["faded_sample"], 1)).astype(np.float32)
    tail = random.standard_normal((rows, format.dims["fade_sample"], 1)).astype(np.float32)
    joined = crossfade(format)(audio, tail)["audio"][:, : format.dims["fade_sample"]]
    assert np.mean(joined**2) == pytest.approx(1, abs=0.02)
