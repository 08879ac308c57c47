"""The codec's stages: tokens to audio without a gap, and audio to tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from graph.format import Format
from graph.port import Port
from stages.bandcodec.codec import BandCodec, load_bandcodec, memory_size
from stages.bandcodec.measures import MEASURES
from stages.ports import AUDIO, CODEC_MEMORY, TOKENS
from stages.weights import closing_source

if TYPE_CHECKING:
    import jax


@dataclass(frozen=True)
class BandCodecParams:
    """What a pipeline file may say about the codec.

    Attributes:
        weights: `random:SEED`, a path, or the name of a model, as `stages.weights.open_source`
            reads them.

    Raises:
        ValueError: it is none of these.
    """

    weights: str

    def __post_init__(self) -> None:
        if not isinstance(self.weights, str) or not self.weights:
            raise ValueError(
                f"weights must be random:SEED, a path, or the name of a model, got {self.weights!r}"
            )


def check_format(format: Format) -> None:
    """Refuses a music format that the codec does not speak.

    Raises:
        ValueError: listing every disagreement and what the format should say.
    """
    pairs = (
        ("sample_rate_hz", format.sample_rate_hz, MEASURES.sample_rate_hz),
        ("channels", format.channels, MEASURES.channels),
        ("samples per frame", format.frame_samples, MEASURES.frame_samples),
        ("codebook_size", format.codebook_size, MEASURES.codes),
        ("codec_memory", format.codec_memory, memory_size(MEASURES)),
    )
    faults = [
        f"{name} is {found} in [format], but the codec has {wanted}"
        for name, found, wanted in pairs
        if found != wanted
    ]
    if format.codec_levels > MEASURES.levels:
        faults.append(
            f"codec_levels is {format.codec_levels} in [format], but the codec has at most "
            f"{MEASURES.levels}"
        )
    if faults:
        raise ValueError("; ".join(faults))


def _load(
    params: BandCodecParams, format: Format, device: jax.Device
) -> tuple[BandCodec, str, str]:
    check_format(format)
    with closing_source(params.weights) as source:
        return load_bandcodec(MEASURES, source, device)


class DecodeOn:
    """Renders a chunk's tokens as audio that follows on the chunk before, 80 ms later.

    Inputs:
        tokens: int32 [row, frame, level], in [0, codebook_size).
        memory: float32 [row, codec_memory]; what the chunk before handed on, zeros at first.

    Outputs:
        audio: float32 [row, sample, channel]; the first 80 ms of a stream are silent.
        memory: float32 [row, codec_memory].

    Raises:
        ValueError: at construction, the codec does not speak the format; when called, a token is
            out of range, and where.
        WeightsError: the weights cannot be used.
    """

    inputs: ClassVar[dict[str, Port]] = {"tokens": TOKENS, "memory": CODEC_MEMORY}
    outputs: ClassVar[dict[str, Port]] = {"audio": AUDIO, "memory": CODEC_MEMORY}
    Params: ClassVar[type] = BandCodecParams

    def __init__(self, params: BandCodecParams, format: Format, device: jax.Device) -> None:
        self.codec, self.weights_digest, self.weights_note = _load(params, format, device)

    def __call__(self, tokens: np.ndarray, memory: np.ndarray) -> dict[str, np.ndarray]:
        """Renders one chunk of every row; compiles at the first call for a number of rows."""
        audio, kept = self.codec.decode_on(tokens, memory)
        return {"audio": audio, "memory": kept}


class Encode:
    """Turns audio into the tokens that the codec would render it from.

    The last spectra of a chunk see silence behind the chunk's end.

    Inputs:
        audio: float32 [row, sample, channel], 1.0 = full scale.

    Outputs:
        tokens: int32 [row, frame, level], in [0, codebook_size).

    Raises:
        ValueError: at construction, the codec does not speak the format.
        WeightsError: the weights cannot be used.
    """

    inputs: ClassVar[dict[str, Port]] = {"audio": AUDIO}
    outputs: ClassVar[dict[str, Port]] = {"tokens": TOKENS}
    Params: ClassVar[type] = BandCodecParams

    def __init__(self, params: BandCodecParams, format: Format, device: jax.Device) -> None:
        self.codec, self.weights_digest, self.weights_note = _load(params, format, device)
        self._levels = format.codec_levels

    def __call__(self, audio: np.ndarray) -> dict[str, np.ndarray]:
        """Encodes one chunk of every row; compiles at the first call for a number of rows."""
        return {"tokens": self.codec.encode(audio, self._levels)}
