"""Steps of few kernels for GPUs: the codes of XLA's steps, and how many kernels they are."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from soundstage.stages.magenta_rt2.choice import FrameSampling
from soundstage.stages.magenta_rt2.config import StackConfig, config_of_size
from soundstage.stages.magenta_rt2.fused_steps import FusedFrameSteps
from soundstage.stages.magenta_rt2.loading import load_magenta_rt2
from soundstage.stages.magenta_rt2.sampler import FrameSampler, Past
from soundstage.stages.magenta_rt2.steps import BY_MODULES
from soundstage.stages.weights.sources import open_source

CONFIG = replace(
    config_of_size("tiny"),
    temporal=StackConfig(1, 32, 64, 2, 16),
    depth=StackConfig(1, 48, 32, 2, 16),
    levels=2,
    sinks=2,
)
ROWS, FRAMES = 2, 2


def model(**changed):
    return load_magenta_rt2(replace(CONFIG, **changed), open_source("random:1"), None)[0]


def past():
    """One stream in its middle, and one that has three frames; and what they were made with."""
    draw, length = np.random.default_rng(0), CONFIG.reach + 1
    context = draw.integers(0, CONFIG.codes, (ROWS, length, CONFIG.levels)).astype(np.int32)
    context[1, :-3] = -1
    before = draw.standard_normal((ROWS, length - 1, CONFIG.encoder_dim), np.float32)
    return Past(context, np.array([9, 3])), before


def test_codes_and_caches_are_those_of_xla():
    embedding = np.random.default_rng(1).standard_normal((ROWS, FRAMES, CONFIG.encoder_dim))
    settings = FrameSampling(np.array([1.0, 0.8], np.float32), np.array([0, 20], np.int32))
    network, made = model(), []
    for fused in (False, True):
        sampler = FrameSampler(network, FRAMES, fused=fused)
        known, before = past()
        memo = sampler.rebuild(known, before)
        seeds = np.array([5, 6])
        made.append(sampler(known, embedding.astype(np.float32), seeds, settings, memo))
    (codes, caches), (fused_codes, fused_caches) = made
    np.testing.assert_array_equal(fused_codes, codes)
    for name, cache in caches.items():
        np.testing.assert_allclose(fused_caches[name], cache, atol=1e-5)


def one_step(steps, network, x, embedding):
    """A step over frames, and one over levels."""
    places = jnp.array([1, 4], jnp.int32)
    known = network.empty_caches(ROWS)
    output, _ = steps.temporal(network, x, embedding, known, (places, places), places)
    normed, _ = steps.depth(network, output, network.empty_levels(ROWS), jnp.int32(0))
    return output, normed


def inputs(dtype):
    draw = np.random.default_rng(2)
    widths = CONFIG.temporal.dim, CONFIG.encoder_dim
    return [jnp.asarray(draw.standard_normal((ROWS, width)), dtype) for width in widths]


def test_a_step_in_bfloat16_differs_by_its_rounding():
    network = model(activation_dtype="bfloat16")
    fused, expected = (
        jax.jit(partial(one_step, steps, network))(*inputs("bfloat16"))
        for steps in (FusedFrameSteps(interpret=True), BY_MODULES)
    )
    for found, reference in zip(fused, expected, strict=True):
        np.testing.assert_allclose(np.float32(found), np.float32(reference), atol=0.06)


def test_sizes_that_no_tile_divides_are_refused():
    with pytest.raises(ValueError, match=r"depth.head = 12 is no multiple of 16"):
        FrameSampler(model(depth=StackConfig(1, 48, 32, 2, 12)), FRAMES, fused=True)


def test_program_for_a_gpu_has_five_kernels_a_layer_over_frames_and_three_over_levels():
    traced = jax.jit(partial(one_step, FusedFrameSteps(), model())).trace(*inputs("float32"))
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert text.count("custom_call @__gpu$xla.gpu.triton") == 5 + 3
