"""Training examples for networks that read the past in their decoder: windows of a piece.

Every frame of a window is predicted from the frames before it, so that one example teaches the
start of the music, short pasts and long ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from soundstage.graph.format import Format
from soundstage.stages.depthformer.conditions import CYCLE_BEATS, FREE, Conditions
from soundstage.stages.depthformer.vocabulary import MASK, Vocabulary
from soundstage.training.crops import CropStarts
from soundstage.training.depthformer.examples import TooShort
from soundstage.training.tokens.record import PieceTokens

# Onset strengths of a file of tokens are in [0, LOUDEST_ONSET].
LOUDEST_ONSET = 255


class Windows(NamedTuple):
    """The examples of one step.

    Attributes:
        style: int32 [row, style_token], ids.
        seen: int32 [row, frame, level]; the codes that later frames see, some of them wrong.
        codes: int32 [row, frame, level]; the codes to predict, in [0, codebook_size).
        conditions: of every frame.
        onsets: float32 [row, frame], in [0, 1]; the strength of the onsets in each frame.
        step: int32 scalar; selects the frames whose fine levels count.
    """

    style: np.ndarray
    seen: np.ndarray
    codes: np.ndarray
    conditions: Conditions
    onsets: np.ndarray
    step: np.ndarray


@dataclass(frozen=True)
class WindowParams:
    """How windows are drawn.

    Attributes:
        rows: windows a batch.
        style_dropout: share of windows without a style and without sound conditions, for guidance.
        text_share: share of windows with the style of a text, if the piece has texts; the others
            have the style of a clip.
        free_beats: share of windows without beats: only the past tells where they are.
        late_beats: share of windows whose beats are known from a random frame on.
        free_sound: share of windows in which each sound condition is free.
        noisy_share: share of windows with wrong codes among those that later frames see.
        noise: largest share of wrong codes in these.
        spliced_share: share of windows that start with the end of another piece.

    Raises:
        ValueError: a value is out of range.
    """

    rows: int = 8
    style_dropout: float = 0.12
    text_share: float = 0.5
    free_beats: float = 0.35
    late_beats: float = 0.2
    free_sound: float = 0.4
    noisy_share: float = 0.3
    noise: float = 0.08
    spliced_share: float = 0.1

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise ValueError(f"rows must be at least 1, got {self.rows}")
        for name, value in vars(self).items():
            if name != "rows" and not 0 <= value <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {value}")


class WindowExamples:
    """Batches by step: each is a function of (pieces, params, seed, step) alone.

    Args:
        pieces: the music that windows are cut from.
        format: the music format; a window has its context and one chunk.
        params: how windows are drawn.
        seed: the seed of the run.

    Raises:
        TooShort: no piece has as many frames as a window.
    """

    def __init__(
        self, pieces: Sequence[PieceTokens], format: Format, params: WindowParams, seed: int
    ) -> None:
        self._chunk = format.dims["frame"]
        self._frames = format.dims["context_frame"] + self._chunk
        self._pieces = [piece for piece in pieces if len(piece.tokens) >= self._frames]
        if not self._pieces:
            seconds = self._frames / format.frame_rate_hz
            raise TooShort(
                f"none of {len(pieces)} pieces lasts the {seconds:g} s that an example needs; give "
                "longer audio"
            )
        self._starts = CropStarts([len(piece.tokens) for piece in self._pieces], self._frames)
        self._vocabulary = Vocabulary.of(format)
        self._rate_hz = format.frame_rate_hz
        self._params, self._seed = params, seed

    def batch(self, step: int) -> Windows:
        """Makes the batch of a step."""
        rows = [self._window(step, row) for row in range(self._params.rows)]
        style, seen, codes, beats, sound, onsets = map(np.stack, zip(*rows, strict=True))
        return Windows(
            style, seen, codes, Conditions(beats, sound), onsets, np.array(step, np.int32)
        )

    def _window(self, step: int, row: int) -> tuple[np.ndarray, ...]:
        draw = np.random.default_rng([self._seed, step, row])
        params = self._params
        piece, crop = self._crop(draw)
        codes, onsets = piece.tokens[crop].astype(np.int32), self._onsets(piece, crop)
        beats, sound = self._beats(draw, piece, crop), self._sound(draw, piece, crop)
        style = self._style(draw, piece)
        if draw.random() < params.style_dropout:
            style, sound = np.full_like(style, MASK), np.full_like(sound, FREE)
        if draw.random() < params.spliced_share:
            other, before = self._crop(draw)
            length = int(draw.integers(1, self._frames))
            codes[:length] = other.tokens[before][-length:]
            onsets[:length] = self._onsets(other, before)[-length:]
            beats[:length] = self._known_beats(draw, other, before)[-length:]
            sound[:length] = FREE
        return style, self._noisy(draw, codes), codes, beats, sound, onsets

    def _crop(self, draw: np.random.Generator) -> tuple[PieceTokens, slice]:
        number, start = self._starts.draw(draw)
        return self._pieces[number], slice(start, start + self._frames)

    def _onsets(self, piece: PieceTokens, crop: slice) -> np.ndarray:
        return piece.onsets[crop].astype(np.float32) / LOUDEST_ONSET

    def _known_beats(
        self, draw: np.random.Generator, piece: PieceTokens, crop: slice
    ) -> np.ndarray:
        """Returns the beats of a crop; its cycle starts with any of the piece's bars."""
        if piece.tempo_bpm <= 0:
            return np.full(self._frames, FREE, np.float32)
        bar = piece.beats_per_bar
        shift = bar * int(draw.integers(CYCLE_BEATS // bar))
        beats = np.arange(crop.start, crop.stop) / self._rate_hz * piece.tempo_bpm / 60 + shift
        return (beats % CYCLE_BEATS).astype(np.float32)

    def _beats(self, draw: np.random.Generator, piece: PieceTokens, crop: slice) -> np.ndarray:
        params = self._params
        beats = self._known_beats(draw, piece, crop)
        kind, first = draw.random(), int(draw.integers(self._frames))
        if kind < params.free_beats:
            beats[:] = FREE
        elif kind < params.free_beats + params.late_beats:
            beats[:first] = FREE
        return beats

    def _sound(self, draw: np.random.Generator, piece: PieceTokens, crop: slice) -> np.ndarray:
        values = np.empty((self._frames, 3), np.float32)
        values[:, 0], values[:, 1] = piece.density, piece.brightness
        values[:, 2] = piece.drums[crop]
        values[:, draw.random(3) < self._params.free_sound] = FREE
        # In play only the chunk's conditions are known, not those of the past.
        values[: int(draw.integers(2)) * (self._frames - self._chunk)] = FREE
        return values

    def _style(self, draw: np.random.Generator, piece: PieceTokens) -> np.ndarray:
        from_text = draw.random() < self._params.text_share and len(piece.text_styles)
        tokens = (piece.text_styles if from_text else piece.clips).tokens
        chosen = tokens[int(draw.integers(len(tokens)))].astype(np.int32)
        return self._vocabulary.style_ids(chosen[: self._vocabulary.prompt_style_levels])

    def _noisy(self, draw: np.random.Generator, codes: np.ndarray) -> np.ndarray:
        share = draw.random() * self._params.noise
        if draw.random() >= self._params.noisy_share:
            return codes
        wrong = draw.random(codes.shape) < share
        return np.where(
            wrong, draw.integers(self._vocabulary.codebook_size, size=codes.shape), codes
        )
