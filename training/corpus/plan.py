"""Which pieces a corpus holds: every choice follows from the seed of the piece."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from soundstage.training.corpus.composition.theory import TONICS
from soundstage.training.corpus.genres import GENRES

Split = Literal["train", "heldout"]

# Seeds of pieces: a corpus seed owns one block, the second half of it is held out.
BLOCK = 2_000_000
HELDOUT_FROM = 1_000_000

# What a generator of random numbers is for; so one more draw here moves nothing there.
PLAN, FORM, PART, FEEL, TEXTS = range(5)


@dataclass(frozen=True)
class Brief:
    """What a piece is to be, before a note is written.

    Attributes:
        seed: of the piece; everything else is drawn from it, unless chosen by hand.
        genre: a name of `GENRES`.
        tempo_bpm: beats a minute.
        tonic: a name of `theory.TONICS`.
        mode: a name of `theory.MODES` that the genre uses.
        density: 0 sparse to 1 busy.
        brightness: 0 dark to 1 bright.
        instruments: one a part that plays, as (role, instrument); empty = drawn from the seed.
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
    """The seed of a piece; the two splits never share one.

    Raises:
        ValueError: a number is negative or the index too large.
    """
    if corpus_seed < 0 or not 0 <= index < HELDOUT_FROM:
        raise ValueError(f"no piece {index} in a corpus of seed {corpus_seed}")
    return corpus_seed * BLOCK + (HELDOUT_FROM if split == "heldout" else 0) + index


def plan_piece(corpus_seed: int, index: int, split: Split) -> Brief:
    """Chooses what the piece at `index` is; genres take turns, so any number is balanced."""
    names = sorted(GENRES)
    return plan_brief(piece_seed(corpus_seed, index, split), names[index % len(names)])


def plan_brief(seed: int, genre_name: str) -> Brief:
    """Draws tempo, key, density and brightness within what the genre allows."""
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
