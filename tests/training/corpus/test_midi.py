"""Scores as MIDI files."""

import io

import mido
import pytest

from soundstage.training.corpus.composition.compose import compose
from soundstage.training.corpus.composition.score import DRUM_CHANNEL, Note, Score, Track
from soundstage.training.corpus.genres import GENRES
from soundstage.training.corpus.instruments import INSTRUMENTS
from soundstage.training.corpus.midi import TICKS_PER_BEAT, midi_bytes, ticks
from soundstage.training.corpus.plan import plan_brief


def read_back(data):
    """Tempo, and (program, is on the drum channel, notes as ticks) a track."""
    file = mido.MidiFile(file=io.BytesIO(data))
    assert file.ticks_per_beat == TICKS_PER_BEAT
    tempo = next(m.tempo for m in file.tracks[0] if m.type == "set_tempo")
    tracks = []
    for track in file.tracks[1:]:
        now, sounding, notes, program, channel = 0, {}, [], None, None
        for message in track:
            now += message.time
            if message.type == "program_change":
                program, channel = message.program, message.channel
            elif message.type == "note_on":
                assert message.note not in sounding, "a key that is down goes down again"
                sounding[message.note] = (now, message.velocity)
            elif message.type == "note_off":
                start, hit = sounding.pop(message.note)
                notes.append((start, now, message.note, hit))
        assert not sounding, "a key stays down"
        tracks.append((program, channel == DRUM_CHANNEL, sorted(notes)))
    return tempo, tracks


@pytest.mark.parametrize("genre", GENRES)
def test_midi_file_is_read_back_as_the_same_notes(genre):
    score = compose(plan_brief(9, genre), 20.0)
    tempo, tracks = read_back(midi_bytes(score))
    assert tempo == mido.bpm2tempo(score.tempo_bpm)
    assert len(tracks) == len(score.tracks)
    for track, (program, drums, notes) in zip(score.tracks, tracks, strict=True):
        sound = INSTRUMENTS[track.instrument]
        assert (program, drums) == (sound.program, sound.is_drums)
        assert notes == sorted(
            (
                ticks(n.start),
                max(ticks(n.start) + 1, ticks(n.start + n.length)),
                n.pitch,
                n.velocity,
            )
            for n in track.notes
        )


def test_note_released_and_struck_at_one_tick_sounds_twice():
    notes = tuple(Note(float(beat), 1.0, 60, 80 + beat) for beat in range(3))
    (_, ((_, _, read),)) = read_back(
        midi_bytes(Score(120.0, 4, 4.0, (Track("piano", "x", notes),)))
    )
    assert read == [(480 * beat, 480 * (beat + 1), 60, 80 + beat) for beat in range(3)]


def test_more_instruments_than_channels_are_refused():
    track = Track("piano", "chords", (Note(0.0, 1.0, 60, 80),))
    with pytest.raises(ValueError, match="16 MIDI channels"):
        midi_bytes(Score(120.0, 4, 4.0, (track,) * 16))
