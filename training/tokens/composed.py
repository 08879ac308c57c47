"""Pieces that are composed and rendered when they are encoded; their audio is not kept."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from soundstage.errors import InputError
from soundstage.training.corpus.composition.compose import compose
from soundstage.training.corpus.fluidsynth import RATE_HZ
from soundstage.training.corpus.music_facts import MusicFacts
from soundstage.training.corpus.plan import Brief, Split, plan_piece
from soundstage.training.corpus.production import (
    Renderers,
    main_instruments,
    piece_count,
    recipe,
)
from soundstage.training.corpus.sound import SoundSources
from soundstage.training.corpus.texts import describe

CHANNELS = 2


@dataclass(frozen=True)
class MusicRequest:
    """The amount and the seed of music to compose; equal requests give equal music.

    Attributes:
        minutes: total audio; rounded up to whole pieces.
        seed: the seed of the corpus.
        split: "train" or "heldout"; the two share no piece.
        piece_s: seconds of a piece.
        sources: the soundfonts and drum samples.
    """

    minutes: float
    seed: int
    split: Split
    piece_s: float
    sources: SoundSources


@dataclass(frozen=True)
class ComposedPiece:
    """A piece that its brief determines.

    Attributes:
        name: split, genre and seed.
        split: "train" or "heldout".
        texts: descriptions to train with.
        music: the facts of its score.
        brief: the plan of the piece.
        recipe: SHA-256, as hex digits, of everything that determines the audio.
        piece_s: seconds of audio.
        renderers: render it.
    """

    name: str
    split: Split
    texts: tuple[str, ...]
    music: MusicFacts
    brief: Brief
    recipe: str
    piece_s: float
    renderers: Renderers

    def digest(self) -> str:
        """Returns the recipe and the texts, which determine the piece."""
        return f"{self.recipe} {self.texts!r}"

    def audio(self, rate_hz: int, channels: int) -> np.ndarray:
        """Composes and renders the piece, float32 [sample, 2].

        Raises:
            InputError: the codec has another rate or other channels than the corpus.
            RenderError: FluidSynth is missing or cannot read a soundfont.
        """
        if (rate_hz, channels) != (RATE_HZ, CHANNELS):
            raise InputError(
                f"the corpus has {CHANNELS} channels at {RATE_HZ} Hz, but the codec {channels} at "
                f"{rate_hz} Hz"
            )
        return self.renderers.render(self.brief, compose(self.brief, self.piece_s), self.piece_s)


def composed_pieces(request: MusicRequest) -> Iterator[ComposedPiece]:
    """Composes the pieces of a request one by one, without rendering them."""
    renderers = Renderers(request.sources)
    for index in range(piece_count(request.minutes, request.piece_s)):
        brief = plan_piece(request.seed, index, request.split)
        score = compose(brief, request.piece_s)
        texts, _ = describe(brief, main_instruments(score, request.piece_s))
        yield ComposedPiece(
            f"{request.split}/{brief.genre}-{brief.seed:08d}",
            request.split,
            texts,
            MusicFacts.of(score, brief.density, brief.brightness),
            brief,
            recipe(brief, score, request.sources, request.piece_s),
            request.piece_s,
            renderers,
        )
