"""The plan of a corpus: genre, tempo, key and character of each piece, drawn from its seed."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from soundstage.training.corpus.composition.theory import TONICS
from soundstage.training.corpus.genre import Genre
from soundstage.training.corpus.genres import GENRES

Split = Literal["train", "heldout"]
# Who plays: the whole band, the band without drums, or only drums and bass.
Arrangement = Literal["band", "no drums", "rhythm"]

# Each corpus seed has one block of piece seeds, whose second half is held out.
BLOCK = 2_000_000
HELDOUT_FROM = 1_000_000

NO_DRUMS_SHARE, RHYTHM_SHARE = 0.1, 0.05
SHUFFLED_SHARE, SWING_RANGE = 0.2, 0.025
MODULATED_SHARE, MODULATIONS = 0.12, (-2, 1, 2, 3, 5)
BREAKS = 0.3

# The purposes of random generators: each has its own, so that one more draw changes no other.
PLAN, FORM, PART, FEEL, TEXTS, SOUND, ARRANGEMENT, PAUSES = range(8)


@dataclass(frozen=True)
class Brief:
    """The plan of a piece, before a note is written.

    Attributes:
        seed: the seed of the piece; all other values are drawn from it, unless set by hand.
        genre: a name of `GENRES`.
        tempo_bpm: beats a minute.
        tonic: a name of `theory.TONICS`.
        mode: a name of `theory.MODES` that the genre uses.
        density: 0 sparse to 1 busy.
        brightness: 0 dark to 1 bright.
        instruments: (role, instrument) of each part that plays; empty = drawn from the seed.
        arrangement: who plays.
        swing: position of the off-beat between two beats of the genre's `swing_unit`; 0.5 is
            straight.
        modulation: semitones by which the key rises in the middle of the piece; 0 = one key.
        breaks: probability that the drums, or all but the drums, pause in a section.
    """

    seed: int
    genre: str
    tempo_bpm: int
    tonic: str
    mode: str
    density: float
    brightness: float
    instruments: tuple[tuple[str, str], ...] = ()
    arrangement: Arrangement = "band"
    swing: float = 0.5
    modulation: int = 0
    breaks: float = 0.0


def piece_seed(corpus_seed: int, index: int, split: Split) -> int:
    """Returns the seed of a piece; the two splits never share one.

    Raises:
        ValueError: a number is negative, or the index is too large.
    """
    if corpus_seed < 0 or not 0 <= index < HELDOUT_FROM:
        raise ValueError(f"no piece {index} in a corpus of seed {corpus_seed}")
    return corpus_seed * BLOCK + (HELDOUT_FROM if split == "heldout" else 0) + index


def plan_piece(corpus_seed: int, index: int, split: Split) -> Brief:
    """Plans the piece at `index`; genres alternate, so that any number of pieces is balanced."""
    names = sorted(GENRES)
    return plan_brief(piece_seed(corpus_seed, index, split), names[index % len(names)])


def plan_brief(seed: int, genre_name: str) -> Brief:
    """Draws tempo, key, density, brightness and arrangement within the ranges of a genre."""
    genre = GENRES[genre_name]
    rng = np.random.default_rng([seed, PLAN])
    modes = sorted(genre.progressions)
    return Brief(
        seed=seed,
        genre=genre_name,
        tempo_bpm=int(rng.integers(genre.tempo_bpm[0], genre.tempo_bpm[1] + 1)),
        tonic=TONICS[int(rng.integers(len(TONICS)))],
        mode=modes[int(rng.integers(len(modes)))],
        density=round(float(rng.uniform(*genre.density)), 3),
        brightness=round(float(rng.uniform(*genre.brightness)), 3),
        **_arrangement(seed, genre),
    )


def _arrangement(seed: int, genre: Genre) -> dict[str, Any]:
    rng = np.random.default_rng([seed, ARRANGEMENT])
    chances = rng.random(3)
    arrangement: Arrangement = "band"
    if any(part.role == "drums" for part in genre.parts):
        if chances[0] < RHYTHM_SHARE:
            arrangement = "rhythm"
        elif chances[0] < RHYTHM_SHARE + NO_DRUMS_SHARE:
            arrangement = "no drums"
    low, high = (0.5, 0.5)
    if genre.swing > 0.5:
        low, high = genre.swing - SWING_RANGE, genre.swing + SWING_RANGE
    elif chances[1] < SHUFFLED_SHARE and genre.loose_ms > 0:
        low, high = (0.52, 0.57)
    modulated = chances[2] < MODULATED_SHARE
    return {
        "arrangement": arrangement,
        "swing": round(float(rng.uniform(low, high)), 3),
        "modulation": int(rng.choice(MODULATIONS)) if modulated else 0,
        "breaks": BREAKS if arrangement == "band" else 0.0,
    }
