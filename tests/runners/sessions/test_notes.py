"""Notes: MIDI files become frames, and keys sound in the tick after they were pressed."""

import math

import mido
import numpy as np
import pytest

from soundstage.errors import InputError
from soundstage.graph.format import Format
from soundstage.runners.sessions.notes import HeldNotes, note_blocks, read_midi

FORMAT = Format(chunk_s=0.08)  # two frames of 40 ms
ONE_FRAME = Format(chunk_s=0.04)


def write(path, *notes, tempo_bpm=120, channel=0, ended=True):
    """Writes notes of pitch, start and length in beats, one after the other in a track each."""
    song = mido.MidiFile(ticks_per_beat=100)
    song.tracks.append(
        mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo_bpm))])
    )
    for pitch, start, length in notes:
        kinds = {"channel": channel, "note": pitch}
        track = [mido.Message("note_on", velocity=90, time=round(100 * start), **kinds)]
        if ended:
            track.append(mido.Message("note_on", velocity=0, time=round(100 * length), **kinds))
        song.tracks.append(mido.MidiTrack(track))
    song.save(path)
    return path


def test_notes_of_a_file_follow_its_tempo(tmp_path):
    roll = read_midi(write(tmp_path / "a.mid", (60, 0, 0.4), (64, 0.4, 0.2)), FORMAT)
    assert roll.shape == (8, 128)  # 0.6 beats of half a second, less a half frame
    assert roll[:, 60].tolist() == [2, 1, 1, 1, 1, 0, 0, 0]
    assert roll[:, 64].tolist() == [0, 0, 0, 0, 0, 2, 1, 1]
    slow = read_midi(write(tmp_path / "b.mid", (60, 0, 0.4), tempo_bpm=60), FORMAT)
    assert slow[:, 60].tolist() == [2] + 9 * [1]


def test_shortest_note_sounds_and_a_repeated_one_begins_again(tmp_path):
    roll = read_midi(write(tmp_path / "a.mid", (60, 0, 0.01), (62, 0, 1), (62, 0.4, 1)), FORMAT)
    assert roll[:2, 60].tolist() == [2, 0]
    assert roll[:6, 62].tolist() == [2, 1, 1, 1, 1, 2]


def test_note_that_never_ends_lasts_to_the_end_of_the_file(tmp_path):
    song = write(tmp_path / "a.mid", (60, 0, 0), (61, 0.8, 0), ended=False)
    roll = read_midi(song, FORMAT)
    assert roll[:, 60].tolist() == [2] + 9 * [1]


def test_thousand_notes_at_once_are_all_played(tmp_path):
    roll = read_midi(write(tmp_path / "a.mid", *[(n % 128, 0, 1) for n in range(1000)]), FORMAT)
    assert (roll[0] == 2).all()


def test_file_ends_with_the_model_free_again(tmp_path):
    ticks = note_blocks(read_midi(write(tmp_path / "a.mid", (60, 0, 0.24)), FORMAT), FORMAT)
    first, second, third = (next(ticks) for _ in range(3))
    assert first[:, 60].tolist() == [2, 1]
    assert second[:, 60].tolist() == [1, -1]
    assert (second[1] == -1).all()
    assert third.shape == (0, 128)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ends too soon"),
        (b"RIFF, no MIDI at all", "no MIDI file"),
        (b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\0\xff\0\x90", "ends too soon"),
        (b"MThd\0\0\0\6\0\1\0\0\0\x60", "no notes"),
        (None, "No such file"),
    ],
)
def test_unusable_file_is_refused_with_its_reason(tmp_path, content, reason):
    path = tmp_path / "a.mid"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.mid: .*{reason}"):
        read_midi(path, FORMAT)


def test_file_of_drums_alone_is_refused(tmp_path):
    with pytest.raises(InputError, match="no notes outside the channel of the drums"):
        read_midi(write(tmp_path / "a.mid", (36, 0, 1), channel=9), FORMAT)


def test_file_longer_than_a_day_is_refused(tmp_path):
    with pytest.raises(InputError, match="more than a day"):
        read_midi(write(tmp_path / "a.mid", (60, 0, 6000), tempo_bpm=4), FORMAT)


def states(keys, pitch):
    rows, _ = keys.take()
    return rows[:, pitch].tolist()


def test_held_key_sounds_until_it_is_released_and_alone():
    keys = HeldNotes(FORMAT)
    assert keys.take()[0].shape == (0, 128)
    keys.press(60)
    rows, pressed_s = keys.take()
    assert rows[:, 60].tolist() == [3, 3]
    assert rows.sum() == 6
    assert pressed_s is not None
    assert keys.take()[1] is None
    keys.release(60)
    assert keys.take()[0].shape == (0, 128)


def test_key_that_was_tapped_between_two_ticks_sounds_for_a_frame():
    for form, expected in ((FORMAT, [3, -1]), (ONE_FRAME, [3])):
        keys = HeldNotes(form)
        keys.press(60)
        keys.release(60)
        assert states(keys, 60) == expected
        assert keys.take()[0].shape == (0, 128)


def test_key_struck_again_while_it_sounds_begins_again():
    keys = HeldNotes(ONE_FRAME)
    keys.press(60)
    keys.take()
    keys.release(60)
    keys.press(60)
    assert states(keys, 60) == [2]
    assert states(keys, 60) == [3]


def test_pedal_sustains_and_panic_ends_everything():
    keys = HeldNotes(FORMAT)
    keys.pedal(True)
    keys.press(60)
    keys.release(60)
    keys.take()
    assert states(keys, 60) == [3, 3]
    keys.pedal(False)
    assert keys.take()[0].shape == (0, 128)
    for end in (keys.panic, lambda: (keys.pedal(True), keys.panic())):
        keys.press(61)
        end()
        assert keys.held == frozenset()
        assert keys.take()[0].shape == (0, 128)


@pytest.mark.parametrize("pitch", [-1, 128, 10**9])
def test_pitches_that_midi_does_not_have_are_ignored(pitch):
    keys = HeldNotes(FORMAT)
    keys.press(pitch)
    keys.release(pitch)
    assert keys.take()[0].shape == (0, 128)


def test_time_of_the_first_key_is_kept():
    keys = HeldNotes(FORMAT)
    keys.press(60)
    _, first = keys.take()
    keys.press(61)
    keys.press(62)
    _, second = keys.take()
    assert first < second
    assert math.isfinite(second)
    np.testing.assert_array_equal(keys.take()[0][:, 60:63], np.full((2, 3), 3))
