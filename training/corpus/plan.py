"""The plan of a corpus: genre, tempo, key and character of each piece, drawn from its seed."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from soundstage.training.corpus.composition.theory import TONICS
from soundstage.training.corpus.genres import GENRES

Split = Literal["train", "heldout"]

# Each corpus seed has one block of piece seeds, whose second half is held out.
BLOCK = 2_000_000
HELDOUT_FROM = 1_000_000

# The purposes of random generators: each has its own, so that one more draw changes no other.
PLAN, FORM, PART, FEEL, TEXTS = range(5)


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
    """

    seed: int
    genre: str
    tempo_bpm: int
    tonic: str
    mode: str
    density: float
    brightness: float
    instruments: tuple[tuple[str, str], ...] = ()


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
    """Draws tempo, key, density and brightness within the ranges of a genre."""
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
    )
