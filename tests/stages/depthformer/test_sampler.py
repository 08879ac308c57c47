"""Sampling: independent rows, addressed randomness, and settings that must agree."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from soundstage.graph.format import Format
from soundstage.stages.depthformer import Sample
from soundstage.stages.depthformer.choice import Greedy
from soundstage.stages.depthformer.config import TINY
from soundstage.stages.depthformer.cuts import (
    keep_top,
    keep_top_by_rank,
    keep_top_by_search,
    kth_largest,
)
from soundstage.stages.depthformer.loading import load_depthformer
from soundstage.stages.depthformer.sampler import ChunkSampler, words
from soundstage.stages.depthformer.vocabulary import CODEC_OFFSET, MASK
from soundstage.stages.weights.modules import network_of
from soundstage.stages.weights.sources import open_source

FRAMES, LEVELS, CODES = 4, 3, 32
CONFIG = replace(
    TINY,
    num_levels=LEVELS,
    codebook_size=CODES,
    vocab_size=128,
    num_depth_layers=2,
    temporal_buckets=8,
    depth_buckets=4,
)
ROWS = 3


@pytest.fixture(scope="module")
def model():
    return load_depthformer(CONFIG, open_source("random:3"), None)[0].module


@pytest.fixture(scope="module")
def sampler(model):
    return ChunkSampler(network_of(model, model.config), FRAMES)


def arguments(**changed):
    prompt = np.random.default_rng(0).integers(CODEC_OFFSET, 98, (ROWS, 20)).astype(np.int32)
    unprompted = prompt.copy()
    unprompted[:, -6:] = MASK
    values = {
        "prompt": prompt,
        "unprompted": unprompted,
        "temperature": np.full(ROWS, 1.1, np.float32),
        "top_k": np.full(ROWS, 8, np.int32),
        "guidance": np.full(ROWS, 2.0, np.float32),
        "seed": np.array([5, 6, 7], np.int64),
        "chunk": np.full(ROWS, 9, np.int64),
    }
    for name, value in changed.items():
        values[name] = np.full_like(values[name], value)
    return values


def test_levels_without_a_loop_choose_the_same_tokens(model, sampler):
    unrolled = ChunkSampler(network_of(model, model.config), FRAMES, unrolled=True)
    np.testing.assert_array_equal(unrolled(**arguments()), sampler(**arguments()))


def test_tokens_are_codes_of_any_format(sampler):
    tokens = sampler(**arguments())
    assert tokens.shape == (ROWS, FRAMES, LEVELS)
    assert tokens.dtype == np.int32
    assert tokens.min() >= 0
    assert tokens.max() < CODES
    assert len(np.unique(tokens)) > CODES // 4


def test_the_same_arguments_give_the_same_bytes(model, sampler):
    tokens = sampler(**arguments()).tobytes()
    assert sampler(**arguments()).tobytes() == tokens
    assert ChunkSampler(network_of(model, model.config), FRAMES)(**arguments()).tobytes() == tokens


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt", 77),
        ("unprompted", 78),
        ("temperature", 0.3),
        ("top_k", 1),
        ("guidance", 9.0),
        ("seed", 2**62 + 1),
        ("chunk", 10),
    ],
)
def test_tokens_of_a_row_depend_on_its_own_arguments_only(sampler, name, value):
    values = arguments()
    before = sampler(**values)
    values[name] = values[name].copy()
    values[name][1] = value
    after = sampler(**values)
    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])
    assert (after[1] != before[1]).any()


def test_equal_rows_get_equal_tokens(sampler):
    values = {name: np.repeat(value[:1], ROWS, axis=0) for name, value in arguments().items()}
    tokens = sampler(**values)
    np.testing.assert_array_equal(tokens[1:], tokens[:1].repeat(ROWS - 1, axis=0))


@pytest.mark.parametrize("name", ["seed", "chunk"])
def test_both_words_of_seed_and_chunk_change_the_tokens(sampler, name):
    low, high, both = (sampler(**arguments(**{name: n})) for n in (1, 1 << 32, (1 << 32) + 1))
    assert (low != high).any()
    assert (low != both).any()
    assert (high != both).any()


def test_largest_seed_gives_other_tokens_than_seed_0(sampler):
    last, first = sampler(**arguments(seed=2**63 - 1)), sampler(**arguments(seed=0))
    assert (last != first).any()


def test_words_are_the_high_and_low_halves_of_a_number():
    np.testing.assert_array_equal(
        words(np.array([0, 5, 1 << 32, 2**63 - 1])),
        [[0, 0], [0, 5], [1, 0], [2**31 - 1, 2**32 - 1]],
    )


def test_temperature_zero_top_one_and_greedy_agree(model, sampler):
    greedy = ChunkSampler(network_of(model, model.config), FRAMES, chooser=Greedy())(**arguments())
    np.testing.assert_array_equal(sampler(**arguments(temperature=0.0)), greedy)
    np.testing.assert_array_equal(sampler(**arguments(top_k=1)), greedy)
    assert (sampler(**arguments()) != greedy).any()


def test_top_k_beyond_the_number_of_codes_cuts_nothing(sampler):
    everything = sampler(**arguments(top_k=0))
    np.testing.assert_array_equal(sampler(**arguments(top_k=CODES)), everything)
    np.testing.assert_array_equal(sampler(**arguments(top_k=2**31 - 1)), everything)


def test_unprompted_rows_do_not_matter_without_guidance(sampler):
    off = sampler(**arguments(guidance=0.0))
    np.testing.assert_array_equal(sampler(**arguments(guidance=0.0, unprompted=50)), off)
    assert (sampler(**arguments()) != off).any()


def test_guidance_with_equal_prompts_changes_no_greedy_token(model):
    # (1 + w) p - w p is p up to rounding, which changes no greedy token of this model.
    values = arguments(guidance=0.0)
    values["unprompted"] = values["prompt"]
    sampler = ChunkSampler(network_of(model, model.config), FRAMES, chooser=Greedy())
    off = sampler(**values)
    values["guidance"] = np.full(ROWS, 3.0, np.float32)
    np.testing.assert_array_equal(sampler(**values), off)


def test_logits_equal_to_the_kth_all_stay():
    logits = jnp.asarray([[3.0, 1.0, 2.0, 2.0, 0.0]] * 4)
    kept = np.asarray(keep_top(logits, jnp.asarray([1, 2, 0, 9]))) > -1e6
    np.testing.assert_array_equal(kept[0], [1, 0, 0, 0, 0])
    np.testing.assert_array_equal(kept[1], [1, 0, 1, 1, 0])
    assert kept[2:].all()


FLOATS = st.floats(-(2.0**90), 2.0**90, width=32, allow_subnormal=False)
# Compiled once, not traced in each example.
LARGEST, BY_SEARCH, BY_RANK = map(jax.jit, (kth_largest, keep_top_by_search, keep_top_by_rank))


@settings(max_examples=50)
@given(
    hnp.arrays(np.float32, (2, 7), elements=FLOATS), st.tuples(st.integers(1, 7), st.integers(1, 7))
)
def test_kth_largest_is_the_one_that_a_sort_finds(values, k):
    largest = np.asarray(LARGEST(values, np.asarray(k, np.int32)))[:, 0]
    expected = [np.sort(row)[-n] for row, n in zip(values, k, strict=True)]
    np.testing.assert_array_equal(largest, np.asarray(expected, np.float32))


@settings(max_examples=50)
@given(
    hnp.arrays(np.float32, (2, 7), elements=FLOATS), st.tuples(st.integers(1, 7), st.integers(1, 7))
)
def test_accelerators_keep_the_same_top_k_as_the_search(values, k):
    kept = np.asarray(k, np.int32)
    np.testing.assert_array_equal(BY_RANK(values, kept), BY_SEARCH(values, kept))


def test_accelerators_run_no_search():
    arrays = jax.ShapeDtypeStruct((2, 1024), jnp.float32), jax.ShapeDtypeStruct((2,), jnp.int32)
    traced = jax.jit(keep_top).trace(*arrays)
    count = {name: traced.lower(lowering_platforms=(name,)).as_text() for name in ("cpu", "cuda")}
    assert "bitcast_convert" in count["cpu"]
    assert "bitcast_convert" not in count["cuda"]


def test_drawn_codes_are_among_the_top_k(model):
    """Every drawn code is among the k best of the teacher-forced, guided logits."""
    values = arguments(temperature=2.0, top_k=2)
    tokens = ChunkSampler(network_of(model, model.config), FRAMES)(**values)
    logits = guided_logits(model, values, tokens)
    rank = (logits > np.take_along_axis(logits, tokens[..., None], -1)).sum(-1)
    assert set(np.unique(rank)) == {0, 1}


def guided_logits(model, values, tokens):
    """Logits of the steps that made `tokens`, by one full pass over them."""
    ids = jnp.asarray(tokens + CODEC_OFFSET + CODES * np.arange(LEVELS, dtype=np.int32))
    w = values["guidance"][:, None, None, None]
    graph, state = nnx.split(model)

    @jax.jit
    def full_pass(state, prompt):
        model = nnx.merge(graph, state)
        return model.own_level_logits(model.forced(model.encode(prompt), prompt, ids).normed)

    prompted, unprompted = (
        np.asarray(full_pass(state, values[name])) for name in ("prompt", "unprompted")
    )
    return (1 + w) * prompted - w * unprompted


def test_stepwise_decoding_agrees_with_one_full_pass(model):
    values = arguments(temperature=0.0)
    tokens = ChunkSampler(network_of(model, model.config), FRAMES)(**values)
    logits = guided_logits(model, values, tokens)
    chosen = np.take_along_axis(logits, tokens[..., None], -1)[..., 0]
    np.testing.assert_allclose(chosen, logits.max(-1), atol=1e-4)


def test_padding_changes_nothing(model):
    prompt = jnp.asarray(arguments()["prompt"])
    padded = jnp.concatenate([prompt, jnp.zeros((ROWS, 5), jnp.int32)], axis=1)
    encode = nnx.jit(lambda model, prompt: model.encode(prompt))
    forced = nnx.jit(lambda model, *arrays: model.forced(*arrays).depth)
    encoded, longer = encode(model, prompt), encode(model, padded)
    np.testing.assert_allclose(longer[:, :20], encoded, atol=1e-5)
    assert not longer[:, 20:].any()
    targets = jnp.full((ROWS, FRAMES, LEVELS), 40, jnp.int32)
    one = forced(model, encoded, prompt, targets)
    two = forced(model, longer, padded, targets)
    np.testing.assert_allclose(two, one, atol=1e-4)


def test_full_pass_has_a_gradient_for_every_weight(model):
    prompt = jnp.asarray(arguments()["prompt"])
    targets = jnp.tile(jnp.arange(LEVELS) * CODES + 9, (ROWS, FRAMES, 1))

    graph, state = nnx.split(model)

    def loss(state):
        model = nnx.merge(graph, state)
        normed = model.forced(model.encode(prompt), prompt, targets).normed
        return model.logsumexp(normed).mean()

    for path, leaf in nnx.to_flat_state(jax.jit(jax.grad(loss))(state)):
        assert np.isfinite(leaf[...]).all(), path
        assert np.abs(leaf[...]).max() > 0, path


def test_bfloat16_keeps_the_head_in_float32_and_stays_close(model):
    network, digest, note = load_depthformer(
        replace(CONFIG, activation_dtype="bfloat16"), open_source("random:3"), None
    )
    rounded = network.module
    assert rounded.decoder.logits_dense.kernel[...].dtype == jnp.float32
    assert rounded.token_embedder.embedding[...].dtype == jnp.bfloat16
    assert digest == load_depthformer(CONFIG, open_source("random:3"), None)[1]
    assert "random" in note
    prompt = jnp.asarray(arguments()["prompt"])
    coarse = rounded.encode(prompt)
    assert coarse.dtype == jnp.bfloat16
    np.testing.assert_allclose(coarse.astype(jnp.float32), model.encode(prompt), atol=0.15)
    tokens = ChunkSampler(network, FRAMES)(**arguments())
    assert tokens.shape == (ROWS, FRAMES, LEVELS)


@pytest.fixture(scope="module")
def small_format():
    return Format(chunk_s=0.16, context_s=0.4, codec_levels=4, context_levels=2)


def test_stage_gives_equal_tokens_in_concurrent_calls(small_format):
    stage = Sample(Sample.Params(weights="random:0", size="tiny"), small_format, jax.devices()[0])
    assert len(stage.weights_digest) == 64
    assert "random" in stage.weights_note
    prompt = np.full((ROWS, small_format.dims["prompt_token"]), 9, np.int32)
    values = arguments() | {"prompt": prompt, "unprompted": np.where(prompt > 0, MASK, prompt)}
    for value in values.values():
        value.flags.writeable = False
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(stage, **values) for _ in range(4)]
    tokens = {future.result()["tokens"].tobytes() for future in futures}
    assert len(tokens) == 1
    assert futures[0].result()["tokens"].shape == (ROWS, 4, 4)
