"""Examples: a place in a piece, what is known of the past and the style, and what comes next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from soundstage.errors import InputError
from soundstage.graph.format import Format
from soundstage.stages.depthformer.vocabulary import NOTHING, Vocabulary
from soundstage.training.tokens.record import PieceTokens


class Batch(NamedTuple):
    """What a step learns from.

    Attributes:
        prompt: int32 [row, prompt_token], as the stage `Pack` writes it.
        codes: int32 [row, frame, level]; what comes next, in [0, codebook_size).
        phase: int32 scalar >= 0; which frames to look at closely, where not all are.
        hidden: bool, broadcastable to [row, frame]; frames that the frames after them do not see.
    """

    prompt: np.ndarray
    codes: np.ndarray
    phase: np.ndarray = np.zeros((), np.int32)
    hidden: np.ndarray = np.zeros((1, 1), bool)


@dataclass(frozen=True)
class ExampleParams:
    """How examples are drawn.

    Attributes:
        rows: examples a batch.
        chunks: how many chunks come next. The encoder reads the past once for all of them: more
            than one makes training cheaper, though only the first is ever asked for in use.
        fresh_share: of the examples, those that know nothing of the past: only they teach what a
            style means, for the past tells it as well.
        forgetful_share: those that know only the past's end, any length of it.
        noisy_share: those of whose past some codes are wrong, as they will be in use, where the
            past is the model's own work.
        noise: the largest share of wrong codes in those.
        style_dropout: those without a style, for guidance.
        text_share: those whose style is a text's, of a piece that has texts; else it is a clip's.
        hidden_share: of the examples, those in which any share of the frames just made is hidden,
            so that the past and the style must tell what comes next.
        hide_nothing: what is not there yet is hidden, as the stage `PackKnown` does it.

    Raises:
        ValueError: a value is impossible.
    """

    rows: int = 8
    chunks: int = 1
    fresh_share: float = 0.4
    forgetful_share: float = 0.2
    noisy_share: float = 0.3
    noise: float = 0.1
    style_dropout: float = 0.12
    text_share: float = 0.5
    hidden_share: float = 0.0
    hide_nothing: bool = False

    def __post_init__(self) -> None:
        if self.rows < 1 or self.chunks < 1:
            raise ValueError(f"rows and chunks must be at least 1, got {self.rows}, {self.chunks}")
        for name in ("fresh", "forgetful", "noisy", "text", "hidden"):
            if not 0 <= getattr(self, f"{name}_share") <= 1:
                raise ValueError(f"{name}_share must be in [0, 1]")
        if not (0 <= self.style_dropout < 1 and 0 <= self.noise <= 1):
            raise ValueError("style_dropout must be in [0, 1), noise in [0, 1]")


class TooShort(InputError):
    """No piece is long enough to learn from."""


class Examples:
    """Batches by number: each a function of (pieces, params, seed, step) alone.

    Args:
        pieces: what examples are cut from.
        format: the music format.
        params: how they are drawn.
        seed: of the whole run.

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
        starts = [len(piece.tokens) - self._frames + 1 for piece in self._pieces]
        self._ends = np.cumsum(starts)
        self._context_frames = format.dims["context_frame"]
        self._vocabulary = Vocabulary.of(format)
        self._params, self._seed = params, seed

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        rows = [self._example(step, row) for row in range(self._params.rows)]
        prompt, codes, hidden = (np.stack(parts) for parts in zip(*rows, strict=True))
        return Batch(prompt, codes, np.array(step, np.int32), hidden)

    def _example(self, step: int, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        draw = np.random.default_rng([self._seed, step, row])
        place = int(draw.integers(self._ends[-1]))
        number = int(np.searchsorted(self._ends, place, side="right"))
        start = place - (int(self._ends[number - 1]) if number else 0)
        piece = self._pieces[number]
        past = self._context(draw, piece.tokens, start)
        prompt = self._vocabulary.pack(past, self._style(draw, piece))
        if self._params.hide_nothing:
            prompt = self._vocabulary.hide_nothing(prompt)
        if draw.random() < self._params.style_dropout:
            prompt = self._vocabulary.unprompted(prompt)
        hides = draw.random() < self._params.hidden_share
        hidden = draw.random(self._frames) < hides * draw.random()
        return prompt, piece.tokens[start : start + self._frames].astype(np.int32), hidden

    def _context(self, draw: np.random.Generator, tokens: np.ndarray, start: int) -> np.ndarray:
        """int32 [context_frame, level]; -1 = nothing yet."""
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
        """int32 [style_level]."""
        from_text = draw.random() < self._params.text_share and len(piece.text_styles)
        tokens = (piece.text_styles if from_text else piece.clips).tokens
        return tokens[int(draw.integers(len(tokens)))].astype(np.int32)
