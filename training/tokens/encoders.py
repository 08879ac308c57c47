"""From audio and texts to tokens: the stages of a pipeline, used the other way round."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import soxr

from soundstage.audio.clips import read_audio
from soundstage.graph.format import Format
from soundstage.training.tokens.pieces import SourcePiece
from soundstage.training.tokens.record import PieceStyles, PieceTokens, TokenFacts
from soundstage.training.whole_codec import WholeCodec

LONGEST_S = 3600.0
# Frames encoded at a time, and how many of them, at either end that is not the piece's, are only
# there so that the others see what is around them. The codec sees less than a second.
WINDOW_FRAMES = 250
MARGIN_FRAMES = 10


class Embedding(Protocol):
    """A stage from prompts to style embeddings; its inputs are `style_prompts.PROMPT_INPUTS`."""

    weights_digest: str

    def __call__(
        self,
        texts: Sequence[Sequence[str]],
        text_weights: Sequence[np.ndarray],
        clips: Sequence[np.ndarray],
        clip_weights: Sequence[np.ndarray],
    ) -> dict[str, np.ndarray]:
        """Gives "embedding", float32 [row, style_dim]."""
        ...


class Quantizing(Protocol):
    """A stage from style embeddings to style tokens."""

    weights_digest: str

    def __call__(self, embedding: np.ndarray) -> dict[str, np.ndarray]:
        """Gives "tokens", int32 [row, style_level]."""
        ...


@dataclass(frozen=True)
class Encoders:
    """What turns audio and texts into tokens.

    Attributes:
        format: the music format.
        codec: has its encoder and quantizer.
        codec_digest: SHA-256 of the codec's arrays, as hex digits.
        embed: the stage that embeds prompts.
        quantize: the stage that makes tokens of embeddings.
    """

    format: Format
    codec: WholeCodec
    codec_digest: str
    embed: Embedding
    quantize: Quantizing

    @property
    def facts(self) -> TokenFacts:
        """What the numbers made here mean."""
        parts = (self.codec_digest, self.embed.weights_digest, self.quantize.weights_digest)
        return TokenFacts.of(self.format, hashlib.sha256("".join(parts).encode()).hexdigest())

    def key(self, piece: SourcePiece, clips: int) -> str:
        """SHA-256, as hex digits, of all that a piece's numbers follow from.

        Raises:
            OSError: its file cannot be read.
        """
        parts = f"{piece.digest()} {clips} {self.facts}"
        return hashlib.sha256(parts.encode()).hexdigest()

    def encode(self, piece: SourcePiece, clips: int) -> PieceTokens:
        """Encodes a piece.

        Args:
            piece: its audio is read from its file.
            clips: how many clips at most, spread evenly, get a style.

        Raises:
            InputError: the audio cannot be read.
            OSError: likewise.
        """
        format = self.format
        audio = read_audio(piece.path, format.sample_rate_hz, format.channels, LONGEST_S)
        samples, starts_s = cut_clips(audio, format, clips)
        return PieceTokens(
            piece.name,
            piece.split,
            self.key(piece, clips),
            codec_tokens(self.codec, audio, format.codec_levels),
            self._styles((), samples),
            starts_s,
            piece.texts,
            self._styles(piece.texts, samples[:0]),
        )

    def _styles(self, texts: Sequence[str], clips: np.ndarray) -> PieceStyles:
        """The styles of prompts, one by one: a prompt's style depends on nothing else."""
        nothing, one = np.zeros(0, np.float32), np.ones(1, np.float32)
        embedded = [
            self.embed(
                texts=[[text]], text_weights=[one], clips=[clips[:0]], clip_weights=[nothing]
            )
            for text in texts
        ] + [
            self.embed(texts=[[]], text_weights=[nothing], clips=[clip[None]], clip_weights=[one])
            for clip in clips
        ]
        width, levels = self.format.style_dim, self.format.style_levels
        if not embedded:
            return PieceStyles(np.zeros((0, levels), np.int16), np.zeros((0, width), np.float32))
        rows = [output["embedding"] for output in embedded]  # float32 [1, style_dim] each
        tokens = [self.quantize(embedding=row)["tokens"] for row in rows]
        return PieceStyles(np.concatenate(tokens).astype(np.int16), np.concatenate(rows))


def codec_tokens(
    codec: WholeCodec,
    audio: np.ndarray,
    levels: int,
    window_frames: int = WINDOW_FRAMES,
    margin_frames: int = MARGIN_FRAMES,
) -> np.ndarray:
    """Encodes audio of any length in windows of one length, so that one program is compiled.

    Args:
        codec: has its encoder and quantizer.
        audio: float32 [sample, channel]; a last partial frame is left out, unless it is all.
        levels: RVQ levels.
        window_frames: frames encoded at a time.
        margin_frames: frames around a window's own that the encoder must see.

    Returns:
        int16 [frame, level].
    """
    hop = codec.frame_samples
    frames = max(len(audio) // hop, 1)
    kept = window_frames - 2 * margin_frames
    parts = []
    for first in range(0, frames, kept):
        start = max(first - margin_frames, 0)
        window = np.zeros((window_frames * hop, audio.shape[1]), np.float32)
        seen = audio[start * hop : (start + window_frames) * hop]
        window[: len(seen)] = seen
        codes = codec.encode(window[None], levels)[0]
        parts.append(codes[first - start : first - start + kept])
    return np.concatenate(parts)[:frames].astype(np.int16)


def cut_clips(audio: np.ndarray, format: Format, most: int) -> tuple[np.ndarray, tuple[float, ...]]:
    """Cuts clips for the style model, evenly spread from the start to the end.

    Args:
        audio: float32 [sample, channel] at `sample_rate_hz`.
        format: gives length and rate of clips.
        most: how many; fewer where that many would overlap by more than half.

    Returns:
        float32 [clip, clip_sample], mono, filled up with zeros; and where each starts, in seconds.
    """
    mono = audio.mean(axis=1, dtype=np.float32)
    mono = soxr.resample(mono, format.sample_rate_hz, format.clip_rate_hz, quality="VHQ")
    length = format.dims["clip_sample"]
    room = max(len(mono) - length, 0)
    count = min(most, 1 + 2 * room // length)
    starts = np.linspace(0, room, count).astype(int) if count > 1 else [room // 2]
    clips = np.zeros((count, length), np.float32)
    for clip, start in zip(clips, starts, strict=True):
        seen = mono[start : start + length]
        clip[: len(seen)] = seen
    return clips, tuple(float(start) / format.clip_rate_hz for start in starts)
