"""A codec with both its halves, whichever a pipeline decodes with."""

from typing import Protocol

import jax
import numpy as np

from graph.plan import Node
from stages import bandcodec, spectrostream
from stages.bandcodec.codec import load_bandcodec
from stages.bandcodec.measures import MEASURES
from stages.bandcodec.stage import BandCodecParams
from stages.spectrostream.codec import load_codec
from stages.spectrostream.stage import CodecParams
from stages.weights import closing_source

SPECTROSTREAM = (spectrostream.Decode, spectrostream.DecodeOn)
BANDCODEC = (bandcodec.DecodeOn,)


class WholeCodec(Protocol):
    """Codes from audio, and audio from codes."""

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
    return node.cls in (*SPECTROSTREAM, *BANDCODEC)


def whole_codec(
    node: Node, device: jax.Device | None = None, parts: tuple[str, ...] | None = None
) -> tuple[WholeCodec, str]:
    """The codec that a pipeline's stage decodes with.

    Args:
        node: `decodes` says yes to it.
        device: where the arrays go; None = JAX's default.
        parts: of a SpectroStream, those that are needed; None = all.

    Returns:
        The codec, and the SHA-256 of its arrays as hex digits.

    Raises:
        WeightsError: its weights cannot be used, for instance because one half is missing.
    """
    params = node.params
    with closing_source(params.weights) as source:
        if isinstance(params, BandCodecParams):
            return load_bandcodec(MEASURES, source, device)[:2]
        assert isinstance(params, CodecParams)
        if parts is None:
            return load_codec(params.config, source, device)[:2]
        return load_codec(params.config, source, device, parts)[:2]
