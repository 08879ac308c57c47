"""The codec's stages: tokens to audio without a gap, and audio to tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.bandcodec.codec import LATE_FRAMES, BandCodec, load_bandcodec, memory_size
from soundstage.stages.bandcodec.measures import MEASURES
from soundstage.stages.ports import AUDIO, CODEC_MEMORY, TOKENS
from soundstage.stages.settings_checks import check_weights_setting, format_mismatches
from soundstage.stages.streaming_encoder import encode_after
from soundstage.stages.weights.published.missing import lacking
from soundstage.stages.weights.sources import closing_source

if TYPE_CHECKING:
    import jax

# Frames of the past in front of those to encode: further back no window reaches.
LEAD_FRAMES = 2


@dataclass(frozen=True)
class BandCodecParams:
    """What a pipeline file may say about the codec.

    Attributes:
        weights: `random:SEED`, a path, or the name of a model; see
            `stages.weights.sources.open_source`.

    Raises:
        ValueError: it is none of these.
    """

    weights: str

    def __post_init__(self) -> None:
        check_weights_setting(self.weights)


def check_music(format: Format) -> None:
    """Refuses a music format that the codec does not speak.

    Raises:
        ValueError: listing every disagreement and what the format should say.
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
        # Whoever joins audio to the start of the music counts on its being fade_s late.
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
    lacking = staticmethod(lacking)

    def __init__(self, params: BandCodecParams, format: Format, device: jax.Device) -> None:
        check_music(format)
        self._codec, self.weights_digest, self.weights_note = _load(params, device)
        self._levels = format.codec_levels

    def __call__(self, audio: np.ndarray) -> dict[str, np.ndarray]:
        """Encodes one chunk of every row; compiles at the first call for a number of rows."""
        return {"tokens": self._codec.encode(audio, self._levels)}


class EncodeStreaming:
    """Turns audio that follows on the audio before it into tokens.

    The frames at its start are those that the whole of both would have there; the last spectra see
    silence behind the chunk's end.

    Inputs:
        audio: float32 [row, sample, channel], 1.0 = full scale.
        past: float32 [row, sample, channel]; the chunk before it, zeros at first.

    Outputs:
        tokens: int32 [row, frame, level], in [0, codebook_size); those of `audio`.

    Raises:
        ValueError: at construction, the codec does not speak the format.
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


class DecodeStreaming:
    """Renders a chunk's tokens as audio that follows on the chunk before, without a seam.

    The audio is `fade_s` late, two frames: the codec looks a frame ahead, and the windows of its
    spectra reach into the next. So much of the first chunk is silent.

    Inputs:
        tokens: int32 [row, frame, level], in [0, codebook_size).
        memory: float32 [row, codec_memory]; what this stage said of the chunk before, zeros at
            first.

    Outputs:
        audio: float32 [row, sample, channel].
        memory: float32 [row, codec_memory]; for the next chunk.

    Raises:
        ValueError: at construction, the codec does not speak the format; when called, a token is
            out of range, and where.
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
        audio, kept = self._codec.decode_on(tokens, memory)
        return {"audio": audio, "memory": kept}
