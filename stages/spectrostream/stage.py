"""The codec's stages: tokens to audio, and audio to tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np

from graph.format import Format
from graph.port import Port
from stages.ports import AUDIO, CONTEXT, FADED_AUDIO, TOKENS
from stages.spectrostream.codec import Codec, load_codec
from stages.spectrostream.config import DEMO, FULL, TINY, SpectroStreamConfig
from stages.weights import closing_source

if TYPE_CHECKING:
    import jax

Size = Literal["tiny", "demo", "full"]

_CONFIGS = {"tiny": TINY, "demo": DEMO, "full": FULL}


@dataclass(frozen=True)
class CodecParams:
    """What a pipeline file may say about the codec.

    Attributes:
        weights: `random:SEED`, a path, or the name of a model, as `stages.weights.open_source`
            reads it.
        size: "full" (as published), "demo" (trained here, for two cores) or "tiny" (for tests).

    Raises:
        ValueError: a value is none of these.
    """

    weights: str
    size: Size = "full"

    def __post_init__(self) -> None:
        if self.size not in get_args(Size):
            raise ValueError(f"size must be one of {', '.join(get_args(Size))}, got {self.size!r}")
        if not isinstance(self.weights, str) or not self.weights:
            raise ValueError(
                f"weights must be random:SEED, a path, or the name of a model, got {self.weights!r}"
            )

    @property
    def config(self) -> SpectroStreamConfig:
        """The measures of this size."""
        return _CONFIGS[self.size]


def check_format(config: SpectroStreamConfig, format: Format) -> None:
    """Refuses a music format that the codec does not speak.

    Raises:
        ValueError: listing every disagreement and what the format should say.
    """
    pairs = (
        ("sample_rate_hz", format.sample_rate_hz, config.sample_rate_hz),
        ("channels", format.channels, config.channels),
        ("samples per frame", format.frame_samples, config.frame_samples),
        ("codebook_size", format.codebook_size, config.codes),
    )
    faults = [
        f"{name} is {found} in [format], but the codec has {wanted}"
        for name, found, wanted in pairs
        if found != wanted
    ]
    if format.codec_levels > config.levels:
        faults.append(
            f"codec_levels is {format.codec_levels} in [format], but the codec has at most "
            f"{config.levels}"
        )
    if faults:
        raise ValueError("; ".join(faults))


def _load(
    params: CodecParams, format: Format, device: jax.Device, parts: tuple[str, ...]
) -> tuple[Codec, str, str]:
    check_format(params.config, format)
    with closing_source(params.weights) as source:
        return load_codec(params.config, source, device, parts)


class Decode:
    """Renders a chunk's tokens as audio, led by the overlap with the chunk before.

    The last `fade_frames` frames of the context are rendered again in front of the chunk: they
    are what the cross-fade blends over. Before the first chunk there is no past, and code 0 takes
    its place. Behind the chunk the codec's lookahead sees zero embeddings.

    Inputs:
        tokens: int32 [row, frame, level], in [0, codebook_size).
        context: int32 [row, context_frame, level]; the past before the chunk, -1 = nothing yet.

    Outputs:
        audio: float32 [row, faded_sample, channel].

    Raises:
        ValueError: at construction, the codec does not speak the format; when called, a token is
            out of range, and where.
        WeightsError: the weights cannot be used.
    """

    inputs: ClassVar[dict[str, Port]] = {"tokens": TOKENS, "context": CONTEXT}
    outputs: ClassVar[dict[str, Port]] = {"audio": FADED_AUDIO}
    Params: ClassVar[type] = CodecParams

    def __init__(self, params: CodecParams, format: Format, device: jax.Device) -> None:
        parts = ("quantizer", "decoder")
        self._codec, self.weights_digest, self.weights_note = _load(params, format, device, parts)
        self._fade_frames = format.fade_frames

    def __call__(self, tokens: np.ndarray, context: np.ndarray) -> dict[str, np.ndarray]:
        """Renders one chunk of every row; compiles at the first call for a number of rows."""
        overlap = np.maximum(context[:, context.shape[1] - self._fade_frames :], 0)
        codes = np.concatenate([overlap, tokens], axis=1)
        return {"audio": self._codec.decode(codes, past_lookahead=True)}


class Encode:
    """Turns audio into the tokens that the codec would render it from.

    The last frame of a chunk sees silence behind the chunk's end.

    Inputs:
        audio: float32 [row, sample, channel], 1.0 = full scale.

    Outputs:
        tokens: int32 [row, frame, level], in [0, codebook_size); the first `codec_levels` levels.

    Raises:
        ValueError: at construction, the codec does not speak the format.
        WeightsError: the weights cannot be used.
    """

    inputs: ClassVar[dict[str, Port]] = {"audio": AUDIO}
    outputs: ClassVar[dict[str, Port]] = {"tokens": TOKENS}
    Params: ClassVar[type] = CodecParams

    def __init__(self, params: CodecParams, format: Format, device: jax.Device) -> None:
        parts = ("encoder", "quantizer")
        self._codec, self.weights_digest, self.weights_note = _load(params, format, device, parts)
        self._levels = format.codec_levels

    def __call__(self, audio: np.ndarray) -> dict[str, np.ndarray]:
        """Encodes one chunk of every row; compiles at the first call for a number of rows."""
        return {"tokens": self._codec.encode(audio, self._levels)}
