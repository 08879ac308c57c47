"""The sizes of a SpectroStream codec, and the widths that follow from them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from soundstage.documents import read_json

MODEL = "spectrostream"


@dataclass(frozen=True)
class UnitShape:
    """The sizes of one residual unit.

    Attributes:
        width_in: channels of its input.
        width_out: channels of its output.
        stride: STFT frames and bins that are merged into one (encoder) or made from one (decoder).
        projects: whether the shortcut has a 1x1 convolution.
    """

    width_in: int
    width_out: int
    stride: tuple[int, int]
    projects: bool


@dataclass(frozen=True)
class SpectroStreamConfig:
    """The sizes of a codec; the defaults are those of the published 48 kHz stereo codec.

    Attributes:
        sample_rate_hz: audio samples per second and channel.
        window_samples: length of an STFT frame.
        hop_samples: samples from one STFT frame to the next.
        fft_samples: length of the transform; frames are padded with zeros on the right.
        bins: frequency bins, from DC on, without the Nyquist bin.
        feature_channels: real and imaginary parts of every audio channel.
        ratios: per level from the audio inwards, the STFT frames and bins that are merged into one.
        mults: per level, the factor by which channels grow.
        features: width of an embedding.
        encoder_base: channels after the encoder's first convolution.
        encoder_base_kernel: its taps, along time and along frequency.
        decoder_base: channels before the decoder's last convolution.
        decoder_base_kernel: its taps, along time and along frequency.
        channel_splits: groups of feature channels that the outer levels process separately, with
            shared weights.
        channel_recombo_block: index of the block (levels, then the bottleneck) in front of which
            the encoder joins the groups; negative counts from the end.
        decoder_lookahead: code frames that the decoder needs beyond the one it renders.
        levels: RVQ levels of the quantizer.
        codes: codes per level.

    Raises:
        ValueError: sizes contradict each other; names them.
    """

    sample_rate_hz: int = 48_000
    window_samples: int = 960
    hop_samples: int = 480
    fft_samples: int = 960
    bins: int = 480
    feature_channels: int = 4
    ratios: tuple[tuple[int, int], ...] = ((1, 2), (1, 2), (1, 3), (1, 2), (1, 2), (2, 2), (2, 1))
    mults: tuple[float, ...] = (2, 1, 2, 1, 1, 2, 1)
    features: int = 256
    encoder_base: int = 32
    encoder_base_kernel: int = 7
    decoder_base: int = 64
    decoder_base_kernel: int = 7
    channel_splits: int = 2
    channel_recombo_block: int = -2
    decoder_lookahead: int = 1
    levels: int = 64
    codes: int = 1024

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be at least {least}, got {getattr(self, name)}"
            for name, least in _LEAST.items()
            if getattr(self, name) < least
        ]
        problems = problems or self._shape_problems() or self._split_problems()
        if problems:
            raise ValueError("; ".join(problems))

    def _shape_problems(self) -> list[str]:
        if not self.ratios or len(self.mults) != len(self.ratios):
            return [
                f"{len(self.ratios)} ratios and {len(self.mults)} mults: give one of each per level"
            ]
        if any(stride < 1 for ratio in self.ratios for stride in ratio) or min(self.mults) <= 0:
            return [f"ratios must be at least 1 and mults above 0: {self.ratios}, {self.mults}"]
        problems = []
        if self.bins % math.prod(ratio[1] for ratio in self.ratios):
            problems.append(f"{self.bins} bins cannot be divided by the ratios {self.ratios}")
        if 2 * self.bins != self.fft_samples:
            problems.append(
                f"fft_length {self.fft_samples} has {self.fft_samples // 2} bins, "
                f"got bins = {self.bins}"
            )
        if not self.hop_samples <= self.window_samples <= self.fft_samples:
            problems.append(
                f"frame_step {self.hop_samples} <= frame_length {self.window_samples} "
                f"<= fft_length {self.fft_samples} does not hold"
            )
        return problems

    def _split_problems(self) -> list[str]:
        problems = []
        if self.feature_channels % (2 * self.channel_splits):
            problems.append(
                f"{self.feature_channels} feature channels cannot be split into "
                f"{self.channel_splits} groups of real and imaginary parts"
            )
        blocks = len(self.ratios) + 1
        if not -blocks <= self.channel_recombo_block < blocks or not self.joint_levels:
            problems.append(
                f"channel_recombo_block {self.channel_recombo_block} is not one of the "
                f"{len(self.ratios)} levels"
            )
        return problems

    @classmethod
    def from_json(cls, text: str) -> "SpectroStreamConfig":
        """Reads the `config.json` of a recording.

        Args:
            text: the file's content, with the keys of the SpectroStream recordings.

        Raises:
            ValueError: the text is not JSON, a key is unknown or missing, or a value is impossible.
        """
        values = read_json(text)
        if not isinstance(values, dict):
            raise ValueError(f"a codec's config is a JSON object, got {type(values).__name__}")
        flat = _flatten(values)
        model = flat.pop("model", MODEL)
        if model != MODEL:
            raise ValueError(f'model is {model!r}, but must be "{MODEL}"')
        samples = flat.pop("samples_per_frame", None)
        unknown = sorted(flat.keys() - _KEYS.keys())
        missing = sorted(_KEYS.keys() - flat.keys())
        if unknown or missing:
            raise ValueError(f"a codec's config has unknown keys {unknown} and lacks {missing}")
        config = cls(**{_KEYS[key]: _value(key, value) for key, value in flat.items()})
        if samples not in (None, config.frame_samples):
            raise ValueError(
                f"samples_per_frame is {samples}, but ratios and frame_step give "
                f"{config.frame_samples}"
            )
        return config

    @property
    def channels(self) -> int:
        """Audio channels."""
        return self.feature_channels // 2

    @property
    def time_stride(self) -> int:
        """STFT frames per code frame."""
        return math.prod(ratio[0] for ratio in self.ratios)

    @property
    def frame_samples(self) -> int:
        """Audio samples per code frame and channel."""
        return self.hop_samples * self.time_stride

    @property
    def bottom_bins(self) -> int:
        """Frequency bins at the bottleneck."""
        return self.bins // math.prod(ratio[1] for ratio in self.ratios)

    @property
    def joint_levels(self) -> int:
        """Number of innermost levels that process all channels together."""
        blocks = len(self.ratios) + 1
        return blocks - 1 - self.channel_recombo_block % blocks

    @property
    def encoder_units(self) -> tuple[UnitShape, ...]:
        """The encoder's units, from the audio inwards.

        Source: the SpectroStream spec, end of section 6.
        """
        units = []
        nominal = width = self.encoder_base
        for level, (stride, mult) in enumerate(zip(self.ratios, self.mults, strict=True)):
            if level == len(self.ratios) - self.joint_levels:
                width *= self.channel_splits
            nominal = round(nominal * mult)
            units.append(UnitShape(width, nominal, stride, projects=width != nominal))
            width = nominal
        return tuple(units)

    @property
    def decoder_width(self) -> int:
        """Channels at the decoder's start."""
        return round(self.decoder_base * math.prod(self.mults))

    @property
    def decoder_units(self) -> tuple[UnitShape, ...]:
        """The decoder's units, from the embedding outwards.

        A shortcut has a 1x1 convolution where the widths differ. The unit behind the split compares
        the width *before* the split with its own output, as the published code does.

        Source: the SpectroStream spec, end of section 6.
        """
        units = []
        nominal = width = before_split = self.decoder_width
        levels = zip(reversed(self.ratios), reversed(self.mults), strict=True)
        for level, (stride, mult) in enumerate(levels):
            nominal = round(nominal / mult)
            out = nominal * (self.channel_splits if level == self.joint_levels - 1 else 1)
            units.append(UnitShape(width, out, stride, projects=before_split != out))
            width, before_split = nominal, out
        return tuple(units)


def _flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    stft = values.get("stft", {})
    if not isinstance(stft, dict):
        raise ValueError(f"stft must be a JSON object, got {stft!r}")
    flat = {key: value for key, value in values.items() if key != "stft"}
    return flat | {f"stft.{key}": value for key, value in stft.items()}


def _value(key: str, value: Any) -> Any:
    if key == "channel_splits" and value is None:
        return 1  # the published code writes null for channels that are never split
    try:
        if key == "ratios":
            return tuple((_whole(time), _whole(frequency)) for time, frequency in value)
        if key == "mults":
            return tuple(float(mult) for mult in value)
        return _whole(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key} = {value!r} is not a value of this key") from error


def _whole(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise ValueError(f"{value!r} is not a whole number")
    return int(value)


_RENAMED = {
    "sample_rate_hz": "sample_rate",
    "window_samples": "stft.frame_length",
    "hop_samples": "stft.frame_step",
    "fft_samples": "stft.fft_length",
    "bins": "stft.bins",
    "features": "num_features",
    "levels": "quantizers",
}
_KEYS = {_RENAMED.get(field.name, field.name): field.name for field in fields(SpectroStreamConfig)}
_LEAST = {
    field.name: 0 if field.name == "decoder_lookahead" else 1
    for field in fields(SpectroStreamConfig)
    if field.name not in ("ratios", "mults", "channel_recombo_block")
}

FULL = SpectroStreamConfig()
TINY = SpectroStreamConfig(features=32, encoder_base=4, decoder_base=4, levels=16)
# Small enough for a source repository and for two cores; `soundstage.training` trains it.
DEMO = SpectroStreamConfig(
    features=64,
    encoder_base=8,
    encoder_base_kernel=3,
    decoder_base=16,
    decoder_base_kernel=3,
    levels=16,
)
