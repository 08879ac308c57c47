"""Top p, min p, the control of repetition, and choices by a function of a subclass."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import soundstage
from soundstage.graph.control import ControlError
from soundstage.graph.format import Format
from soundstage.runners.sessions.controls import complete
from soundstage.stages.depthformer import Sample
from soundstage.stages.depthformer.choice import ByFunction, Greedy
from soundstage.stages.depthformer.config import TINY
from soundstage.stages.depthformer.cuts import keep_likely, keep_nucleus, keep_nucleus_by_rank
from soundstage.stages.depthformer.loading import load_depthformer
from soundstage.stages.depthformer.sampler import ChunkSampler
from soundstage.stages.weights.sources import open_source

FRAMES, CODES, ROWS = 6, 32, 2
CONFIG = replace(TINY, num_levels=2, codebook_size=CODES, vocab_size=128)
CPU = jax.devices("cpu")[0]


@pytest.fixture(scope="module")
def model():
    return load_depthformer(CONFIG, open_source("random:3"), None)[0]


@pytest.fixture(scope="module")
def sampler(model):
    return ChunkSampler(model, FRAMES)


def arguments(temperature=1.1, top_k=0, **choices):
    prompt = np.random.default_rng(0).integers(2, 98, (ROWS, 20)).astype(np.int32)
    return {
        "prompt": prompt,
        "unprompted": prompt[:, ::-1],
        "temperature": np.full(ROWS, temperature, np.float32),
        "top_k": np.full(ROWS, top_k, np.int32),
        "guidance": np.full(ROWS, 2.0, np.float32),
        "seed": np.array([5, 6], np.int64),
        "chunk": np.full(ROWS, 9, np.int64),
        **{name: np.full(ROWS, value, np.float32) for name, value in choices.items()},
    }


def softmax(logits):
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


FLOATS = st.floats(-20, 20, width=32, allow_subnormal=False)
LOGITS = hnp.arrays(np.float32, (2, 9), elements=FLOATS)
nucleus = jax.jit(keep_nucleus)


@settings(max_examples=50, deadline=None)
@given(LOGITS, st.floats(0, 0.984375, width=32, allow_subnormal=False))
@example(np.float32([[0.0] + 8 * [6.8295036e-10], 9 * [6.8295036e-10]]), 0.0)
def test_nucleus_is_the_fewest_likeliest_choices_that_reach_top_p(logits, top_p):
    rows = jnp.asarray([top_p, 1.0], jnp.float32)
    kept = np.asarray(nucleus(jnp.asarray(logits), rows)) == logits
    assert kept[1].all()
    shares = softmax(logits.astype(np.float64))[0]
    assert kept[0, shares.argmax()]
    assert shares[kept[0]].sum() >= top_p - 1e-5
    least = shares[kept[0]].min() * (1 + 1e-6)  # shares that are equal in float32 stay together
    assert (shares[~kept[0]] < least).all()
    # Without the least likely that stay, the others do not reach it.
    assert shares[shares > least].sum() < top_p + 1e-5


@pytest.mark.parametrize(("top_p", "count"), [(0.0, 1), (0.5, 1), (0.51, 3), (0.9999999, 4)])
def test_nucleus_keeps_the_likeliest_ties_and_at_most_everything(top_p, count):
    logits = jnp.log(jnp.asarray([[0.5, 0.2, 0.2, 0.1]]))
    kept = np.asarray(nucleus(logits, jnp.asarray([top_p], jnp.float32))) > -1e6
    assert kept[0].tolist() == [True] * count + [False] * (4 - count)


@settings(max_examples=50, deadline=None)
@given(LOGITS, st.floats(0, 1, width=32, allow_subnormal=False))
def test_accelerators_keep_the_same_nucleus_but_for_rounding(logits, top_p):
    rows = jnp.asarray([top_p, 1.0], jnp.float32)
    searched = np.asarray(nucleus(jnp.asarray(logits), rows)) == logits
    ranked = np.asarray(keep_nucleus_by_rank(jnp.asarray(logits), rows)) == logits
    shares = softmax(logits.astype(np.float64))
    larger = np.where(shares[:, None] > shares[:, :, None], shares[:, None], 0).sum(-1)
    assert ((searched == ranked) | (np.abs(larger - np.asarray(rows)[:, None]) < 1e-5)).all()


def test_min_p_keeps_choices_by_their_share_of_the_likeliest():
    logits = jnp.log(jnp.asarray([[0.5, 0.3, 0.15, 0.05]] * 3))
    kept = np.asarray(keep_likely(logits, jnp.asarray([0.0, 0.29, 1.0]))) > -1e6
    assert kept.sum(-1).tolist() == [4, 3, 1]


def test_settings_that_are_off_give_the_bytes_without_them(sampler):
    plain = sampler(**arguments())
    off = {"top_p": 1.0, "min_p": 0.0, "repetition": 0.0}
    np.testing.assert_array_equal(sampler(**arguments(**off)), plain)
    for setting in ({"top_p": 0.5}, {"min_p": 0.3}, {"repetition": 2.0}):
        assert (sampler(**arguments(**off | setting)) != plain).any()


def test_strictest_cuts_are_greedy(model, sampler):
    greedy = ChunkSampler(model, FRAMES, chooser=Greedy())(**arguments())
    off = {"top_p": 1.0, "min_p": 0.0, "repetition": 0.0}
    for strictest in ({"top_p": 0.0}, {"min_p": 1.0}):
        np.testing.assert_array_equal(sampler(**arguments(**off | strictest)), greedy)


def test_settings_of_a_row_leave_other_rows_alone(sampler):
    values = arguments(top_p=1.0, min_p=0.0, repetition=0.0)
    before = sampler(**values)
    for name, value in (("top_p", 0.3), ("min_p", 0.5), ("repetition", 5.0)):
        changed = values | {name: np.array([values[name][0], value], np.float32)}
        after = sampler(**changed)
        np.testing.assert_array_equal(after[0], before[0])
        assert (after[1] != before[1]).any()


def test_repetition_keeps_each_level_from_choosing_a_code_again(sampler):
    avoided = sampler(**arguments(temperature=0.0, repetition=10.0))
    sought = sampler(**arguments(temperature=0.0, repetition=-10.0))
    for row in range(ROWS):
        for level in range(2):
            assert len(set(avoided[row, :, level])) == FRAMES
            assert len(set(sought[row, :, level])) == 1


def test_own_function_gets_the_key_and_the_logits_of_the_default_choice(model, sampler):
    def categorical(logits, key):
        return jax.random.categorical(key, logits)

    own = ChunkSampler(model, FRAMES, chooser=ByFunction(categorical))
    for values in (arguments(), arguments(top_k=4, top_p=0.8), arguments(temperature=0.0)):
        np.testing.assert_array_equal(own(**values), sampler(**values))


class NotACode(Sample):
    """Returns a logit."""

    @staticmethod
    def choose(logits, key):
        return logits[0]


class BeyondTheCodes(Sample):
    """Returns a code that does not exist."""

    @staticmethod
    def choose(logits, key):
        return logits.size


FORMAT = Format(chunk_s=0.04, context_s=0.04, codec_levels=1, context_levels=1)


def build(cls):
    return cls(Sample.Params(weights="random:0", size="tiny"), FORMAT, CPU)


def test_function_that_returns_no_whole_number_is_refused_when_built():
    with pytest.raises(ValueError, match=r"one whole number, got .* dtype float32"):
        build(NotACode)


def test_function_of_a_subclass_chooses_and_its_codes_are_checked():
    prompt = np.full((ROWS, FORMAT.dims["prompt_token"]), 9, np.int32)
    values = arguments() | {"prompt": prompt, "unprompted": prompt}
    with pytest.raises(ValueError, match="1024"):
        build(BeyondTheCodes)(**{name: value[:1] for name, value in values.items()})


def test_control_of_an_unwired_input_is_refused_with_its_wiring():
    cure = r"--set sample\.inputs\.top_p=in\.top_p --set inputs\.top_p=VALUE$"
    with pytest.raises(ControlError, match=cure):
        complete(soundstage.load("tiny"), {"top_p": 0.9}, {})
    settings = ["sample.inputs.top_p=in.top_p", "inputs.top_p=0.5"]
    assert complete(soundstage.load("tiny", settings=settings), {}, {})["top_p"] == 0.5
