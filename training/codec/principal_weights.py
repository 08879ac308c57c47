"""Writes a linear codec into the weights of encoder and decoder.

A unit is almost linear while its activations are small, so the first layer scales signals down
and the last layer scales them up again. Channels that the linear codec does not use keep random
weights, and no output depends on them yet.
"""

import numpy as np

from soundstage.stages.spectrostream.config import SpectroStreamConfig, UnitShape
from soundstage.training.codec.principal import Analysis, BinLoudness

# Standard deviation of the largest signal in the encoder; ELU changes it by 1/200.
SMALL = 0.01
# The same in the decoder. It is larger because smaller signals make training noisier there.
RENDERED_SMALL = 0.03

Arrays = dict[str, np.ndarray]


def write_encoder(config: SpectroStreamConfig, analysis: Analysis, arrays: Arrays) -> None:
    """Makes the encoder compute the embedding of the linear codec.

    Args:
        config: the codec's sizes.
        analysis: the linear codec.
        arrays: float64 arrays by parameter path under `encoder/`, changed in place; random weights
            before. The first dimensions of kernels are taps.
    """
    draw = np.random.default_rng(0)
    kernel = arrays["encoder/base_conv_first/kernel"]
    kernel *= analysis.scale * SMALL
    parts, width = analysis.parts, kernel.shape[-1]
    kernel[..., :parts] = 0
    for part in range(parts):
        kernel[-1, kernel.shape[1] // 2, part, part] = analysis.scale * SMALL
    used = np.arange(parts)
    for number, (level, unit) in enumerate(zip(analysis.levels, config.encoder_units, strict=True)):
        if number == len(config.ratios) - config.joint_levels:
            groups = range(config.channel_splits)
            used = np.concatenate([used + group * width for group in groups])
        rows = _with_random_rows(level, used, unit, draw)
        _write_merging(arrays, f"encoder/units/{number}", unit, rows)
        used, width = np.arange(len(level)), unit.width_out
    _silence(arrays, "encoder/bottleneck/second")
    kernel = arrays["encoder/output_convs/conv1x1_last/kernel"][0, 0]
    kernel[:] = 0
    places = _places(config.bottom_bins, len(used), width)
    kernel[places, : len(analysis.embed)] = analysis.embed.T / SMALL
    _write_loudness(config, analysis.loudness, width, arrays)


def _write_loudness(
    config: SpectroStreamConfig, loudness: BinLoudness, width: int, arrays: Arrays
) -> None:
    """Makes the encoder's perceptron compute loudness, with two hidden channels a signal."""
    bend = arrays["encoder/output_convs/conv1x1_b1/kernel"][0, 0]
    add = arrays["encoder/output_convs/conv1x1_b2/kernel"][0, 0]
    bias = arrays["encoder/output_convs/conv1x1_b2/bias"]
    bend[:] = 0
    add[:] = 0
    for number in range(config.bottom_bins):
        feature = config.features - config.bottom_bins + number
        signals = number * width + np.arange(loudness.signals)
        hidden = number * width + 2 * np.arange(loudness.signals)
        bend[signals, hidden] = loudness.gain[number] / SMALL
        bend[signals, hidden + 1] = -loudness.gain[number] / SMALL
        each = 1 / (loudness.spread[number] * loudness.signals)
        add[hidden, feature] = add[hidden + 1, feature] = each
        bias[feature] = -loudness.mean[number] / loudness.spread[number]


def _with_random_rows(
    level: np.ndarray, used: np.ndarray, unit: UnitShape, draw: np.random.Generator
) -> np.ndarray:
    """Returns components [width_out, time, bin, width_in], random ones for unused channels."""
    rows = np.zeros((unit.width_out, *unit.stride, unit.width_in))
    rows[: len(level)][..., used] = level
    rest = draw.standard_normal((unit.width_out - len(level), *rows.shape[1:]))
    rows[len(level) :] = rest / np.sqrt(np.prod(rows.shape[1:]))
    return rows


def _write_merging(arrays: Arrays, path: str, unit: UnitShape, rows: np.ndarray) -> None:
    """Makes an encoder unit compute `rows` of the patches it merges."""
    _pass_through(arrays, f"{path}/first", np.arange(unit.width_in))
    kernel = arrays[f"{path}/second/kernel"]
    kernel[:] = 0
    time, bin_ = unit.stride
    past, left = kernel.shape[0] - time, (kernel.shape[1] - bin_) // 2
    patch = kernel[past : past + time, left : left + bin_]
    patch += rows.transpose(1, 2, 3, 0)
    if f"{path}/shortcut/kernel" in arrays:
        _silence(arrays, f"{path}/shortcut")
    else:
        patch -= np.eye(unit.width_in) / (time * bin_)


def write_decoder(config: SpectroStreamConfig, analysis: Analysis, arrays: Arrays) -> None:
    """Makes the decoder compute the spectrum that the linear codec renders.

    Args:
        config: the codec's sizes.
        analysis: the linear codec.
        arrays: as for `write_encoder`, under `decoder/`.

    Raises:
        ValueError: the codec looks more than one frame ahead, longer than its first unit can delay.
    """
    if config.decoder_lookahead > 1:
        raise ValueError(
            f"the codec looks {config.decoder_lookahead} frames ahead; linear first weights "
            "support 1"
        )
    used = np.arange(len(analysis.levels[-1]))
    kernel = arrays["decoder/input_layer/conv1x1_first/kernel"][0, 0]
    places = _places(config.bottom_bins, len(used), config.decoder_width)
    kernel[:, places] = 0
    kernel[: analysis.render.shape[1], places] = analysis.render.T * RENDERED_SMALL
    _silence(arrays, "decoder/input_layer/conv1x1_b2")
    _silence(arrays, "decoder/input_layers_residual_unit/second")
    counts = [*(len(level) for level in analysis.levels[-2::-1]), analysis.parts]
    for number, unit in enumerate(config.decoder_units):
        splits = config.channel_splits if number == config.joint_levels - 1 else 1
        width = unit.width_out // splits
        after = np.concatenate([np.arange(counts[number]) + g * width for g in range(splits)])
        delay = config.decoder_lookahead if number == 0 else 0
        level = analysis.levels[-1 - number]
        _write_parting(arrays, f"decoder/units/{number}", unit, level, used, after, delay)
        used = np.arange(counts[number])
    kernel = arrays["decoder/base_conv_last/kernel"]
    kernel[:] = 0
    for part in range(analysis.parts):
        kernel[-1, kernel.shape[1] // 2, part, part] = 1 / (analysis.scale * RENDERED_SMALL)


def _write_parting(
    arrays: Arrays,
    path: str,
    unit: UnitShape,
    level: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    delay: int,
) -> None:
    """Makes a decoder unit compute the transposed map of a level, delayed.

    Args:
        arrays: by path, changed in place.
        path: the path of the unit.
        unit: its sizes.
        level: components [before, time, bin, after].
        before: channels of the unit's input that carry signals.
        after: channels of the unit's output that carry signals.
        delay: input steps by which the signals are delayed.
    """
    kernel = arrays[f"{path}/first/kernel"]
    kernel[..., after] = 0
    time, bin_ = unit.stride
    times = kernel.shape[0] - 1 - np.arange(time)  # taps of one input's output steps, in order
    bins = kernel.shape[1] - 2 - np.arange(bin_)
    grid = np.ix_(times - delay * time, bins, before, after)
    kernel[grid] = level.transpose(1, 2, 0, 3)
    if f"{path}/shortcut/kernel" in arrays:
        arrays[f"{path}/shortcut/kernel"][..., after] = 0
    else:
        kernel[times[:, None, None], bins[None, :, None], after, after] -= 1
    _pass_through(arrays, f"{path}/second", after)


def _pass_through(arrays: Arrays, path: str, channels: np.ndarray) -> None:
    """Makes a convolution pass some channels unchanged."""
    kernel = arrays[f"{path}/kernel"]
    kernel[..., channels] = 0
    kernel[-1, kernel.shape[1] // 2, channels, channels] = 1


def _silence(arrays: Arrays, path: str) -> None:
    arrays[f"{path}/kernel"][:] = 0
    arrays[f"{path}/bias"][:] = 0


def _places(bins: int, used: int, width: int) -> np.ndarray:
    """Returns the flat indices of the first `used` of `width` channels of every bin."""
    return (np.arange(bins)[:, None] * width + np.arange(used)).reshape(-1)
