"""Notes in the server's protocols: the MIDI pitches that are held become a row of pitches."""

import pytest

from soundstage.apps.server.protocols.json_controls import controls_of
from soundstage.apps.server.protocols.websocket import Refused
from soundstage.graph.format import Format


def read(value):
    return controls_of({"notes": value}, {}, Format())["notes"]


def test_held_pitches_are_a_row_and_the_others_are_off():
    (row,) = read([60, 64, 60])
    assert len(row) == 128
    assert {pitch: state for pitch, state in enumerate(row) if state} == {60: 3, 64: 3}


def test_no_pitch_leaves_all_notes_to_the_model():
    assert read([]) == []


@pytest.mark.parametrize(
    "value", [60, "60", [128], [-1], [60.0], [True], [None], [[60]], {}, 10**99]
)
def test_what_is_no_list_of_pitches_is_refused(value):
    with pytest.raises(Refused, match="notes: expected a list of MIDI pitches, 0 to 127"):
        read(value)
