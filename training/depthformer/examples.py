"""Training examples: the past and the style at a position of a piece, and the codes to predict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from soundstage.errors import InputError
from soundstage.graph.format import Format
from soundstage.stages.depthformer.vocabulary import NOTHING, Vocabulary
from soundstage.training.crops import CropStarts
from soundstage.training.tokens.record import PieceTokens


class Batch(NamedTuple):
    """The examples of one step.

    Attributes:
        prompt: int32 [row, prompt_token], as the stage `Pack` writes it.
        codes: int32 [row, frame, level]; the codes to predict, in [0, codebook_size).
        phase: int32 scalar >= 0; the first frame whose fine levels count, if not all frames' do.
    """

    prompt: np.ndarray
    codes: np.ndarray
    phase: np.ndarray = np.zeros((), np.int32)


@dataclass(frozen=True)
class ExampleParams:
    """How examples are drawn.

    Attributes:
        rows: examples a batch.
        chunks: chunks to predict from one past. The encoder reads the past once for all of them,
            so more chunks make training cheaper, although generation predicts only one.
        fresh_share: share of examples without a past. Only these teach what a style means, because
            the past determines the style as well.
        forgetful_share: share of examples with only the end of the past, of random length.
        noisy_share: share of examples with wrong codes in the past, as in generation, where the
            model itself made the past.
        noise: largest share of wrong codes in these.
        style_dropout: share of examples without a style, for guidance.
        text_share: share of examples with the style of a text, if the piece has texts; the others
            have the style of a clip.
        hide_nothing: hide context frames that do not exist yet, as the stage `PackKnown` does.

    Raises:
        ValueError: a value is out of range.
    """

    rows: int = 8
    chunks: int = 1
    fresh_share: float = 0.4
    forgetful_share: float = 0.2
    noisy_share: float = 0.3
    noise: float = 0.1
    style_dropout: float = 0.12
    text_share: float = 0.5
    hide_nothing: bool = False

    def __post_init__(self) -> None:
        if self.rows < 1 or self.chunks < 1:
            raise ValueError(f"rows and chunks must be at least 1, got {self.rows}, {self.chunks}")
        for name in ("fresh", "forgetful", "noisy", "text"):
            if not 0 <= getattr(self, f"{name}_share") <= 1:
                raise ValueError(f"{name}_share must be in [0, 1]")
        if not (0 <= self.style_dropout < 1 and 0 <= self.noise <= 1):
            raise ValueError("style_dropout must be in [0, 1), noise in [0, 1]")


class TooShort(InputError):
    """No piece is long enough for an example."""


class Examples:
    """Batches by step: each is a function of (pieces, params, seed, step) alone.

    Args:
        pieces: the music that examples are cut from.
        format: the music format.
        params: how examples are drawn.
        seed: the seed of the run.

    Raises:
        TooShort: no piece has as many frames as an example needs.
    """

    def __init__(
        self, pieces: Sequence[PieceTokens], format: Format, params: ExampleParams, seed: int
    ) -> None:
        self._frames = params.chunks * format.dims["frame"]
        self._pieces = [piece for piece in pieces if len(piece.tokens) >= self._frames]
        if not self._pieces:
            raise TooShort(
                f"none of {len(pieces)} pieces lasts the {self._frames / format.frame_rate_hz:g} s "
                "that an example needs; give longer audio, or fewer chunks"
            )
        self._starts = CropStarts([len(piece.tokens) for piece in self._pieces], self._frames)
        self._context_frames = format.dims["context_frame"]
        self._vocabulary = Vocabulary.of(format)
        self._params, self._seed = params, seed

    def batch(self, step: int) -> Batch:
        """Makes the batch of a step."""
        rows = [self._example(step, row) for row in range(self._params.rows)]
        prompt, codes = (np.stack(parts) for parts in zip(*rows, strict=True))
        return Batch(prompt, codes, np.array(step, np.int32))

    def _example(self, step: int, row: int) -> tuple[np.ndarray, np.ndarray]:
        draw = np.random.default_rng([self._seed, step, row])
        number, start = self._starts.draw(draw)
        piece = self._pieces[number]
        past = self._context(draw, piece.tokens, start)
        prompt = self._vocabulary.pack(past, self._style(draw, piece))
        if self._params.hide_nothing:
            prompt = self._vocabulary.hide_nothing(prompt)
        if draw.random() < self._params.style_dropout:
            prompt = self._vocabulary.unprompted(prompt)
        return prompt, piece.tokens[start : start + self._frames].astype(np.int32)

    def _context(self, draw: np.random.Generator, tokens: np.ndarray, start: int) -> np.ndarray:
        """Draws the known past before `start`, int32 [context_frame, level]; -1 = unknown."""
        params, length = self._params, self._context_frames
        kind = draw.random()
        known = min(start, length)
        if kind < params.fresh_share:
            known = 0
        elif kind < params.fresh_share + params.forgetful_share:
            known = int(draw.integers(known + 1))
        context = np.full((length, tokens.shape[1]), NOTHING, np.int32)
        context[length - known :] = tokens[start - known : start]
        if draw.random() < params.noisy_share:
            wrong = draw.random(context.shape) < draw.random() * params.noise
            wrong &= context != NOTHING
            size = self._vocabulary.codebook_size
            context = np.where(wrong, draw.integers(size, size=context.shape), context)
        return context

    def _style(self, draw: np.random.Generator, piece: PieceTokens) -> np.ndarray:
        """Draws a style of a piece, int32 [style_level]."""
        from_text = draw.random() < self._params.text_share and len(piece.text_styles)
        tokens = (piece.text_styles if from_text else piece.clips).tokens
        return tokens[int(draw.integers(len(tokens)))].astype(np.int32)
