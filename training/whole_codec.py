"""A codec with both its halves, whichever a pipeline decodes with."""

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
DECODERS = (spectrostream.Decode, spectrostream.DecodeStreaming, bandcodec.DecodeStreaming)


class WholeCodec(Protocol):
    """Codes from audio, and audio from codes."""

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
        """Float32 [row, sample, channel] to int32 [row, frame, level]."""
        ...

    def render(self, codes: np.ndarray) -> np.ndarray:
        """Int32 [row, frame, level] to float32 [row, sample, channel]."""
        ...


def decodes(node: Node) -> bool:
    """Is this stage a codec that training knows?"""
    return node.cls in DECODERS


def whole_codec(node: Node, format: Format) -> WholeCodec:
    """The codec that a pipeline's stage decodes with.

    Args:
        node: `decodes` says yes to it.
        format: the pipeline's.

    Raises:
        WeightsError: its weights cannot be used, for instance because one half is missing.
    """
    return open_whole_codec(node.params, format)[0]


def open_whole_codec(
    params: CodecParameters,
    format: Format,
    device: jax.Device | None = None,
    parts: tuple[str, ...] = PARTS,
) -> tuple[WholeCodec, str]:
    """Loads a codec by what a pipeline file says of it.

    Args:
        params: which codec, and where its weights are.
        format: the music format.
        device: where the arrays go; None = JAX's default.
        parts: of a SpectroStream, those that are needed.

    Returns:
        The codec, and the SHA-256 of its arrays as hex digits.

    Raises:
        ValueError: the codec does not speak the format.
        WeightsError: its weights cannot be used.
    """
    if isinstance(params, BandCodecParams):
        check_music(format)
        with closing_source(params.weights) as source:
            return load_bandcodec(MEASURES, source, device)[:2]
    check_format(params.config, format)
    with closing_source(params.weights) as source:
        return load_codec(params.config, source, device, parts)[:2]
