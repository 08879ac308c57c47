"""Steps of few kernels for GPUs: the codes of XLA's steps, and how many kernels they are."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from soundstage.stages.magenta_rt2.choice import GUIDED_ROWS, FrameChoice, FrameSampling
from soundstage.stages.magenta_rt2.choice import choose as plain_choice
from soundstage.stages.magenta_rt2.config import StackConfig, config_of_size
from soundstage.stages.magenta_rt2.frame import Heads, depth_steps
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
    encoder_dim=32,
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


PLAIN = FrameSampling(np.array([1.0, 0.8], np.float32), np.array([0, 20], np.int32))
CUTS = PLAIN._replace(
    top_p=np.array([0.9, 1.0], np.float32), min_p=np.array([0.0, 0.05], np.float32)
)
GUIDED = PLAIN._replace(guidance=np.array([[2.0, 1.0], [0.5, 0.0]], np.float32))


@pytest.mark.parametrize("settings", [PLAIN, CUTS], ids=["top k", "all cuts"])
def test_codes_and_caches_are_those_of_xla(settings):
    network, made = model(), []
    embedding = np.random.default_rng(1).standard_normal((ROWS, FRAMES, CONFIG.encoder_dim))
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


def levels(steps, network, x, noise, choose):
    heads = Heads(*network.level_heads())
    return jax.jit(lambda x, noise: depth_steps(network, heads, x, choose, noise, steps))(x, noise)


@pytest.mark.parametrize(
    "choose",
    [FrameChoice(GUIDED), partial(plain_choice, sampling=GUIDED)],
    ids=["by the rule of streams", "by another function"],
)
def test_codes_of_guided_rows_are_those_of_xla(choose):
    network, draw = model(), np.random.default_rng(3)
    x = draw.standard_normal((GUIDED_ROWS * ROWS, CONFIG.temporal.dim), np.float32)
    noise = np.float32(draw.gumbel(size=(CONFIG.levels, ROWS, CONFIG.codes)))
    fused, expected = (
        levels(steps, network, x, noise, choose)
        for steps in (FusedFrameSteps(interpret=True), BY_MODULES)
    )
    np.testing.assert_array_equal(fused.codes, expected.codes)
    np.testing.assert_allclose(fused.logits, expected.logits, atol=1e-4)


def test_program_for_a_gpu_has_one_kernel_for_the_choice_of_a_level():
    network = model()
    x, noise = np.zeros((ROWS, CONFIG.temporal.dim)), np.zeros((CONFIG.levels, ROWS, CONFIG.codes))
    traced = jax.jit(partial(levels, FusedFrameSteps(), network, choose=FrameChoice(PLAIN))).trace(
        np.float32(x), np.float32(noise)
    )
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    # An adapter, three kernels of a layer, and the choice.
    assert text.count("custom_call @__gpu$xla.gpu.triton") == CONFIG.levels * (1 + 3 + 1)


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
    with pytest.raises(ValueError, match=r"encoder_dim = 24 is no multiple of 16"):
        FrameSampler(model(encoder_dim=24), FRAMES, fused=True)
    with pytest.raises(ValueError, match=r"depth.head = 12 is no multiple of 16"):
        FrameSampler(model(depth=StackConfig(1, 48, 32, 2, 12)), FRAMES, fused=True)


def test_program_for_a_gpu_has_five_kernels_a_layer_over_frames_and_four_over_levels():
    traced = jax.jit(partial(one_step, FusedFrameSteps(), model())).trace(*inputs("float32"))
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert text.count("custom_call @__gpu$xla.gpu.triton") == 5 + 1 + 3
