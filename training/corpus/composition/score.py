"""Written music: notes, the tracks that hold them, the score that holds the tracks."""

from dataclasses import dataclass

DRUM_CHANNEL = 9


@dataclass(frozen=True)
class Note:
    """One sound of one instrument.

    Attributes:
        start: beats from the start of the piece, at least 0.
        length: beats, above 0.
        pitch: MIDI key, 60 = middle C; on a drum track, which drum.
        velocity: 1 to 127.
    """

    start: float
    length: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class MidiControl:
    """A MIDI controller that changes within a piece.

    Attributes:
        beat: beats from the start of the piece.
        number: the controller, e.g. 11 = expression.
        value: 0 to 127.
    """

    beat: float
    number: int
    value: int


@dataclass(frozen=True)
class Track:
    """What one instrument plays.

    Attributes:
        instrument: a name of `training.corpus.instruments.INSTRUMENTS`.
        role: what it does in the piece, e.g. "bass".
        notes: ordered by start.
        level_lu: loudness while it plays, against the loudest tracks.
        pan: -1 left to 1 right.
        reverb: 0 dry to 1.
        controls: ordered by beat.
    """

    instrument: str
    role: str
    notes: tuple[Note, ...]
    level_lu: float = 0.0
    pan: float = 0.0
    reverb: float = 0.3
    controls: tuple[MidiControl, ...] = ()


@dataclass(frozen=True)
class Score:
    """A whole piece.

    Attributes:
        tempo_bpm: beats a minute.
        beats_per_bar: 3 or 4.
        beats: length of the piece.
        tracks: one an instrument, none without notes.
    """

    tempo_bpm: float
    beats_per_bar: int
    beats: float
    tracks: tuple[Track, ...]
