"""Packed weights: the tokens of XLA's products, for any number of rows and threads."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from soundstage.graph.format import Format
from soundstage.stages.depthformer import Sample
from soundstage.stages.depthformer.conditions import FREE, Conditions
from soundstage.stages.depthformer.config import TINY
from soundstage.stages.depthformer.loading import load_depthformer
from soundstage.stages.depthformer.sampler import ChunkSampler
from soundstage.stages.depthformer.vocabulary import PAD
from soundstage.stages.precision import activation_type
from soundstage.stages.weights.array_source import WeightsError
from soundstage.stages.weights.modules import network_of
from soundstage.stages.weights.sources import open_source

PAST, FRAMES, LEVELS, CODES, STYLE, ROWS = 5, 3, 3, 32, 4, 3
READS_PAST = replace(
    TINY,
    num_levels=LEVELS,
    codebook_size=CODES,
    vocab_size=128,
    num_depth_layers=2,
    temporal_buckets=8,
    depth_buckets=4,
    past_levels=2,
)
ENCODES_PAST = replace(READS_PAST, past_levels=0)
FORMAT = Format(chunk_s=0.08, context_s=0.2, codec_levels=2, context_levels=2, codebook_size=32)
CPU = jax.devices("cpu")[0]


def arguments(conditions=True):
    draw = np.random.default_rng(0)
    prompt = draw.integers(2, 98, (ROWS, 2 * PAST + STYLE)).astype(np.int32)
    prompt[1, :4] = PAD
    unprompted = prompt.copy()
    unprompted[:, -STYLE:] = 1
    time = (ROWS, PAST + FRAMES)
    asked = Conditions(
        draw.uniform(0, 12, time).astype(np.float32), draw.random((*time, 3), np.float32)
    )
    free = Conditions(np.full_like(asked.beats, FREE), np.full_like(asked.sound, FREE))
    given = {"conditions": (asked, free)} if conditions else {}
    return {
        "prompt": prompt,
        "unprompted": unprompted,
        "temperature": np.array([1.1, 0.7, 0.0], np.float32),
        "top_k": np.array([0, 12, 3], np.int32),
        "guidance": np.array([2.0, 0.0, 3.0], np.float32),
        "seed": np.array([5, 6, 2**40], np.int64),
        "chunk": np.full(ROWS, 9, np.int64),
        "top_p": np.array([0.8, 1.0, 0.5], np.float32),
        "min_p": np.array([0.0, 0.02, 0.1], np.float32),
        "repetition": np.array([0.0, 0.5, -0.5], np.float32),
        **given,
    }


def of_row(values, row):
    """The arguments of one row."""
    return jax.tree.map(lambda array: array[row : row + 1], values)


def loaded(config):
    """A network whose weights 8 bits hold exactly."""
    model = load_depthformer(config, open_source("random:3"), None)[0].module
    for path, leaf in nnx.to_flat_state(nnx.state(model)):
        if path[-1] == "kernel" and path[-2] != "logits_dense" and "conditions" not in path:
            kernel = np.asarray(leaf[...])
            scales = np.abs(kernel).max(axis=0) / np.float32(127)
            leaf.set_value(jnp.asarray(np.round(kernel / scales) * scales))
    return network_of(model, model.config)


@pytest.fixture(scope="module")
def packed_sampler():
    pytest.importorskip("numba", reason="the extra `cpu` is not installed")
    from soundstage.stages.depthformer.packed.packed_chunk_sampler import PackedChunkSampler

    return PackedChunkSampler


@pytest.fixture(scope="module")
def model():
    return loaded(READS_PAST)


def test_tokens_are_those_of_xla(packed_sampler, model):
    values = arguments()
    tokens = ChunkSampler(model, FRAMES)(**values)
    np.testing.assert_array_equal(packed_sampler(model, FRAMES, "float32")(**values), tokens)
    in_8_bits = packed_sampler(model, FRAMES, "int8")(**values)
    np.testing.assert_array_equal(in_8_bits[:, 0, 0], tokens[:, 0, 0])


def test_tokens_of_a_network_that_encodes_the_past_are_those_of_xla(packed_sampler):
    model, values = loaded(ENCODES_PAST), arguments(conditions=False)
    tokens = ChunkSampler(model, FRAMES)(**values)
    np.testing.assert_array_equal(packed_sampler(model, FRAMES, "float32")(**values), tokens)


def test_tokens_in_bfloat16_are_those_of_xla_with_rounded_weights(packed_sampler):
    model = load_depthformer(READS_PAST, open_source("random:3"), None)[0].module
    for path, leaf in nnx.to_flat_state(nnx.state(model)):
        if path[-1] == "kernel":
            leaf.set_value(leaf[...].astype(jnp.bfloat16).astype(jnp.float32))
    rounded, values = network_of(model, model.config), arguments()
    tokens = ChunkSampler(rounded, FRAMES)(**values)
    np.testing.assert_array_equal(packed_sampler(rounded, FRAMES, "bfloat16")(**values), tokens)


def test_tokens_of_a_row_are_the_same_beside_others_and_on_any_threads(packed_sampler, model):
    values = arguments()
    single = packed_sampler(model, FRAMES, "int8", threads=1)
    together = packed_sampler(model, FRAMES, "int8", threads=2)
    alone = [single(**of_row(values, row)) for row in range(ROWS)]
    np.testing.assert_array_equal(together(**values), np.concatenate(alone))
    # So many rows that each thread takes some of them.
    many = jax.tree.map(lambda array: np.tile(array, (3, *[1] * (array.ndim - 1))), values)
    np.testing.assert_array_equal(together(**many), np.concatenate(3 * alone))


# The network, the frames of its past, and tokens that are not of the past. They are more than a
# block, so that threads share them, except a short past before many other tokens.
READ = [(READS_PAST, 70, STYLE), (ENCODES_PAST, 70, 90), (READS_PAST, 3, 150)]


@pytest.fixture
def given(request):
    """A network, and prompts of some frames and other tokens: tokens and conditions of each row."""
    draw, (config, past, style) = np.random.default_rng(1), request.param
    tokens = draw.integers(2, 98, (ROWS, 2, past * config.past_levels + style)).astype(np.int32)
    tokens[0, :, : 2 * (past // 20 + 1)] = PAD  # frames that do not exist, or hidden tokens
    tokens[1, 0, -2:] = PAD
    time = (ROWS, 2, past + FRAMES)
    beats = draw.uniform(0, 12, time).astype(np.float32)
    sound = draw.random((*time, 3), np.float32)
    conditions = [
        Conditions(beats[row], sound[row]) if config.past_levels else None for row in range(ROWS)
    ]
    return loaded(config), list(zip(tokens, conditions, strict=True))


@pytest.mark.parametrize("given", READ, indirect=True)
def test_prompts_read_in_8_bits_are_those_that_xla_reads(packed_sampler, given):
    from soundstage.stages.depthformer.packed.prompt_readers import XlaReader

    model, rows = given
    with ThreadPoolExecutor(2) as threads:
        expected = XlaReader(model, FRAMES)(rows, threads)
        read = eight_bit_reader(model, 1)(rows, threads)
    for exact in ("mean", "prompt_bias", "frame_bias", "conditions"):
        np.testing.assert_array_equal(getattr(read, exact), getattr(expected, exact))
    # Frames that do not exist are hidden; what they are read as does not matter.
    exists = expected.frame_bias[:, 0, -1, :-FRAMES] > -1e9
    for part in ("keys", "values"):
        ours, theirs = (getattr(reading.prompt, part) for reading in (read, expected))
        np.testing.assert_allclose(ours, theirs, atol=2e-3)
        ours, theirs = (
            getattr(reading.own, part).transpose(0, 3, 1, 2, 4)[:, :-FRAMES][exists]
            for reading in (read, expected)
        )
        np.testing.assert_allclose(ours, theirs, atol=2e-3)
    assert exists.any() == bool(model.config.past_levels)
    assert np.abs(expected.prompt.keys).max() > 0.1


@pytest.mark.parametrize("given", READ, indirect=True)
def test_prompts_are_read_to_the_same_bytes_beside_others_and_on_any_threads(packed_sampler, given):
    model, rows = given
    with ThreadPoolExecutor(3) as threads:
        whole = eight_bit_reader(model, 1)(rows, threads)
        # Alone, a row has fewer prompts than there are threads, which share each.
        alone = [eight_bit_reader(model, 3)([row], threads) for row in rows]
    for ours, theirs in zip(
        jax.tree.leaves(whole),
        map(np.concatenate, zip(*map(jax.tree.leaves, alone), strict=True)),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


def eight_bit_reader(model, threads):
    from soundstage.stages.depthformer.packed.packed_weights import packed_weights
    from soundstage.stages.depthformer.packed.prompt_readers import EightBitReader

    return EightBitReader(model, FRAMES, packed_weights(model.module, "int8"), threads)


def sample(**params):
    return Sample(Sample.Params(weights="random:0", size="tiny", **params), FORMAT, CPU)


def test_stage_says_which_form_of_the_weights_plays(packed_sampler):
    forms = [{}, {"products": "packed"}, {"products": "packed", "dtype": "bfloat16"}]
    stages = [sample(**form) for form in (*forms, {"dtype": "int8"})]
    notes = [stage.weights_note for stage in stages]
    assert notes[1:] == [
        f"{notes[0]}, packed",
        f"{notes[0]}, rounded to bfloat16, packed",
        f"{notes[0]}, rounded to 8 bits, packed",
    ]
    assert len({stage.weights_digest for stage in stages}) == 1


@pytest.mark.parametrize(
    ("dtype", "products", "platform", "activations"),
    [
        ("bfloat16", "packed", "cpu", "float32"),
        ("bfloat16", "auto", "cpu", "bfloat16"),
        ("int8", "auto", "cpu", "float32"),
        ("auto", "packed", "cpu", "float32"),
        ("auto", "auto", "cpu", "float32"),
        ("auto", "fused", "gpu", "bfloat16"),
        ("float32", "auto", "gpu", "float32"),
    ],
)
def test_activations_beside_packed_weights_are_float32(dtype, products, platform, activations):
    assert activation_type(dtype, products, platform) == activations


@pytest.mark.parametrize(
    ("params", "cure"),
    [
        ({"dtype": "int8", "products": "xla"}, 'write products = "auto"'),
        ({"products": "numba"}, "must be one of auto, xla, packed, fused, got 'numba'"),
    ],
)
def test_settings_that_exclude_each_other_are_refused_with_the_cure(params, cure):
    with pytest.raises(ValueError, match=cure):
        sample(**params)


def test_packed_products_need_a_cpu_and_no_function_that_chooses():
    class Accelerator:
        platform = "gpu"

    class Chosen(Sample):
        choose = staticmethod(lambda logits, key: jnp.argmax(logits))

    params = Sample.Params(weights="random:0", size="tiny", products="packed")
    with pytest.raises(ValueError, match='"packed" are for CPUs, not gpu: write products = "auto"'):
        Sample(params, FORMAT, Accelerator())
    with pytest.raises(ValueError, match="packed products do not call choose"):
        Chosen(params, FORMAT, CPU)


def test_without_numba_the_error_names_it_and_the_cure(monkeypatch):
    for name in [
        name for name in sys.modules if "packed_chunk" in name or "soundstage.kernels" in name
    ]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("numba", "llvmlite"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        WeightsError, match=r"need \w+, .* not installed: .*'\.\[cpu\]', or leave out"
    ):
        sample(dtype="int8")
