"""Steps of few kernels for GPUs: the tokens of XLA's steps, and how many kernels they are."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from jax import export

from soundstage.graph.format import Format
from soundstage.kernels.programs import UNSTABLE
from soundstage.stages.depthformer import Sample
from soundstage.stages.depthformer.choice import ByFunction, Greedy, WholeVocabulary
from soundstage.stages.depthformer.conditions import FREE, Conditions
from soundstage.stages.depthformer.config import TINY
from soundstage.stages.depthformer.loading import load_depthformer
from soundstage.stages.depthformer.sampler import ChunkSampler
from soundstage.stages.depthformer.vocabulary import PAD
from soundstage.stages.weights.sources import open_source

PAST, FRAMES, LEVELS, CODES, STYLE, ROWS = 5, 2, 2, 32, 4, 2
CONFIG = replace(
    TINY,
    num_levels=LEVELS,
    codebook_size=CODES,
    vocab_size=128,
    num_temporal_layers=1,
    temporal_buckets=8,
    depth_buckets=4,
)
CPU = jax.devices("cpu")[0]


def arguments(config):
    draw = np.random.default_rng(0)
    prompt = draw.integers(2, 98, (ROWS, 2 * PAST + STYLE)).astype(np.int32)
    prompt[1, :4] = PAD
    unprompted = prompt.copy()
    unprompted[:, -STYLE:] = 1
    time = (ROWS, PAST + FRAMES)
    free = Conditions(np.full(time, FREE, np.float32), np.full((*time, 3), FREE, np.float32))
    return {
        "prompt": prompt,
        "unprompted": unprompted,
        "temperature": np.array([1.1, 0.0], np.float32),
        "top_k": np.array([0, 12], np.int32),
        "guidance": np.array([2.0, 3.0], np.float32),
        "seed": np.array([5, 2**40], np.int64),
        "chunk": np.full(ROWS, 9, np.int64),
        **({"conditions": (free, free)} if config.past_levels else {}),
    }


def model(config):
    return load_depthformer(config, open_source("random:3"), None)[0]


@pytest.mark.parametrize("past_levels", [0, 2], ids=["encodes the past", "reads the past"])
def test_tokens_are_those_of_xla(past_levels):
    config = replace(CONFIG, past_levels=past_levels)
    network, values = model(config), arguments(config)
    tokens = ChunkSampler(network, FRAMES, fused=True)(**values)
    np.testing.assert_array_equal(tokens, ChunkSampler(network, FRAMES)(**values))


def test_tokens_with_all_cuts_are_those_of_xla_without_a_loop_over_levels():
    network, values = model(CONFIG), arguments(CONFIG)
    values["top_p"] = np.array([0.9, 0.5], np.float32)
    values["min_p"] = np.array([0.01, 0.0], np.float32)
    values["repetition"] = np.array([0.5, 3.0], np.float32)
    tokens = ChunkSampler(network, FRAMES, unrolled=True, fused=True)(**values)
    np.testing.assert_array_equal(tokens, ChunkSampler(network, FRAMES)(**values))


@pytest.mark.parametrize(
    "choosing",
    [
        {"chooser": Greedy()},
        {"alphabet": WholeVocabulary()},
        {"chooser": ByFunction(lambda logits, key: jax.random.categorical(key, logits))},
    ],
    ids=["greedy", "whole vocabulary", "by function"],
)
def test_other_choosers_and_alphabets_choose_what_they_choose_without_fused_kernels(choosing):
    network, values = model(CONFIG), arguments(CONFIG)
    tokens = ChunkSampler(network, FRAMES, fused=True, **choosing)(**values)
    expected = ChunkSampler(network, FRAMES, **choosing)(**values)
    np.testing.assert_array_equal(tokens, expected)


def test_program_for_a_gpu_has_five_kernels_a_depth_layer_eight_a_temporal_layer_two_a_choice():
    sampler = ChunkSampler(model(CONFIG), FRAMES, unrolled=True, fused=True)
    sampler._steps = replace(sampler._steps, interpret=False)
    shapes = jax.tree.map(
        lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype),
        (sampler._network.arrays, *sampler_inputs(arguments(CONFIG))),
    )
    exported = export.export(
        jax.jit(sampler._sample), platforms=("cuda",), disabled_checks=UNSTABLE
    )
    text = exported(*shapes).mlir_module()
    assert text.count("custom_call @__gpu$xla.gpu.triton") == 8 + LEVELS * (5 + 2)


def sampler_inputs(values):
    from soundstage.stages.depthformer.choice import Sampling
    from soundstage.stages.depthformer.sampler import _arguments

    prompt, unprompted, settings, both = _arguments(**values)
    return prompt, unprompted, Sampling(*settings), both


def test_sizes_that_no_tile_divides_are_refused():
    with pytest.raises(ValueError, match="mlp_dim = 40 is no multiple of 16"):
        ChunkSampler(model(replace(CONFIG, mlp_dim=40)), FRAMES, fused=True)


def test_fused_products_are_refused_on_a_processor_and_in_8_bits():
    form = Format(chunk_s=0.08, context_s=0.2, codec_levels=2, context_levels=2, codebook_size=32)
    params = Sample.Params(weights="random:0", size="tiny", products="fused")
    with pytest.raises(ValueError, match='products "fused" are for GPUs, not cpu'):
        Sample(params, form, CPU)
    with pytest.raises(ValueError, match='"int8" needs packed products'):
        replace(params, dtype="int8")
