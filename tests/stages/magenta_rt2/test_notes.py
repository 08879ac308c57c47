"""Notes, drums and strengths as the numbers that condition a frame."""

import numpy as np
import pytest

from soundstage.graph.format import Format
from soundstage.stages.magenta_rt2 import Notes
from soundstage.stages.magenta_rt2.numbers import strength_bins

FORMAT = Format(chunk_s=0.16)
FREE = np.full((1, 128), -1, np.int32)


def numbers(notes, last=FREE, drums=0, strengths=(3.0, 1.0, 1.0), format=FORMAT):
    given = [np.full(1, strength, np.float32) for strength in strengths]
    return Notes(None, format, None)([notes], np.array([drums], np.int32), *given, last)


def roll(*states, pitch=60):
    """A row a state of one pitch; all others are off."""
    notes = np.zeros((len(states), 128), np.int32)
    notes[:, pitch] = states
    return notes


def test_without_notes_the_model_decides_about_all():
    made = numbers(np.zeros((0, 128), np.int32))["numbers"]
    assert made.shape == (1, 4, 132)
    assert (made[0, :, :128] == -1).all()


def test_drums_and_strengths_follow_the_notes_in_every_frame():
    made = numbers(roll(0), drums=1)["numbers"]
    assert made[0, :, 128:].tolist() == [[1, 20, 10, 2]] * 4


def test_note_that_begins_begins_in_the_first_frame_alone():
    assert numbers(roll(2))["numbers"][0, :, 60].tolist() == [2, 1, 1, 1]


def test_note_that_stays_asked_for_is_not_struck_again_in_the_next_chunk():
    first = numbers(roll(2))
    assert numbers(roll(2), first["last"])["numbers"][0, :, 60].tolist() == [1, 1, 1, 1]


def test_note_is_struck_again_after_a_frame_without_it():
    assert numbers(roll(2, 0, 2, 2))["numbers"][0, :, 60].tolist() == [2, 0, 2, 1]


def test_last_row_of_notes_holds_for_the_frames_after_it():
    assert numbers(roll(0, 3))["numbers"][0, :, 60].tolist() == [0, 3, 3, 3]
    assert numbers(roll(0, 3))["last"][0, 60] == 3


@pytest.mark.parametrize(
    ("strength", "bins"),
    [
        (-1.0, (0, 0, 0)),
        (7.0, (40, 40, 8)),
        (9.0, (40, 40, 8)),
        (0.5, (8, 8, 2)),
        (1.5, (12, 12, 2)),
    ],
)
def test_strengths_become_bins_half_to_even(strength, bins):
    given = np.full((1, 3), strength, np.float32)
    assert tuple(strength_bins(given, (41, 41, 9))[0]) == bins
