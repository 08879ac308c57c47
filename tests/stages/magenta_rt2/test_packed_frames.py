"""Packed weights: the frames of a float32 model whose weights 8 bits hold exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from soundstage.graph.format import Format
from soundstage.stages.magenta_rt2 import Step
from soundstage.stages.magenta_rt2.choice import FrameSampling
from soundstage.stages.magenta_rt2.config import config_of_size
from soundstage.stages.magenta_rt2.loading import load_magenta_rt2
from soundstage.stages.magenta_rt2.params import FrameModelParams
from soundstage.stages.magenta_rt2.sampler import FrameSampler, Past
from soundstage.stages.weights.sources import open_source

PAST, WIDTH, FRAMES = 14, 24, 16


@pytest.fixture(scope="module")
def samplers():
    """The samplers of one model: XLA's, of 8 bits, of float32."""
    pytest.importorskip("numba", reason="the extra `cpu` is not installed")
    from soundstage.stages.magenta_rt2.packed_frame_sampler import PackedFrameSampler

    model = load_magenta_rt2(config_of_size("tiny"), open_source("random:0"), None)[0]
    round_weights(model)
    packed = [PackedFrameSampler(model, 1, dtype, 1) for dtype in ("int8", "float32")]
    return FrameSampler(model, 1), *packed


def round_weights(model):
    """Rounds the matrices of a network to values that 8 bits and a scale an output hold."""
    for path, leaf in nnx.to_flat_state(nnx.state(model)):
        if path[-1] != "kernel" or path[0] == "encoder":
            continue
        kernel = np.asarray(leaf[...])
        first = kernel.reshape(len(kernel), -1)
        first = first.T if "output_projection" in path else first
        scales = np.abs(first).max(axis=0) / np.float32(127)
        whole = np.round(first / scales) * scales
        whole = whole.T if "output_projection" in path else whole
        leaf.set_value(jax.numpy.asarray(whole.reshape(kernel.shape), np.float32))


def run(sampler, temperature, rows=1, top_p=None, min_p=None, frames=FRAMES):
    """The codes of some frames, and whether the last memo equals a rebuilt one."""
    past = Past(np.full((rows, PAST, 12), -1, np.int32), np.zeros(rows, np.int64))
    before = np.zeros((rows, PAST - 1, WIDTH), np.float32)
    cuts = [None if cut is None else np.full(rows, cut, np.float32) for cut in (top_p, min_p)]
    settings = (np.full(rows, temperature, np.float32), np.full(rows, 40, np.int32), *cuts)
    sampling = FrameSampling(*jax.device_put(settings))
    memo, codes = sampler.rebuild(past, before), []
    for frame in range(frames):
        drawn = np.random.default_rng(frame).standard_normal((1, 1, WIDTH)).astype(np.float32)
        asked = np.repeat(drawn, rows, 0)
        new, memo = sampler(past, asked, np.arange(rows), sampling, memo)
        past = Past(np.concatenate([past.context[:, 1:], new], axis=1), past.frame + 1)
        before = np.concatenate([before[:, 1:], asked], axis=1)
        codes.append(new)
    again = sampler.rebuild(past, before)
    rebuilt = all(np.array_equal(again[name], memo[name]) for name in memo)
    return np.concatenate(codes, axis=1), rebuilt


@pytest.mark.parametrize(("temperature", "top_p", "min_p"), [(0, None, None), (1.3, 0.9, 0.02)])
def test_codes_equal_those_of_float32(samplers, temperature, top_p, min_p):
    (codes, _), *packed = (run(sampler, temperature, 1, top_p, min_p) for sampler in samplers)
    for ours, rebuilt in packed:
        np.testing.assert_array_equal(ours, codes)
        assert rebuilt


def test_codes_in_bfloat16_are_those_of_float32_with_rounded_weights(samplers):
    model = load_magenta_rt2(config_of_size("tiny"), open_source("random:0"), None)[0]
    for path, leaf in nnx.to_flat_state(nnx.state(model)):
        if path[-1] == "kernel" and path[0] != "encoder":
            leaf.set_value(leaf[...].astype(jnp.bfloat16).astype(jnp.float32))
    made = [
        run(sampler, 1.3)[0]
        for sampler in (FrameSampler(model, 1), type(samplers[1])(model, 1, "bfloat16", 1))
    ]
    np.testing.assert_array_equal(*made)


def test_rows_do_not_depend_on_each_other_bit_for_bit(samplers):
    alone, both = (run(samplers[1], 1.3, rows)[0] for rows in (1, 2))
    np.testing.assert_array_equal(both[:1], alone)
    assert (both[0] != both[1]).any()


def test_stage_of_8_bits_needs_a_cpu():
    params = FrameModelParams("random:0", "tiny", "int8")
    format = Format(chunk_s=0.04, context_s=0.56, codec_levels=12)

    class Accelerator:
        platform = "gpu"

    with pytest.raises(ValueError, match='dtype "int8" is for CPUs, not gpu'):
        Step(params, format, Accelerator())


def test_any_number_of_threads_gives_the_same_bytes(samplers):
    from soundstage.stages.magenta_rt2.packed_frame_sampler import PackedFrameSampler

    model = load_magenta_rt2(config_of_size("tiny"), open_source("random:0"), None)[0]
    one, three = (run(PackedFrameSampler(model, 1, "int8", n), 1.3, frames=4) for n in (1, 3))
    np.testing.assert_array_equal(three[0], one[0])
    assert one[1]
    assert three[1]
