"""A pipeline's codec with its encoder as well as its decoder."""

from typing import Protocol, TypeAlias

import jax
import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.plan import Node
from soundstage.stages import bandcodec, spectrostream
from soundstage.stages.bandcodec.codec import load_bandcodec
from soundstage.stages.bandcodec.measures import MEASURES
from soundstage.stages.bandcodec.stage import BandCodecParams, check_music
from soundstage.stages.spectrostream.codec import load_codec
from soundstage.stages.spectrostream.network import PARTS
from soundstage.stages.spectrostream.stage import CodecParams, check_format
from soundstage.stages.weights.sources import closing_source

CodecParameters: TypeAlias = CodecParams | BandCodecParams
DECODERS = (
    spectrostream.Decode,
    spectrostream.DecodeStreaming,
    bandcodec.Decode,
    bandcodec.DecodeStreaming,
)


class WholeCodec(Protocol):
    """A codec that encodes audio and decodes codes."""

    @property
    def sample_rate_hz(self) -> int:
        """Audio samples per second and channel."""
        ...

    @property
    def frame_samples(self) -> int:
        """Audio samples of a frame and channel."""
        ...

    @property
    def levels(self) -> int:
        """RVQ levels of a frame."""
        ...

    @property
    def codes(self) -> int:
        """Codes of a level."""
        ...

    def encode(self, waveform: np.ndarray, levels: int | None = None) -> np.ndarray:
        """Encodes float32 [row, sample, channel] as int32 [row, frame, level]."""
        ...

    def render(self, codes: np.ndarray) -> np.ndarray:
        """Decodes int32 [row, frame, level] to float32 [row, sample, channel]."""
        ...


def decodes(node: Node) -> bool:
    """Tells whether a stage decodes with a codec that `open_whole_codec` can load."""
    return node.cls in DECODERS


def open_whole_codec(
    params: CodecParameters,
    format: Format,
    device: jax.Device | None = None,
    parts: tuple[str, ...] = PARTS,
) -> tuple[WholeCodec, str]:
    """Loads the codec of a stage that decodes.

    Args:
        params: the stage's parameters: which codec, and where its weights are.
        format: the music format.
        device: where the arrays go; None = JAX's default.
        parts: the parts of a SpectroStream to load.

    Returns:
        The codec, and the SHA-256 of its arrays as hex digits.

    Raises:
        ValueError: the codec was made for another format.
        WeightsError: its weights cannot be used, for instance because the encoder is missing.
    """
    if isinstance(params, BandCodecParams):
        check_music(format)
        with closing_source(params.weights) as source:
            return load_bandcodec(MEASURES, source, device)[:2]
    check_format(params.config, format)
    with closing_source(params.weights) as source:
        return load_codec(params.config, source, device, parts)[:2]
