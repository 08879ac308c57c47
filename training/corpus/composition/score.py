"""Scores: notes in tracks, tracks in a score."""

from dataclasses import dataclass, field

from soundstage.training.corpus.composition.theory import ChordSpan

DRUM_CHANNEL = 9


@dataclass(frozen=True)
class Note:
    """One note of an instrument, or one stroke of a drum.

    Attributes:
        start: beats from the start of the piece, at least 0.
        length: beats, above 0.
        pitch: MIDI key, 60 = middle C; on a drum track, the drum's key.
        velocity: 1 to 127.
    """

    start: float
    length: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class MidiControl:
    """A change of a MIDI controller within a piece.

    Attributes:
        beat: beats from the start of the piece.
        number: the controller, e.g. 11 = expression.
        value: 0 to 127.
    """

    beat: float
    number: int
    value: int


@dataclass(frozen=True)
class TrackMix:
    """The place of a track in the mix.

    Attributes:
        level_lu: loudness while it plays, relative to the loudest tracks.
        pan: -1 left to 1 right.
        reverb: 0 dry to 1.
    """

    level_lu: float = 0.0
    pan: float = 0.0
    reverb: float = 0.3


@dataclass(frozen=True)
class Track:
    """The notes of one instrument.

    Attributes:
        instrument: a name of `training.corpus.instruments.INSTRUMENTS`.
        role: its part in the piece, e.g. "bass".
        notes: ordered by start.
        mix: its loudness, position and reverberation.
        controls: ordered by beat.
    """

    instrument: str
    role: str
    notes: tuple[Note, ...]
    mix: TrackMix = field(default_factory=TrackMix)
    controls: tuple[MidiControl, ...] = ()


@dataclass(frozen=True)
class Score:
    """A whole piece.

    Attributes:
        tempo_bpm: beats a minute.
        beats_per_bar: 3 or 4.
        beats: length of the piece.
        tracks: one an instrument; each has notes.
        chords: the harmony, in order.
    """

    tempo_bpm: float
    beats_per_bar: int
    beats: float
    tracks: tuple[Track, ...]
    chords: tuple[ChordSpan, ...] = ()
