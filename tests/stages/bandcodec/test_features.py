"""What the codec keeps of a frame: loudness, place, width and fast envelope."""

import jax
import numpy as np
import pytest

from soundstage.stages.bandcodec.features import FrameFeatures
from soundstage.stages.bandcodec.measures import GROUP_EDGES, MEASURES

HOP, RATE_HZ = MEASURES.frame_samples, MEASURES.sample_rate_hz
COMPUTE = jax.jit(FrameFeatures(MEASURES))
BIN_HZ = RATE_HZ / MEASURES.window_samples


def parts(audio: np.ndarray) -> list[np.ndarray]:
    """Bands [hop, band], places and widths [frame, group], envelope [slot, band], unweighted."""
    features = np.asarray(COMPUTE(audio.astype(np.float32)))
    bands, place, width, slots = np.split(features, np.cumsum(MEASURES.parts)[:-1], axis=1)
    return [
        bands.reshape(-1, MEASURES.bands),
        place / MEASURES.angle_gain,
        width / MEASURES.angle_gain,
        slots.reshape(-1, MEASURES.slot_bands) / MEASURES.slot_gain,
    ]


def tone(bin: int, frames: int = 6) -> np.ndarray:
    return np.sin(2 * np.pi * bin * BIN_HZ * np.arange(frames * HOP) / RATE_HZ)


def stereo(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.stack([left, right], axis=1)


def test_loudness_of_a_full_scale_tone_is_that_of_the_window():
    bands = parts(stereo(tone(20), tone(20)))[0]
    loudest = bands[8:16, 20 - 2]
    np.testing.assert_allclose(loudest, np.log(MEASURES.window_samples / 4), atol=0.25)
    assert (bands[8:16].argmax(axis=1) == 20 - 2).all()


@pytest.mark.parametrize(
    ("left", "right", "place"),
    [(1, 1, 0), (1, 0, -np.pi / 2), (0, 1, np.pi / 2), (1, 0.5, -np.arcsin(0.6))],
)
def test_place_is_the_arcsine_of_the_balance_of_powers(left, right, place):
    group = np.searchsorted(GROUP_EDGES, 20, side="right") - 1
    places = parts(stereo(left * tone(20), right * tone(20)))[1]
    np.testing.assert_allclose(places[2:4, group], place, atol=0.01)


@pytest.mark.parametrize("degrees", [0, 60, 90, 180])
def test_width_is_the_angle_between_both_channels(degrees):
    at = 2 * np.pi * 20 * BIN_HZ * np.arange(6 * HOP) / RATE_HZ
    group = np.searchsorted(GROUP_EDGES, 20, side="right") - 1
    widths = parts(stereo(np.sin(at), np.sin(at + np.radians(degrees))))[2]
    np.testing.assert_allclose(widths[2:4, group], np.radians(degrees), atol=0.02)


def test_silence_lies_in_the_middle_and_has_no_width():
    _, place, width, _ = parts(np.zeros((4 * HOP, 2)))
    np.testing.assert_allclose(place, 0, atol=1e-6)
    np.testing.assert_allclose(width, 0, atol=1e-6)


def test_click_is_in_its_slot_of_5_ms():
    slot = 2 * MEASURES.slots + 3
    audio = np.zeros((6 * HOP, 2))
    audio[slot * MEASURES.slot_samples + MEASURES.slot_samples // 2] = 1
    envelope = parts(audio)[3]
    assert (envelope.argmax(axis=0) == slot).all()
    assert (envelope[slot] - envelope[[slot - 1, slot + 1]] > 2).all()


def test_angles_of_a_group_do_not_hear_the_others():
    audio = stereo(tone(20) + tone(300), tone(20))
    place = parts(audio)[1][2:4]
    low, high = (np.searchsorted(GROUP_EDGES, bin, side="right") - 1 for bin in (20, 300))
    np.testing.assert_allclose(place[:, low], 0, atol=0.01)
    np.testing.assert_allclose(place[:, high], -np.pi / 2, atol=0.05)
