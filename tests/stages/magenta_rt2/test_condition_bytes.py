"""Numbers that condition a frame, packed bit by bit."""

import numpy as np
import pytest

from soundstage.graph.format import Format
from soundstage.stages.magenta_rt2.condition_bytes import ConditionBytes
from soundstage.stages.magenta_rt2.config import config_of_size, sizes

CONFIG = config_of_size("tiny")
PACKING = ConditionBytes(CONFIG)
# The greatest number of each place: 12 style codes, 128 notes, drums, three strengths.
GREATEST = np.array([1023] * 12 + [3] * 128 + [1, 40, 40, 8], np.int32)


@pytest.mark.parametrize("size", sizes())
def test_packed_frame_is_as_long_as_the_port_says(size):
    packing = ConditionBytes(config_of_size(size))
    assert packing.size == Format().dims["condition_byte"]
    assert packing.pack(GREATEST).shape == (packing.size,)


def test_every_number_of_every_place_is_kept():
    for number in range(-1, 1024):
        numbers = np.minimum(number, GREATEST)
        np.testing.assert_array_equal(PACKING.unpack(PACKING.pack(numbers)), numbers)


def test_rows_and_frames_are_packed_each_by_itself():
    draw = np.random.default_rng(0)
    numbers = np.minimum(draw.integers(-1, 1024, (3, 4, 144)), GREATEST).astype(np.int32)
    packed = PACKING.pack(numbers)
    np.testing.assert_array_equal(packed[1, 2], PACKING.pack(numbers[1, 2]))
    np.testing.assert_array_equal(PACKING.unpack(packed), numbers)


def test_bits_of_a_place_follow_those_of_the_places_before_lowest_first():
    masked = np.full(144, -1, np.int32)
    assert not PACKING.pack(masked).any()
    for place, number, byte, bit in ((0, 0, 0, 0), (1, 0, 1, 3), (12, 1, 16, 5), (143, 7, 66, 5)):
        numbers = masked.copy()
        numbers[place] = number
        bits = np.unpackbits(PACKING.pack(numbers))
        assert np.flatnonzero(bits).tolist() == [8 * byte + bit], place


def test_any_bytes_are_numbers_within_their_ranges():
    drawn = np.random.default_rng(0).integers(0, 256, (200, PACKING.size)).astype(np.uint8)
    numbers = PACKING.unpack(drawn)
    assert numbers.min() == -1
    np.testing.assert_array_equal(numbers.max(axis=0), GREATEST)


@pytest.mark.parametrize(("place", "number"), [(3, -2), (3, 1024), (12, 4), (143, 9)])
def test_number_outside_its_range_is_refused(place, number):
    numbers = np.zeros((2, 144), np.int32)
    numbers[1, place] = number
    with pytest.raises(ValueError, match=rf"number {place} of a conditioning is {number}, but"):
        PACKING.pack(numbers)
