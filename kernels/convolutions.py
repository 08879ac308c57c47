"""Convolutions in 16-bit integers: inputs with a scale a position, weights with a scale an output.

The products of at most `BLOCK` inputs are summed as integers, which is exact, and those sums as
float32. So an output does not depend on the other positions, nor on the thread that computes it.

A position is the vector of all inputs at one time and bin. Positions lie in one array, with zeros
around them. An output is a sum over taps, which are distances in that array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from soundstage.kernels.compiled import compiled
from soundstage.kernels.integer_tiles import BLOCK, LARGEST, integer_tile, round_inputs
from soundstage.kernels.layers import exponential
from soundstage.kernels.team import meet, share
from soundstage.kernels.vectors import LANES, PANEL

# The positions of a tile, so many that its sums stay in registers.
MOST_ROWS = 2 if LANES == 8 else 6
CACHE_LINE = 64
# Places in `Convolution.sizes`.
INPUTS, SUMMED, OUTPUTS, GIVEN, TARGET, ELU, STEPS = range(7)
NOWHERE = -1


class Convolution(NamedTuple):
    """A convolution over positions, and where its inputs come from.

    Values are one float32 array, in which a convolution reads and writes.

    Attributes:
        weights: int16 [number], the numbers of [panel, tap, pair of inputs, PANEL, 2].
        scales: float32 [out], by which outputs are multiplied. Outputs fill whole panels.
        bias: float32 [out].
        x: int16 [position * inputs], for the rounded inputs; zeros where none are written.
        x_scales: float32 [position]; zeros where none are written.
        old: int64 [old position, 3]: where the inputs begin in the memory, the position, and where
            in the memory they are kept for the next call, or `NOWHERE`. All times of a bin follow
            each other, the earliest first.
        new: int64 [new position, 3]: the same of inputs that begin in the values.
        places: int64 [output], the position under an output's first tap.
        starts: int64 [output], where what is added to an output begins in the values.
        taps: int64 [tap], what is added to the position under the first tap.
        sizes: int64 [7], by the names above: the inputs of a position, a multiple of the next and
            of 2; those that are summed as integers; outputs; the inputs that are given, the others
            are 0; where in the values the outputs begin; whether new inputs pass an exponential
            linear unit; and the times of `old`.
    """

    weights: np.ndarray
    scales: np.ndarray
    bias: np.ndarray
    x: np.ndarray
    x_scales: np.ndarray
    old: np.ndarray
    new: np.ndarray
    places: np.ndarray
    starts: np.ndarray
    taps: np.ndarray
    sizes: np.ndarray


class Convolutions(NamedTuple):
    """Convolutions that run one after another.

    Attributes:
        joined: all their arrays, one behind another.
        bounds: int64 [attribute, convolution + 1], where the arrays of a convolution begin and end.
    """

    joined: Convolution
    bounds: np.ndarray


def join(layers: Sequence[Convolution]) -> Convolutions:
    """Joins the arrays of convolutions. A compiler takes long for many arrays."""
    parts = list(zip(*layers, strict=True))
    bounds = [np.cumsum([0, *map(len, arrays)]) for arrays in parts]
    joined = []
    for arrays in parts:
        whole = np.concatenate(arrays)
        aligned = aligned_zeros(whole.size, whole.dtype).reshape(whole.shape)
        aligned[:] = whole
        joined.append(aligned)
    return Convolutions(Convolution(*joined), np.array(bounds))


def aligned_zeros(count: int, dtype: DTypeLike) -> np.ndarray:
    """Returns zeros [count] that begin with a line of the processor's cache."""
    size = np.dtype(dtype).itemsize
    raw = np.zeros(count * size + CACHE_LINE, np.uint8)
    begin = -raw.ctypes.data % CACHE_LINE
    return raw[begin : begin + count * size].view(dtype)


def padded_inputs(inputs: int) -> tuple[int, int]:
    """Returns the inputs of a position with zeros behind them, and how many make a block."""
    if inputs > BLOCK:
        return -(-inputs // BLOCK) * BLOCK, BLOCK
    even = inputs + inputs % 2
    return even, even


def rounded_weights(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rounds weights to integers of at most `LARGEST`, with a scale an output.

    Args:
        kernel: float32 [tap, in, out].

    Returns:
        int16 [number], the numbers of [panel, tap, pair of inputs, PANEL, 2]; and the scales,
        float32 [out, rounded up to whole panels].
    """
    taps, inner, outer = kernel.shape
    largest = np.abs(kernel).max(axis=(0, 1)) / np.float32(LARGEST)
    scales = np.maximum(largest, np.finfo(np.float32).tiny)
    panels, inputs = -(-outer // PANEL), padded_inputs(inner)[0]
    wide = np.zeros((taps, inputs, panels * PANEL), np.int16)
    wide[:, :inner, :outer] = np.rint(kernel / scales)
    shape = (taps, inputs // 2, 2, panels, PANEL)
    weights = aligned_zeros(wide.size, np.int16)
    weights[:] = wide.reshape(shape).transpose(3, 0, 1, 4, 2).reshape(-1)
    return weights, padded_outputs(scales)


def padded_outputs(values: np.ndarray) -> np.ndarray:
    """Returns float32 [out] with zeros behind it that fill the last panel."""
    whole = np.zeros(-(-len(values) // PANEL) * PANEL, np.float32)
    whole[: len(values)] = values
    return whole


@compiled
def convolution_at(layers: Any, index: int) -> Any:
    """Returns one of `Convolutions`."""
    all, begin, end = layers.joined, layers.bounds[:, index], layers.bounds[:, index + 1]
    return Convolution(
        all.weights[begin[0] : end[0]],
        all.scales[begin[1] : end[1]],
        all.bias[begin[2] : end[2]],
        all.x[begin[3] : end[3]],
        all.x_scales[begin[4] : end[4]],
        all.old[begin[5] : end[5]],
        all.new[begin[6] : end[6]],
        all.places[begin[7] : end[7]],
        all.starts[begin[8] : end[8]],
        all.taps[begin[9] : end[9]],
        all.sizes[begin[10] : end[10]],
    )


@compiled
def run_convolutions(member: Any, layers: Any, values: Any, memory: Any) -> None:
    """Runs convolutions one after another.

    Args:
        member: this thread.
        layers: `Convolutions`.
        values: float32 [number]; overwritten.
        memory: float32 [number]; overwritten with what is kept.
    """
    for index in range(layers.bounds.shape[1] - 1):
        layer = convolution_at(layers, index)
        # One thread reads and keeps all times of a bin: what is kept lies where an earlier one lay.
        steps = max(layer.sizes[STEPS], 1)
        first, last = share(member, layer.old.shape[0] // steps)
        round_positions(layer, layer.old[first * steps : last * steps], memory, memory, False)
        meet(member)
        first, last = share(member, layer.new.shape[0])
        round_positions(layer, layer.new[first:last], values, memory, layer.sizes[ELU] == 1)
        meet(member)
        convolve(member, layer, values)
        meet(member)


@compiled
def round_positions(layer: Any, rows: Any, values: Any, memory: Any, elu: bool) -> None:
    """Rounds inputs, and keeps those that are needed later.

    Args:
        layer: `Convolution`.
        rows: int64 [position, 3], of its `old` or `new`.
        values: float32 [number], where the inputs are.
        memory: float32 [number], where they are kept.
        elu: whether they pass an exponential linear unit.
    """
    inputs, given = layer.sizes[INPUTS], layer.sizes[GIVEN]
    part = np.empty(given + LANES, np.float32)
    for index in range(rows.shape[0]):
        begin, position, kept = rows[index]
        source = values[begin : begin + given]
        if elu:
            for place in range(given):
                lower = exponential(source[place]) - np.float32(1)
                part[place] = source[place] if source[place] > 0 else lower
        else:
            for place in range(given):
                part[place] = source[place]
        layer.x_scales[position] = round_inputs(part, layer.x, position * inputs, given, LARGEST)
        if kept != NOWHERE:
            target = memory[kept : kept + given]
            for place in range(given):
                target[place] = part[place]


@compiled
def convolve(member: Any, layer: Any, values: Any) -> None:
    """Writes this thread's part of the outputs to the values."""
    count = layer.places.shape[0]
    tiles = (count + MOST_ROWS - 1) // MOST_ROWS
    begin, end = share(member, layer.sizes[OUTPUTS] // PANEL * tiles)
    for item in range(begin, end):
        panel, tile = item // tiles, item % tiles
        first, last = count * tile // tiles, count * (tile + 1) // tiles
        compute_tile(last - first, layer, panel, first, values)


@compiled
def compute_tile(rows: int, layer: Any, panel: int, first: int, values: Any) -> None:
    """Computes the outputs of some positions and a panel."""
    if rows == 6:
        integer_tile(6, layer, panel, first, values)
    elif rows == 5:
        integer_tile(5, layer, panel, first, values)
    elif rows == 4:
        integer_tile(4, layer, panel, first, values)
    elif rows == 3:
        integer_tile(3, layer, panel, first, values)
    elif rows == 2:
        integer_tile(2, layer, panel, first, values)
    else:
        integer_tile(1, layer, panel, first, values)
