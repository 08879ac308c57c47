"""Facts about a piece that its score knows: tempo, metre, onsets, drums and chords over time."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self
from zipfile import BadZipFile

import numpy as np

from soundstage.errors import InputError
from soundstage.files import replacing
from soundstage.training.corpus.composition.score import Score, Track
from soundstage.training.corpus.composition.theory import Chord
from soundstage.training.corpus.instruments import DRUMS, INSTRUMENTS

UNKNOWN = -1
# The strength of an onset at full velocity, 0 to 1.
BEAT_STRENGTH, STROKE_STRENGTH, BASS_STRENGTH, NOTE_STRENGTH = 0.8, 0.4, 0.3, 0.15
BEAT_DRUMS = tuple(DRUMS[name] for name in ("kick", "snare", "clap", "rim"))
# Chord numbers are 12 * quality + root; a chord has the first quality whose intervals it contains.
QUALITY_INTERVALS = ((0, 4, 7, 10), (0, 4, 7), (0, 3, 7), (0, 3, 6))
OTHER_QUALITY = len(QUALITY_INTERVALS)


class FactsError(InputError):
    """A file of facts is missing or damaged."""


@dataclass(frozen=True, eq=False)
class MusicFacts:
    """Facts about a piece of music; the piece starts with a bar, and its tempo is constant.

    Attributes:
        tempo_bpm: beats a minute; 0 = unknown.
        beats_per_bar: 0 = unknown.
        density: 0 sparse to 1 busy; -1 = unknown.
        brightness: 0 dark to 1 bright; -1 = unknown.
        onset_s: float32 [onset], seconds, ascending.
        strength: float32 [onset], in [0, 1]: drums count more than notes, kick and snare most.
        is_drum: bool [onset].
        chord_s: float32 [span], the start of each chord in seconds, ascending.
        chord: int8 [span], 12 * quality + root. Root 0 is C. Qualities are 0 dominant, 1 major,
            2 minor, 3 diminished, 4 other.
    """

    tempo_bpm: float
    beats_per_bar: int
    density: float
    brightness: float
    onset_s: np.ndarray
    strength: np.ndarray
    is_drum: np.ndarray
    chord_s: np.ndarray
    chord: np.ndarray

    @classmethod
    def unknown(cls) -> Self:
        """Returns the facts of music whose score is not known."""
        nothing = np.zeros(0, np.float32)
        none, no_chord = np.zeros(0, bool), np.zeros(0, np.int8)
        return cls(0.0, 0, UNKNOWN, UNKNOWN, nothing, nothing, none, nothing, no_chord)

    @classmethod
    def of(cls, score: Score, density: float, brightness: float) -> Self:
        """Collects the facts of a score.

        Args:
            score: the piece.
            density: 0 to 1, as planned.
            brightness: 0 to 1, as planned.
        """
        beat_s = 60.0 / score.tempo_bpm
        onsets = sorted(
            (note.start * beat_s, _strength(track, note.pitch) * note.velocity / 127.0, drums)
            for track in score.tracks
            for drums in (INSTRUMENTS[track.instrument].is_drums,)
            for note in track.notes
        )
        times, strengths, drums = zip(*onsets, strict=True) if onsets else ((), (), ())
        return cls(
            float(score.tempo_bpm),
            score.beats_per_bar,
            density,
            brightness,
            np.array(times, np.float32),
            np.array(strengths, np.float32),
            np.array(drums, bool),
            np.array([span.start * beat_s for span in score.chords], np.float32),
            np.array([chord_number(span.chord) for span in score.chords], np.int8),
        )

    @property
    def known(self) -> bool:
        """Whether the facts come from a score."""
        return self.tempo_bpm > 0

    def onsets(self, frames: int, rate_hz: float) -> np.ndarray:
        """Returns the strength of the onsets in each frame; several in one frame add up.

        Args:
            frames: number of frames.
            rate_hz: frames a second.

        Returns:
            uint8 [frame], 0 = none to 255; all 0 if unknown.
        """
        quiet = np.ones(frames)
        places = np.floor(self.onset_s.astype(np.float64) * rate_hz + 1e-4).astype(int)
        inside = places < frames
        np.multiply.at(quiet, places[inside], 1.0 - self.strength[inside])
        return np.round(255.0 * (1.0 - quiet)).astype(np.uint8)

    def drums(self, frames: int, rate_hz: float) -> np.ndarray:
        """Tells where drums play: at most half a bar before or after a stroke.

        Args:
            frames: number of frames.
            rate_hz: frames a second.

        Returns:
            int8 [frame], 1 = drums, 0 = none; all -1 if unknown.
        """
        if not self.known:
            return np.full(frames, UNKNOWN, np.int8)
        strokes = np.concatenate([[-np.inf], self.onset_s[self.is_drum], [np.inf]])
        middle = (np.arange(frames) + 0.5) / rate_hz
        after = np.searchsorted(strokes, middle)
        distance = np.minimum(strokes[after] - middle, middle - strokes[after - 1])
        half_bar = 30.0 * self.beats_per_bar / self.tempo_bpm
        return (distance <= half_bar + 1e-3).astype(np.int8)

    def chords(self, frames: int, rate_hz: float) -> np.ndarray:
        """Returns the number of the chord in the middle of each frame, int8 [frame]; -1 = none."""
        if not len(self.chord):
            return np.full(frames, UNKNOWN, np.int8)
        middle = (np.arange(frames) + 0.5) / rate_hz
        number = np.searchsorted(self.chord_s, middle, side="right") - 1
        return np.where(number < 0, UNKNOWN, self.chord[np.maximum(number, 0)]).astype(np.int8)

    def digest_bytes(self) -> bytes:
        """Returns bytes that differ for different facts."""
        values = (np.asarray(getattr(self, field.name)) for field in fields(self))
        return b"".join(value.tobytes() for value in values)

    def write(self, path: Path) -> None:
        """Writes the facts as an .npz file.

        Raises:
            OutputError: the file cannot be written.
        """
        with replacing(path) as file:
            np.savez_compressed(file, **vars(self))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads what `write` wrote.

        Raises:
            FactsError: the file is missing or damaged.
        """
        try:
            with np.load(path) as arrays:
                values = {field.name: arrays[field.name] for field in fields(cls)}
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise FactsError(
                f"{path}: not a file of facts about a piece ({error}); "
                "`python -m soundstage.training.corpus` makes the corpus again"
            ) from error
        plain = {name: value.item() for name, value in values.items() if value.ndim == 0}
        return cls(**(values | plain))


def facts_path(audio: Path) -> Path:
    """Returns the path of the facts about a piece, from the path of its audio file."""
    return audio.with_suffix(".npz")


def chord_number(chord: Chord) -> int:
    """Returns 12 * quality + root, as `MusicFacts.chord` explains."""
    qualities = (
        number
        for number, intervals in enumerate(QUALITY_INTERVALS)
        if set(intervals) <= set(chord.intervals)
    )
    return 12 * next(qualities, OTHER_QUALITY) + chord.root


def _strength(track: Track, pitch: int) -> float:
    if INSTRUMENTS[track.instrument].is_drums:
        return BEAT_STRENGTH if pitch in BEAT_DRUMS else STROKE_STRENGTH
    return BASS_STRENGTH if track.role == "bass" else NOTE_STRENGTH
