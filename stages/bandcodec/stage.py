"""The stages of the band codec: tokens to audio, and audio to tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.bandcodec.codec import (
    LATE_FRAMES,
    RUN_IN_FRAMES,
    BandCodec,
    load_bandcodec,
    memory_size,
)
from soundstage.stages.bandcodec.measures import MEASURES
from soundstage.stages.ports import AUDIO, CODEC_MEMORY, CONTEXT, FADED_AUDIO, TOKENS
from soundstage.stages.settings_checks import check_weights_setting, format_mismatches
from soundstage.stages.streaming_encoder import encode_after
from soundstage.stages.weights.published.missing import lacking
from soundstage.stages.weights.sources import closing_source

if TYPE_CHECKING:
    import jax

# Frames of the past to encode before a chunk; no window reaches further back.
LEAD_FRAMES = 2


@dataclass(frozen=True)
class BandCodecParams:
    """Settings of the codec's stages.

    Attributes:
        weights: `random:SEED`, a path, or the name of a model; see
            `stages.weights.sources.open_source`.

    Raises:
        ValueError: `weights` is not a string, or is empty.
    """

    weights: str

    def __post_init__(self) -> None:
        check_weights_setting(self.weights)


def check_music(format: Format) -> None:
    """Refuses a music format that the codec does not fit.

    Raises:
        ValueError: lists every size that differs, with its value in the codec.
    """
    _check_sizes(
        ("sample_rate_hz", format.sample_rate_hz, MEASURES.sample_rate_hz),
        ("channels", format.channels, MEASURES.channels),
        ("samples per frame", format.frame_samples, MEASURES.frame_samples),
        ("codebook_size", format.codebook_size, MEASURES.codes),
        ("codec_levels", format.codec_levels, min(format.codec_levels, MEASURES.levels)),
    )


def _check_streaming(format: Format) -> None:
    check_music(format)
    _check_sizes(
        ("codec_memory", format.codec_memory, memory_size(MEASURES)),
        # Code that joins audio to the start of the music takes fade_s for the delay.
        ("frames in fade_s", format.fade_frames, LATE_FRAMES),
    )


def _check_sizes(*sizes: tuple[str, int, int]) -> None:
    problems = format_mismatches(*sizes)
    if problems:
        raise ValueError("; ".join(problems))


def _load(params: BandCodecParams, device: jax.Device) -> tuple[BandCodec, str, str]:
    with closing_source(params.weights) as source:
        return load_bandcodec(MEASURES, source, device)


class Encode:
    """Encodes every chunk of audio by itself.

    The end of a chunk is encoded as if silence followed.

    Inputs:
        audio: float32 [row, sample, channel], 1.0 = full scale.

    Outputs:
        tokens: int32 [row, frame, level], in [0, codebook_size).

    Raises:
        ValueError: at construction, the codec does not fit the format.
        WeightsError: the weights cannot be used.
    """

    inputs: ClassVar[dict[str, Port]] = {"audio": AUDIO}
    outputs: ClassVar[dict[str, Port]] = {"tokens": TOKENS}
    Params: ClassVar[type] = BandCodecParams
    lacking = staticmethod(lacking)

    def __init__(self, params: BandCodecParams, format: Format, device: jax.Device) -> None:
        check_music(format)
        self._codec, self.weights_digest, self.weights_note = _load(params, device)
        self._levels = format.codec_levels

    def __call__(self, audio: np.ndarray) -> dict[str, np.ndarray]:
        """Encodes one chunk of every row; compiles at the first call for a number of rows."""
        return {"tokens": self._codec.encode(audio, self._levels)}


class EncodeStreaming:
    """Encodes a chunk of audio as the continuation of the chunk before.

    The first frames get the tokens that they have when both chunks are encoded as one. The end of
    the chunk is encoded as if silence followed.

    Inputs:
        audio: float32 [row, sample, channel], 1.0 = full scale.
        past: float32 [row, sample, channel]; the chunk before, zeros at first.

    Outputs:
        tokens: int32 [row, frame, level], in [0, codebook_size); those of `audio`.

    Raises:
        ValueError: at construction, the codec does not fit the format.
        WeightsError: the weights cannot be used.
    """

    inputs: ClassVar[dict[str, Port]] = {"audio": AUDIO, "past": AUDIO}
    outputs: ClassVar[dict[str, Port]] = {"tokens": TOKENS}
    Params: ClassVar[type] = BandCodecParams
    lacking = staticmethod(lacking)

    def __init__(self, params: BandCodecParams, format: Format, device: jax.Device) -> None:
        check_music(format)
        self._codec, self.weights_digest, self.weights_note = _load(params, device)
        self._levels = format.codec_levels

    def __call__(self, audio: np.ndarray, past: np.ndarray) -> dict[str, np.ndarray]:
        """Encodes one chunk of every row; compiles at the first call for a number of rows."""
        return {"tokens": encode_after(self._codec, past, audio, self._levels, LEAD_FRAMES)}


class Decode:
    """Renders a chunk's tokens as audio, with the overlap for a cross-fade in front.

    The last frame of the context is rendered again in front of the chunk; frames that do not exist
    yet are silent. Phases begin anew, a few frames before the overlap. The codec looks one frame
    ahead: behind the chunk, its last frame is taken to go on.

    Inputs:
        tokens: int32 [row, frame, level], in [0, codebook_size).
        context: int32 [row, context_frame, level]; the past before the chunk, -1 = nothing yet.

    Outputs:
        audio: float32 [row, faded_sample, channel].

    Raises:
        ValueError: at construction, the codec does not fit the format; when called, a token is
            out of range (names its index).
        WeightsError: the weights cannot be used.
    """

    inputs: ClassVar[dict[str, Port]] = {"tokens": TOKENS, "context": CONTEXT}
    outputs: ClassVar[dict[str, Port]] = {"audio": FADED_AUDIO}
    Params: ClassVar[type] = BandCodecParams
    lacking = staticmethod(lacking)
    encoder: ClassVar[type] = Encode

    def __init__(self, params: BandCodecParams, format: Format, device: jax.Device) -> None:
        check_music(format)
        _check_sizes(("frames in fade_s", format.fade_frames, 1))
        self._codec, self.weights_digest, self.weights_note = _load(params, device)

    def __call__(self, tokens: np.ndarray, context: np.ndarray) -> dict[str, np.ndarray]:
        """Renders one chunk of every row; compiles at the first call for a number of rows."""
        lacking_frames = max(RUN_IN_FRAMES - context.shape[1], 0)
        past = np.pad(context, ((0, 0), (lacking_frames, 0), (0, 0)), constant_values=-1)
        return {"audio": self._codec.decode_after(past[:, -RUN_IN_FRAMES:], tokens)}


class DecodeStreaming:
    """Renders a chunk's tokens as the seamless continuation of the chunk before.

    The audio is delayed by `fade_s`, two frames: one for the codec's lookahead, one for windows
    that reach into the next frame. So much of the first chunk is silent.

    Inputs:
        tokens: int32 [row, frame, level], in [0, codebook_size).
        memory: float32 [row, codec_memory]; this stage's output for the chunk before, zeros at
            first.

    Outputs:
        audio: float32 [row, sample, channel].
        memory: float32 [row, codec_memory]; for the next chunk.

    Raises:
        ValueError: at construction, the codec does not fit the format; when called, a token is
            out of range (names its index).
        WeightsError: the weights cannot be used.
    """

    inputs: ClassVar[dict[str, Port]] = {"tokens": TOKENS, "memory": CODEC_MEMORY}
    outputs: ClassVar[dict[str, Port]] = {"audio": AUDIO, "memory": CODEC_MEMORY}
    Params: ClassVar[type] = BandCodecParams
    lacking = staticmethod(lacking)
    encoder: ClassVar[type] = Encode

    def __init__(self, params: BandCodecParams, format: Format, device: jax.Device) -> None:
        _check_streaming(format)
        self._codec, self.weights_digest, self.weights_note = _load(params, device)

    def __call__(self, tokens: np.ndarray, memory: np.ndarray) -> dict[str, np.ndarray]:
        """Renders one chunk of every row; compiles at the first call for a number of rows."""
        audio, memory = self._codec.decode_streaming(tokens, memory)
        return {"audio": audio, "memory": memory}
