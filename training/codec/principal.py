"""A linear codec fitted to data, whose units are principal component analyses.

Gradient descent from random weights needs thousands of steps to learn which combinations of
neighbouring bins, frames and channels carry the energy; an eigendecomposition finds them at once.
Every strided unit of the encoder starts with the components of the patches it merges, and every
unit of the decoder with the transposed components.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from soundstage.stages.spectrostream.config import SpectroStreamConfig
from soundstage.stages.spectrostream.stft import Stft

# Bottom bins are weighted by their standard deviation to the power of minus this before the
# embedding is chosen: otherwise the loud low bins would take all of it.
EVENING = 0.3
# Bins weaker than the strongest by more than this factor (50 dB) count as silent.
SILENT = 3e-3
# Least standard deviation of a loudness, so that an almost constant one is not amplified.
LEAST_SPREAD = 0.01


@dataclass(frozen=True)
class BinLoudness:
    """The loudness of every bottom bin: the mean of `_bent(gain * signal)` over its first signals.

    High bins are too weak to be rendered as waveforms, but music without them sounds dull.

    Attributes:
        signals: number of a bin's signals that count.
        gain: float64 [bottom_bin]; 1 / root mean square of those signals, bounded for silence.
        mean: float64 [bottom_bin], over the analysed audio.
        spread: float64 [bottom_bin], standard deviations over the analysed audio.
    """

    signals: int
    gain: np.ndarray
    mean: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class Analysis:
    """A linear codec fitted to audio.

    Attributes:
        scale: factor of the spectra that gives the last level's largest signal unit standard
            deviation.
        parts: real and imaginary parts of the channels that a group of units processes.
        levels: float64 [out, time_stride, bin_stride, in], orthonormal rows, from the audio
            inwards; from the level that joins the audio channels on, for both.
        embed: float64 [feature, bottom_bin * out], from the last level to the embedding.
        render: float64 [bottom_bin * out, feature], back to the last level, without the features
            of loudness, which a linear map cannot render.
        loudness: the loudness of every bottom bin, the last features of the embedding.
    """

    scale: float
    parts: int
    levels: tuple[np.ndarray, ...]
    embed: np.ndarray
    render: np.ndarray
    loudness: BinLoudness


def analyse(config: SpectroStreamConfig, audio: np.ndarray) -> Analysis:
    """Fits the linear codec.

    Args:
        config: the codec's sizes.
        audio: float32 [row, sample, channel]; one minute is enough.
    """
    stft = Stft(config.window_samples, config.hop_samples, config.fft_samples)
    features = np.asarray(
        stft.forward(jnp.asarray(audio))
    )  # [row, stft_frame, bin, feature_channel]
    whole = features.shape[1] // config.time_stride * config.time_stride
    x = _in_groups(features[:, :whole], config.channel_splits)
    parts, levels = x.shape[-1], []
    for level, unit in enumerate(config.encoder_units):
        if level == len(config.ratios) - config.joint_levels:
            x = _joined(x, config.channel_splits)
        patches = _patches(x, unit.stride)
        levels.append(_principal(patches, unit.width_out))
        x = np.einsum("rtfijc,oijc->rtfo", patches, levels[-1], optimize=True)
    scale = 1 / (x.std(axis=(0, 1, 2)).max() + 1e-9)
    x = scale * x.reshape(-1, *x.shape[-2:])
    embed, render = _embedding(x, config.features - config.bottom_bins)
    loudness = _loudness(x, x.shape[-1] // 2)
    return Analysis(float(scale), parts, tuple(levels), embed, render, loudness)


def _bent(x: np.ndarray) -> np.ndarray:
    """Returns ELU(x) + ELU(-x): a parabola near 0, about |x| - 1 far from 0."""
    size = np.abs(x)
    return size + np.exp(-size) - 1


def _loudness(x: np.ndarray, signals: int) -> BinLoudness:
    seen = x[..., :signals]
    size = np.sqrt(np.square(seen).mean(axis=(0, 2)))
    gain = 1 / np.maximum(size, SILENT * size.max() + 1e-9)  # bounded: silence is not amplified
    loudness = _bent(seen * gain[:, None]).mean(axis=2)
    spread = np.maximum(loudness.std(axis=0), LEAST_SPREAD)
    return BinLoudness(signals, gain, loudness.mean(axis=0), spread)


def _in_groups(x: np.ndarray, groups: int) -> np.ndarray:
    """[row, time, bin, group * part] to [group * row, time, bin, part]."""
    parted = x.reshape(*x.shape[:3], groups, -1).astype(np.float64)
    return np.moveaxis(parted, 3, 0).reshape(-1, *x.shape[1:3], parted.shape[-1])


def _joined(x: np.ndarray, groups: int) -> np.ndarray:
    return np.concatenate(np.split(x, groups), axis=-1)


def _patches(x: np.ndarray, stride: tuple[int, int]) -> np.ndarray:
    """[row, time, bin, channel] to [row, time, bin, time_stride, bin_stride, channel]."""
    rows, times, bins, width = x.shape
    time, bin_ = stride
    split = x.reshape(rows, times // time, time, bins // bin_, bin_, width)
    return split.transpose(0, 1, 3, 2, 4, 5)


def _principal(patches: np.ndarray, most: int) -> np.ndarray:
    flat = patches.reshape(-1, patches[0, 0, 0].size)
    vectors = np.linalg.eigh(flat.T @ flat)[1][:, ::-1][:, :most]
    return vectors.T.reshape(-1, *patches.shape[3:])


def _embedding(x: np.ndarray, features: int) -> tuple[np.ndarray, np.ndarray]:
    """Chooses the embedding of [frame, bottom_bin, out]; returns the maps to it and back."""
    weight = np.sqrt(np.square(x).mean(axis=(0, 2))) + 1e-9  # [bottom_bin]
    weight = np.repeat((weight / weight[0]) ** -EVENING, x.shape[2])
    flat = x.reshape(len(x), -1) * weight
    vectors = np.linalg.eigh(flat.T @ flat)[1][:, ::-1][:, :features]
    return vectors.T * weight, vectors / weight[:, None]
