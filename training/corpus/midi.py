"""Scores as Standard MIDI Files."""

import io
from itertools import count

import mido

from soundstage.training.corpus.composition.score import DRUM_CHANNEL, Score, Track
from soundstage.training.corpus.instruments import INSTRUMENTS

TICKS_PER_BEAT = 480
VOLUME, PAN, REVERB = 7, 10, 91
# The mixer sets the loudness of tracks: the sounds of a soundfont are not equally loud.
FULL_VOLUME = 100


def midi_bytes(score: Score) -> bytes:
    """Returns a format 1 file: the tempo in the first track, then one track an instrument.

    Raises:
        ValueError: there are more instruments than channels.
    """
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    first = mido.MidiTrack()
    first.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(score.tempo_bpm)))
    first.append(mido.MetaMessage("time_signature", numerator=score.beats_per_bar, denominator=4))
    first.append(mido.MetaMessage("end_of_track", time=ticks(score.beats)))
    file.tracks.append(first)
    channels = count()
    for track in score.tracks:
        channel = DRUM_CHANNEL
        if not INSTRUMENTS[track.instrument].is_drums:
            channel = next(number for number in channels if number != DRUM_CHANNEL)
        if channel > 15:
            raise ValueError(f"{len(score.tracks)} instruments do not fit 16 MIDI channels")
        file.tracks.append(_midi_track(track, channel))
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def ticks(beats: float) -> int:
    """Converts beats to ticks of the file's clock."""
    return round(beats * TICKS_PER_BEAT)


def _midi_track(track: Track, channel: int) -> mido.MidiTrack:
    program = INSTRUMENTS[track.instrument].program
    settings = [
        (VOLUME, FULL_VOLUME),
        (PAN, round(63.5 + 63.5 * track.mix.pan)),
        (REVERB, round(127 * track.mix.reverb)),
    ]
    timed = [(0, mido.Message("program_change", channel=channel, program=program))]
    timed += [(0, _control(channel, number, value)) for number, value in settings]
    timed += [(ticks(c.beat), _control(channel, c.number, c.value)) for c in track.controls]
    for note in track.notes:
        start = ticks(note.start)
        end = max(start + 1, ticks(note.start + note.length))
        on = mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)
        off = mido.Message("note_off", channel=channel, note=note.pitch, velocity=0)
        timed += [(start, on), (end, off)]
    out = mido.MidiTrack()
    out.append(mido.MetaMessage("track_name", name=track.role))
    now = 0
    # The sort is stable and notes are ordered by start: at equal ticks "off" precedes "on".
    for at, message in sorted(timed, key=lambda item: item[0]):
        out.append(message.copy(time=at - now))
        now = at
    return out


def _control(channel: int, number: int, value: int) -> mido.Message:
    return mido.Message("control_change", channel=channel, control=number, value=value)
