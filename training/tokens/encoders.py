"""Encoders of pieces: a codec, an embedder and a quantizer turn audio and texts into tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import soxr

from soundstage.graph.format import Format
from soundstage.graph.port import Tensor
from soundstage.training.tokens.pieces import MusicSource
from soundstage.training.tokens.record import PieceStyles, PieceTokens, TokenFacts
from soundstage.training.whole_codec import WholeCodec

# Part of every key: raise it when encoded pieces have other contents.
RECORD_VERSION = 2
# Frames encoded at a time, and the frames at either end that only give context to the others. The
# codec's receptive field is shorter than one second.
WINDOW_FRAMES = 250
MARGIN_FRAMES = 10


class Embedding(Protocol):
    """A stage that embeds prompts; its inputs are `style_prompts.PROMPT_INPUTS`."""

    weights_digest: str

    def __call__(
        self,
        texts: Sequence[Sequence[str]],
        text_weights: Sequence[np.ndarray],
        clips: Sequence[np.ndarray],
        clip_weights: Sequence[np.ndarray],
    ) -> Mapping[str, Tensor]:
        """Returns "embedding", float32 [row, style_dim], and maybe more."""
        ...


class Quantizing(Protocol):
    """A stage that quantizes style embeddings."""

    weights_digest: str

    def __call__(self, embedding: np.ndarray) -> dict[str, np.ndarray]:
        """Returns "tokens", int32 [row, style_level]."""
        ...


@dataclass(frozen=True)
class Encoders:
    """The codec and the style stages that turn audio and texts into tokens.

    Attributes:
        format: the music format.
        codec: has its encoder and quantizer.
        codec_digest: SHA-256 of the codec's arrays, as hex digits.
        embed: the stage that embeds prompts.
        quantize: the stage that turns embeddings into tokens.
    """

    format: Format
    codec: WholeCodec
    codec_digest: str
    embed: Embedding
    quantize: Quantizing

    @property
    def facts(self) -> TokenFacts:
        """The format of the tokens, and a digest of all encoders' weights."""
        parts = (self.codec_digest, self.embed.weights_digest, self.quantize.weights_digest)
        return TokenFacts.of(self.format, hashlib.sha256("".join(parts).encode()).hexdigest())

    def key(self, piece: MusicSource, clips: int) -> str:
        """Returns the SHA-256, as hex digits, of everything that determines a piece's numbers.

        Raises:
            OSError: its file cannot be read.
        """
        parts = f"{piece.digest()} {clips} {self.facts} {RECORD_VERSION}"
        return hashlib.sha256(parts.encode()).hexdigest()

    def encode(
        self, piece: MusicSource, clips: int, audio: np.ndarray | None = None
    ) -> PieceTokens:
        """Encodes a piece.

        Args:
            piece: the piece.
            clips: most clips, evenly spread, whose styles are encoded.
            audio: its samples, float32 [sample, channel]; None = ask the piece for them.

        Raises:
            InputError: the file cannot be decoded.
            OSError: the file cannot be read.
        """
        format = self.format
        if audio is None:
            audio = piece.audio(format.sample_rate_hz, format.channels)
        samples, starts_s = cut_clips(audio, format, clips)
        tokens, rate_hz = codec_tokens(self.codec, audio, format.codec_levels), format.frame_rate_hz
        return PieceTokens(
            piece.name,
            piece.split,
            self.key(piece, clips),
            tokens,
            self._styles((), samples),
            starts_s,
            piece.texts,
            self._styles(piece.texts, samples[:0]),
            tempo_bpm=piece.music.tempo_bpm,
            beats_per_bar=piece.music.beats_per_bar,
            density=piece.music.density,
            brightness=piece.music.brightness,
            onsets=piece.music.onsets(len(tokens), rate_hz),
            drums=piece.music.drums(len(tokens), rate_hz),
            chords=piece.music.chords(len(tokens), rate_hz),
        )

    def _styles(self, texts: Sequence[str], clips: np.ndarray) -> PieceStyles:
        """Encodes prompts one by one, so that a prompt's style depends on nothing else."""
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
        rows = [
            np.asarray(output["embedding"]) for output in embedded
        ]  # float32 [1, style_dim] each
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
        audio: float32 [sample, channel]; a partial last frame is left out, unless it is the only
            one.
        levels: RVQ levels.
        window_frames: frames encoded at a time.
        margin_frames: frames of context at either end of a window.

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
        format: length and rate of clips.
        most: number of clips; fewer if so many would overlap by more than half.

    Returns:
        float32 [clip, clip_sample], mono, padded with zeros; and the start of each in seconds.
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
