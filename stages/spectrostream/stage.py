"""The stages of SpectroStream: tokens to audio, and audio to tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.ports import AUDIO, CODEC_MEMORY, CONTEXT, FADED_AUDIO, TOKENS
from soundstage.stages.settings_checks import check_weights_setting, format_mismatches
from soundstage.stages.spectrostream.codec import Codec, load_codec
from soundstage.stages.spectrostream.config import DEMO, FULL, TINY, SpectroStreamConfig
from soundstage.stages.spectrostream.streaming import Convolution, MemoryLayout
from soundstage.stages.streaming_encoder import encode_after
from soundstage.stages.weights.published.missing import lacking
from soundstage.stages.weights.sources import closing_source

if TYPE_CHECKING:
    import jax

Size = Literal["tiny", "demo", "full"]

# Frames of the past to encode before a chunk; the encoder looks back 13.5.
LEAD_FRAMES = 16

_CONFIGS = {"tiny": TINY, "demo": DEMO, "full": FULL}


@dataclass(frozen=True)
class CodecParams:
    """Settings of the codec's stages.

    Attributes:
        weights: `random:SEED`, a path, or the name of a model; see
            `stages.weights.sources.open_source`.
        size: "full" (as published), "demo" (small, for two cores) or "tiny" (for tests).

    Raises:
        ValueError: a value is not one of these.
    """

    weights: str
    size: Size = "full"

    def __post_init__(self) -> None:
        if self.size not in get_args(Size):
            raise ValueError(f"size must be one of {', '.join(get_args(Size))}, got {self.size!r}")
        check_weights_setting(self.weights)

    @property
    def config(self) -> SpectroStreamConfig:
        """The sizes that `size` names."""
        return _CONFIGS[self.size]


@dataclass(frozen=True)
class StreamingParams(CodecParams):
    """Settings of the decoder in streaming mode.

    Attributes:
        convolution: "direct" (exact); "winograd": fewer products, for CPUs; the samples differ by
            about 1e-5 of full scale; or "int16": in 16-bit integers, for CPUs, the fastest; the
            error is 50 dB or more below the music. It needs the extra `cpu`.

    Raises:
        ValueError: a value is not one of these.
    """

    convolution: Convolution = "direct"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.convolution not in get_args(Convolution):
            raise ValueError(
                f"convolution must be one of {', '.join(get_args(Convolution))}, got "
                f"{self.convolution!r}"
            )


def check_format(config: SpectroStreamConfig, format: Format) -> None:
    """Refuses a music format that the codec does not fit.

    Raises:
        ValueError: lists every size that differs, with its value in the codec.
    """
    problems = format_mismatches(
        ("sample_rate_hz", format.sample_rate_hz, config.sample_rate_hz),
        ("channels", format.channels, config.channels),
        ("samples per frame", format.frame_samples, config.frame_samples),
        ("codebook_size", format.codebook_size, config.codes),
    )
    if format.codec_levels > config.levels:
        problems.append(
            f"codec_levels is {format.codec_levels} in [format], but the codec has at most "
            f"{config.levels}"
        )
    if problems:
        raise ValueError("; ".join(problems))


def load_stage(
    params: CodecParams, format: Format, device: jax.Device, parts: tuple[str, ...]
) -> tuple[Codec, str, str]:
    """Loads parts of the codec; see `load_codec`.

    Raises:
        ValueError: the codec does not fit the format, or the convolution the device.
        WeightsError: the weights cannot be used.
    """
    check_format(params.config, format)
    convolution = params.convolution if isinstance(params, StreamingParams) else "direct"
    if convolution == "int16" and device.platform != "cpu":
        raise ValueError(
            f'convolution "int16" is for CPUs, not {device.platform}: write convolution = "direct"'
        )
    with closing_source(params.weights) as source:
        return load_codec(params.config, source, device, parts, convolution=convolution)


class Encode:
    """Encodes every chunk of audio by itself.

    The last frame of a chunk is encoded as if silence followed.

    Inputs:
        audio: float32 [row, sample, channel], 1.0 = full scale.

    Outputs:
        tokens: int32 [row, frame, level], in [0, codebook_size); the first `codec_levels` levels.

    Raises:
        ValueError: at construction, the codec does not fit the format.
        WeightsError: the weights cannot be used.
    """

    inputs: ClassVar[dict[str, Port]] = {"audio": AUDIO}
    outputs: ClassVar[dict[str, Port]] = {"tokens": TOKENS}
    Params: ClassVar[type] = CodecParams
    lacking = staticmethod(lacking)

    def __init__(self, params: CodecParams, format: Format, device: jax.Device) -> None:
        parts = ("encoder", "quantizer")
        self._codec, self.weights_digest, self.weights_note = load_stage(
            params, format, device, parts
        )
        self._levels = format.codec_levels

    def __call__(self, audio: np.ndarray) -> dict[str, np.ndarray]:
        """Encodes one chunk of every row; compiles at the first call for a number of rows."""
        return {"tokens": self._codec.encode(audio, self._levels)}


class EncodeStreaming:
    """Encodes a chunk of audio as the continuation of the chunk before.

    The first frames get the tokens that they have when both chunks are encoded as one, because the
    codec looks back less than a chunk. The last frame is encoded as if silence followed.

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
    Params: ClassVar[type] = CodecParams
    lacking = staticmethod(lacking)

    def __init__(self, params: CodecParams, format: Format, device: jax.Device) -> None:
        parts = ("encoder", "quantizer")
        self._codec, self.weights_digest, self.weights_note = load_stage(
            params, format, device, parts
        )
        self._levels = format.codec_levels

    def __call__(self, audio: np.ndarray, past: np.ndarray) -> dict[str, np.ndarray]:
        """Encodes one chunk of every row; compiles at the first call for a number of rows."""
        return {"tokens": encode_after(self._codec, past, audio, self._levels, LEAD_FRAMES)}


class Decode:
    """Renders a chunk's tokens as audio, with the overlap for a cross-fade in front.

    The last `fade_frames` frames of the context are rendered again in front of the chunk. Frames
    that do not exist yet are rendered as code 0. The codec's lookahead behind the chunk is filled
    with zero embeddings.

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
    Params: ClassVar[type] = CodecParams
    lacking = staticmethod(lacking)
    encoder: ClassVar[type] = Encode

    def __init__(self, params: CodecParams, format: Format, device: jax.Device) -> None:
        parts = ("quantizer", "decoder")
        self._codec, self.weights_digest, self.weights_note = load_stage(
            params, format, device, parts
        )
        self._fade_frames = format.fade_frames

    def __call__(self, tokens: np.ndarray, context: np.ndarray) -> dict[str, np.ndarray]:
        """Renders one chunk of every row; compiles at the first call for a number of rows."""
        overlap = np.maximum(context[:, context.shape[1] - self._fade_frames :], 0)
        codes = np.concatenate([overlap, tokens], axis=1)
        return {"audio": self._codec.decode(codes, past_lookahead=True)}


class DecodeStreaming:
    """Renders a chunk's tokens as the seamless continuation of the chunk before.

    The audio equals that of decoding all chunks as one sequence, so it needs no cross-fade. It is
    delayed by the codec's lookahead; so much of the first chunk is silent.

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
    Params: ClassVar[type] = StreamingParams
    lacking = staticmethod(lacking)
    encoder: ClassVar[type] = Encode

    def __init__(self, params: StreamingParams, format: Format, device: jax.Device) -> None:
        check_memory(format, MemoryLayout(params.config).size)
        check_delay(params.config, format)
        parts = ("quantizer", "decoder")
        self._codec, self.weights_digest, self.weights_note = load_stage(
            params, format, device, parts
        )

    def __call__(self, tokens: np.ndarray, memory: np.ndarray) -> dict[str, np.ndarray]:
        """Renders one chunk of every row; compiles at the first call for a number of rows."""
        audio, memory = self._codec.decode_streaming(tokens, memory)
        return {"audio": audio, "memory": memory}


def check_memory(format: Format, needed: int) -> None:
    """Refuses a music format with another size of the codec's memory.

    Raises:
        ValueError: has both sizes.
    """
    if format.codec_memory != needed:
        raise ValueError(
            f"codec_memory is {format.codec_memory} in [format], but this codec needs {needed}"
        )


def check_delay(config: SpectroStreamConfig, format: Format) -> None:
    """Refuses a music format whose fade is not as long as the delay of a streaming decoder.

    Raises:
        ValueError: has both times.
    """
    # Code that joins audio to the start of the music takes fade_s for the delay.
    if format.fade_frames != config.decoder_lookahead:
        raise ValueError(
            f"fade_s is {format.fade_s} in [format], but this stage delays the audio by "
            f"{config.decoder_lookahead / format.frame_rate_hz:g} s: set fade_s to that"
        )
