"""Convolutions in 16-bit integers: exact sums, and the same bytes for any number of threads."""

import hashlib
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("numba", reason="the extra `cpu` is not installed")

from soundstage.kernels.convolutions import (
    Convolution,
    aligned_zeros,
    convolve,
    padded_inputs,
    padded_outputs,
    round_positions,
    rounded_weights,
)
from soundstage.kernels.integer_tiles import BLOCK, LARGEST
from soundstage.kernels.team import Team

TAPS, OUTER, POSITIONS = 3, 70, 17
OUTPUTS = POSITIONS - TAPS + 1
ADDED = 1000


def convolution(kernel, bias, starts):
    """A convolution over a line of positions; behind its inputs is what is added, then outputs."""
    inner = kernel.shape[1]
    weights, scales = rounded_weights(kernel)
    inputs, summed = padded_inputs(inner)
    positions = np.arange(POSITIONS)
    new = np.stack([inner * positions, positions, np.where(positions == 4, 0, -1)], axis=1)
    return Convolution(
        weights,
        scales,
        padded_outputs(bias),
        aligned_zeros(POSITIONS * inputs, np.int16),
        np.zeros(POSITIONS, np.float32),
        np.zeros((0, 3), np.int64),
        new,
        np.arange(OUTPUTS),
        POSITIONS * inner + starts,
        np.arange(TAPS),
        np.array([inputs, summed, len(scales), inner, POSITIONS * inner + ADDED, 0, 0]),
    )


def outputs(layer, x, added, threads=1, elu=False):
    memory = np.zeros(x.shape[1], np.float32)
    y = np.zeros(OUTPUTS * len(layer.scales), np.float32)
    values = np.concatenate([x.reshape(-1), added, y])
    round_positions(layer, layer.new, values, memory, elu)
    Team(threads)(lambda member: convolve(member, layer, values))
    return values[-len(y) :].reshape(OUTPUTS, -1)[:, :OUTER], memory


def example(inner):
    draw = np.random.default_rng(0)
    kernel, x, bias, added = (
        draw.standard_normal(shape).astype(np.float32)
        for shape in ((TAPS, inner, OUTER), (POSITIONS, inner), OUTER, ADDED)
    )
    starts = draw.integers(0, 800, OUTPUTS)
    layer = convolution(kernel, bias, starts)
    return SimpleNamespace(kernel=kernel, x=x, bias=bias, added=added, starts=starts, layer=layer)


def digest():
    """The SHA-256 of the outputs of two examples, of which one has padded inputs."""
    made = [example(inner) for inner in (5, 300)]
    parts = [outputs(one.layer, one.x, one.added)[0] for one in made]
    return hashlib.sha256(np.concatenate(parts).tobytes()).hexdigest()


def print_digest():
    print(digest())


@pytest.fixture(scope="module", params=[5, 64, 128, 300])
def made(request):
    return example(request.param)


def rounded(x):
    """Returns inputs as they are after rounding, float64."""
    largest = np.abs(x).max(axis=1, keepdims=True)
    return np.rint(x * (np.float32(LARGEST) / largest)).astype(np.float64) * largest / LARGEST


def test_outputs_are_the_sums_of_rounded_inputs_times_rounded_weights(made):
    y, kept = outputs(made.layer, made.x, made.added)
    scales = made.layer.scales[:OUTER]
    x, kernel = rounded(made.x), np.rint(made.kernel / scales).astype(np.float64) * scales
    assert np.abs(kernel - made.kernel).max() <= 0.5001 * scales.max()
    exact = sum(x[tap : tap + OUTPUTS] @ kernel[tap] for tap in range(TAPS)) + made.bias
    exact += made.added[made.starts[:, None] + np.arange(OUTER)]
    np.testing.assert_allclose(y, exact, atol=2e-6 * np.abs(exact).max() * TAPS)
    np.testing.assert_array_equal(kept, made.x[4])


def test_outputs_are_the_same_bytes_on_any_number_of_threads(made):
    whole, _ = outputs(made.layer, made.x, made.added)
    for threads in (2, 3):
        np.testing.assert_array_equal(outputs(made.layer, made.x, made.added, threads)[0], whole)


def test_an_output_does_not_depend_on_other_positions(made):
    other = made.x.copy()
    other[9:] *= 1000
    whole, part = (outputs(made.layer, x, made.added)[0] for x in (made.x, other))
    np.testing.assert_array_equal(part[: 9 - TAPS + 1], whole[: 9 - TAPS + 1])


def test_largest_products_of_a_block_do_not_overflow():
    kernel = np.ones((TAPS, 2 * BLOCK, OUTER), np.float32)
    layer = convolution(kernel, np.zeros(OUTER, np.float32), np.zeros(OUTPUTS, np.int64))
    x = np.full((POSITIONS, 2 * BLOCK), -3, np.float32)
    y, _ = outputs(layer, x, np.zeros(ADDED, np.float32))
    np.testing.assert_allclose(y, -3.0 * TAPS * 2 * BLOCK, rtol=1e-6)


@pytest.mark.parametrize(
    "variables",
    [
        {"NUMBA_CPU_FEATURES": "+avx2,+fma"},
        {"NUMBA_CPU_FEATURES": "+fma"},  # vectors as wide as on ARM, and no instruction for pairs
    ],
    ids=["8 lanes", "4 lanes"],
)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="names instructions of x86")
def test_narrower_vectors_give_the_same_bytes(variables):
    done = subprocess.run(
        [sys.executable, "-c", f"import runpy; runpy.run_path({__file__!r})['print_digest']()"],
        env=os.environ | {"NUMBA_CPU_NAME": "haswell"} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == digest()


def test_silence_stays_silent_and_inputs_pass_the_exponential_unit(made):
    y, _ = outputs(made.layer, 0 * made.x, 0 * made.added)
    np.testing.assert_array_equal(y, np.broadcast_to(made.bias, y.shape))
    _, kept = outputs(made.layer, made.x, made.added, elu=True)
    expected = np.where(made.x[4] > 0, made.x[4], np.expm1(made.x[4]))
    np.testing.assert_allclose(kept, expected, atol=2e-7)
