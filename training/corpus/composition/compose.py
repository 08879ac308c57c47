"""Composes a score from a brief: form, harmony, the band, and the notes of each part."""

import zlib
from dataclasses import dataclass

import numpy as np

from soundstage.training.corpus.composition.feel import loosened, movement, swung
from soundstage.training.corpus.composition.pauses import draw_pauses, without
from soundstage.training.corpus.composition.scene import Scene
from soundstage.training.corpus.composition.score import Note, Score, Track
from soundstage.training.corpus.composition.theory import (
    TONICS,
    ChordSpan,
    lay_chords,
    scale_classes,
)
from soundstage.training.corpus.genre import BandPart, Genre
from soundstage.training.corpus.genres import GENRES
from soundstage.training.corpus.instruments import INSTRUMENTS
from soundstage.training.corpus.plan import FORM, PART, Brief


@dataclass(frozen=True)
class FormSection:
    """One section of a piece's form; sections of one letter are alike.

    Attributes:
        letter: "A", "B", ...
        start: first beat.
        bars: length.
        energy: 0 to 1.
        spans: its chords.
        tonic: pitch class of its key.
    """

    letter: str
    start: float
    bars: int
    energy: float
    spans: tuple[ChordSpan, ...]
    tonic: int


def compose(brief: Brief, piece_s: float) -> Score:
    """Writes a piece of at least `piece_s` seconds.

    The piece has no introduction and no ending, because models trained on it play endless music.

    Args:
        brief: the plan of the piece.
        piece_s: seconds, above 0.

    Raises:
        KeyError: the brief names an unknown genre, mode, tonic or instrument.
    """
    genre = GENRES[brief.genre]
    sections = _form(brief, genre, piece_s)
    beats = sections[-1].start + sections[-1].bars * genre.beats_per_bar
    pauses = draw_pauses(brief, genre, [(s.start, s.bars) for s in sections])
    tracks = []
    for number, (part, instrument) in enumerate(band(brief)):
        notes = _perform(brief, genre, part, number, instrument, sections)
        if not notes:
            continue
        notes = without(notes, pauses[_is_drums(part)])
        spaces = [(s.start, s.start + s.bars * genre.beats_per_bar) for s in sections]
        controls = movement(part.motion, spaces)
        tracks.append(Track(instrument, part.role, notes, part.mix, controls))
    chords = tuple(span for section in sections for span in section.spans)
    return Score(brief.tempo_bpm, genre.beats_per_bar, beats, tuple(tracks), chords)


def _is_drums(part: BandPart) -> bool:
    return part.role == "drums"


def _plays(part: BandPart, brief: Brief) -> bool:
    """Tells whether a part plays in the arrangement of a piece."""
    if brief.arrangement == "no drums":
        return not _is_drums(part)
    return brief.arrangement == "band" or part.role in ("drums", "bass", "percussion")


def band(brief: Brief) -> tuple[tuple[BandPart, str], ...]:
    """Draws the parts of a piece's band, with an instrument each."""
    genre = GENRES[brief.genre]
    if brief.instruments:
        chosen = dict(brief.instruments)
        return tuple((part, chosen[part.role]) for part in genre.parts if part.role in chosen)
    parts = []
    for number, part in enumerate(genre.parts):
        if not _plays(part, brief):
            continue
        rng = np.random.default_rng([brief.seed, PART, number])
        # A dense piece has more parts than a sparse one.
        if rng.random() > part.chance * (0.7 + 0.6 * brief.density) and part.chance < 1:
            continue
        bright = np.array([INSTRUMENTS[name].bright for name in part.instruments])
        weights = np.exp(-6.0 * np.abs(bright - brief.brightness))
        pick = int(rng.choice(len(bright), p=weights / weights.sum()))
        parts.append((part, part.instruments[pick]))
    return tuple(parts)


def _form(brief: Brief, genre: Genre, piece_s: float) -> tuple[FormSection, ...]:
    rng = np.random.default_rng([brief.seed, FORM])
    pool = genre.progressions[brief.mode]
    tonic = TONICS.index(brief.tonic)
    order = rng.permutation(len(pool))
    needed = piece_s * brief.tempo_bpm / 60.0
    sections: list[FormSection] = []
    start = 0.0
    # A piece begins anywhere in its form, so that the loudest section is not always at one time.
    index = int(rng.integers(len(genre.form)))
    while start < needed:
        letter, energy = genre.form[index % len(genre.form)]
        progression = pool[order[(ord(letter) - ord("A")) % len(pool)]]
        bars = genre.section_bars
        moved = start >= needed / 2
        key = (tonic + (brief.modulation if moved else 0)) % 12
        spans = lay_chords(progression, key, start, bars, genre.beats_per_bar)
        sections.append(FormSection(letter, start, bars, energy, spans, key))
        start += bars * genre.beats_per_bar
        index += 1
    return tuple(sections)


def _perform(
    brief: Brief,
    genre: Genre,
    part: BandPart,
    number: int,
    instrument: str,
    sections: tuple[FormSection, ...],
) -> tuple[Note, ...]:
    sound = INSTRUMENTS[instrument]
    low, high = max(part.pitches[0], sound.low), min(part.pitches[1], sound.high)
    notes: list[Note] = []
    for section in sections:
        if section.energy < part.enters:
            continue
        scene = Scene(
            section.start,
            section.bars,
            genre.beats_per_bar,
            section.spans,
            scale_classes(section.tonic, brief.mode),
            brief.density,
            section.energy,
            low,
            high,
        )
        # Seeded by the letter, not the position, so that repeated sections are recognised.
        letter = zlib.crc32(section.letter.encode())
        rng = np.random.default_rng([brief.seed, PART, number, letter])
        notes += part.player.play(scene, rng)
    notes = swung(notes, brief.swing, genre.swing_unit)
    return loosened(notes, genre.loose_ms * brief.tempo_bpm / 60_000.0, brief.seed, number)
