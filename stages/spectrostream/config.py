"""The measures of a SpectroStream codec, and the widths that follow from them."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

MODEL = "spectrostream"


@dataclass(frozen=True)
class UnitShape:
    """The measures of one residual unit.

    Attributes:
        width_in: channels of its input.
        width_out: channels of its output.
        stride: STFT frames and bins merged into one (encoder) or made of one (decoder).
        projects: whether the shortcut has a 1x1 convolution.
    """

    width_in: int
    width_out: int
    stride: tuple[int, int]
    projects: bool


@dataclass(frozen=True)
class SpectroStreamConfig:
    """The measures of a codec; the defaults are the published 48 kHz stereo codec's.

    Attributes:
        sample_rate_hz: audio samples per second and channel.
        window_samples: length of an STFT frame.
        hop_samples: samples from one STFT frame to the next.
        fft_samples: length of the transform; frames are filled with zeros on the right.
        bins: frequency bins kept, from DC up to below the Nyquist bin.
        feature_channels: real and imaginary parts of every audio channel.
        ratios: per level from the audio inwards, STFT frames and bins merged into one.
        mults: per level, the factor by which channels grow.
        features: width of an embedding.
        encoder_base: channels after the encoder's first convolution.
        encoder_base_kernel: its taps, along time and along frequency.
        decoder_base: channels before the decoder's last convolution.
        decoder_base_kernel: its taps, along time and along frequency.
        channel_splits: groups of feature channels that run apart, with shared weights, where the
            audio channels have not met yet.
        channel_recombo_block: the block, counting levels and then the bottleneck, in front of
            which the encoder joins the groups; negative counts from the end.
        decoder_lookahead: code frames that the decoder must see beyond the one it renders.
        levels: RVQ levels of the quantizer.
        codes: codes per level.

    Raises:
        ValueError: the measures contradict each other; says which and how.
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
        faults = [
            f"{name} must be at least {least}, got {getattr(self, name)}"
            for name, least in _LEAST.items()
            if getattr(self, name) < least
        ]
        faults = faults or self._shape_faults() or self._split_faults()
        if faults:
            raise ValueError("; ".join(faults))

    def _shape_faults(self) -> list[str]:
        if not self.ratios or len(self.mults) != len(self.ratios):
            return [
                f"{len(self.ratios)} ratios and {len(self.mults)} mults: give one of each a level"
            ]
        if any(stride < 1 for ratio in self.ratios for stride in ratio) or min(self.mults) <= 0:
            return [f"ratios must be at least 1 and mults above 0: {self.ratios}, {self.mults}"]
        faults = []
        if self.bins % math.prod(ratio[1] for ratio in self.ratios):
            faults.append(f"{self.bins} bins cannot be divided by the ratios {self.ratios}")
        if 2 * self.bins != self.fft_samples:
            faults.append(f"fft_length {self.fft_samples} keeps {self.fft_samples // 2} bins")
        if not self.hop_samples <= self.window_samples <= self.fft_samples:
            faults.append("frame_step <= frame_length <= fft_length does not hold")
        return faults

    def _split_faults(self) -> list[str]:
        faults = []
        if self.feature_channels % (2 * self.channel_splits):
            faults.append(
                f"{self.feature_channels} feature channels cannot be split into "
                f"{self.channel_splits} groups of real and imaginary parts"
            )
        blocks = len(self.ratios) + 1
        if not -blocks <= self.channel_recombo_block < blocks or not self.joint_levels:
            faults.append(
                f"channel_recombo_block {self.channel_recombo_block} is not one of the "
                f"{len(self.ratios)} levels"
            )
        return faults

    @classmethod
    def from_json(cls, text: str) -> "SpectroStreamConfig":
        """Reads the `config.json` of a recording.

        Args:
            text: the file's content, keys as the SpectroStream fixtures have them.

        Raises:
            ValueError: it is no JSON, a key is unknown or missing, or a value is impossible.
        """
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError(f"a codec's config is a JSON object, got {type(found).__name__}")
        flat = _flatten(found)
        _expect(flat, "model", MODEL)
        samples = flat.pop("samples_per_frame", None)
        unknown = sorted(flat.keys() - _KEYS.keys())
        missing = sorted(_KEYS.keys() - flat.keys())
        if unknown or missing:
            raise ValueError(f"a codec's config has unknown keys {unknown} and lacks {missing}")
        config = cls(**{_KEYS[key]: _value(key, value) for key, value in flat.items()})
        if samples not in (None, config.frame_samples):
            raise ValueError(
                f"samples_per_frame is {samples}, but ratios and frame_step make it "
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
        """Innermost levels at which the groups of channels run together."""
        blocks = len(self.ratios) + 1
        return blocks - 1 - self.channel_recombo_block % blocks

    @property
    def encoder_units(self) -> tuple[UnitShape, ...]:
        """The encoder's levels, from the audio inwards.

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
        """Channels where the decoder starts."""
        return round(self.decoder_base * math.prod(self.mults))

    @property
    def decoder_units(self) -> tuple[UnitShape, ...]:
        """The decoder's levels, from the embedding outwards.

        The unit behind the split compares the width *before* it with its own output, as the
        published code does, when it decides on a 1x1 convolution in its shortcut.

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


def _flatten(found: Mapping[str, Any]) -> dict[str, Any]:
    stft = found.get("stft", {})
    if not isinstance(stft, dict):
        raise ValueError(f"stft = {stft!r} is not what a codec's config can hold")
    flat = {key: value for key, value in found.items() if key != "stft"}
    return flat | {f"stft.{key}": value for key, value in stft.items()}


def _expect(flat: dict[str, Any], key: str, value: str) -> None:
    found = flat.pop(key, value)
    if found != value:
        raise ValueError(f"{key} is {found!r}, expected {value!r}")


def _value(key: str, value: Any) -> Any:
    if key == "channel_splits" and value is None:
        return 1  # the published code's word for channels that never part
    try:
        if key == "ratios":
            return tuple((_whole(time), _whole(frequency)) for time, frequency in value)
        if key == "mults":
            return tuple(float(mult) for mult in value)
        return _whole(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key} = {value!r} is not what a codec's config can hold") from error


def _whole(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise ValueError(f"{value!r} is no whole number")
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
# Small enough for a source repository and for two cores; its weights are trained here.
DEMO = SpectroStreamConfig(
    features=64,
    encoder_base=8,
    encoder_base_kernel=3,
    decoder_base=16,
    decoder_base_kernel=3,
    levels=16,
)
