"""Networks that read the past and the beat in their temporal decoder."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from soundstage.graph.format import Format
from soundstage.stages.depthformer import Sample, SampleOnBeat
from soundstage.stages.depthformer.choice import Greedy
from soundstage.stages.depthformer.conditions import FREE, Conditions, feature_count, features
from soundstage.stages.depthformer.config import TINY
from soundstage.stages.depthformer.loading import load_depthformer
from soundstage.stages.depthformer.sampler import ChunkSampler
from soundstage.stages.depthformer.stage import SampleParams
from soundstage.stages.depthformer.vocabulary import CODEC_OFFSET, MASK, PAD
from soundstage.stages.weights.modules import network_of
from soundstage.stages.weights.sources import open_source

PAST, FRAMES, LEVELS, PAST_LEVELS, CODES, STYLE = 6, 4, 3, 2, 32, 3
CONFIG = replace(
    TINY,
    num_levels=LEVELS,
    codebook_size=CODES,
    vocab_size=128,
    past_levels=PAST_LEVELS,
    temporal_buckets=32,
    depth_buckets=4,
)
ROWS = 2


@pytest.fixture(scope="module")
def model():
    return load_depthformer(CONFIG, open_source("random:3"), None)[0].module


@nnx.jit
def forced(model, style, frames, given):
    """The outputs of the temporal decoder, teacher-forced."""
    return model.forced_sequence(model.encode(style), style, frames, given)


@nnx.jit
def own_logits(model, temporal, frames):
    return model.own_level_logits(model.forced_depth(temporal, frames)[1])


def ids(frames: int, levels: int, seed: int) -> np.ndarray:
    codes = np.random.default_rng(seed).integers(CODES, size=(ROWS, frames, levels))
    return (codes + CODEC_OFFSET + CODES * np.arange(levels)).astype(np.int32)


def conditions(seed: int = 0) -> Conditions:
    draw = np.random.default_rng(seed)
    shape = (ROWS, PAST + FRAMES)
    return Conditions(
        draw.uniform(0, 12, shape).astype(np.float32),
        draw.uniform(0, 1, (*shape, 3)).astype(np.float32),
    )


def prompts(past: np.ndarray) -> np.ndarray:
    style = np.full((ROWS, STYLE), CODEC_OFFSET + LEVELS * CODES + 5, np.int32)
    return np.concatenate([past.reshape(ROWS, -1), style], axis=1)


def sample(model, prompt, given: Conditions) -> np.ndarray:
    one = np.ones(ROWS, np.float32)
    sampler = ChunkSampler(network_of(model, model.config), FRAMES, chooser=Greedy())
    return sampler(prompt, prompt, one, 0 * one, 0 * one, one, one, (given, given))


@pytest.mark.parametrize("known", [0, 1, 4, PAST])
def test_sampled_codes_are_the_likeliest_of_a_teacher_forced_pass(model, known):
    past = ids(PAST, PAST_LEVELS, 1)
    past[:, : PAST - known] = PAD
    prompt, given = prompts(past), conditions()
    codes = sample(model, prompt, given)
    # The forced pass starts with the first known frame: no other frame exists.
    chunk = codes + CODEC_OFFSET + CODES * np.arange(LEVELS)
    # Only the first levels of the past are known; no frame reads the others.
    whole = np.concatenate([ids(PAST, LEVELS, 2), chunk], axis=1)[:, PAST - known :]
    whole[:, :known, :PAST_LEVELS] = past[:, PAST - known :]
    rest = Conditions(given.beats[:, PAST - known :], given.sound[:, PAST - known :])
    style = jnp.asarray(prompt[:, -STYLE:])
    temporal = forced(model, style, jnp.asarray(whole), rest)
    likeliest = np.argmax(own_logits(model, temporal, jnp.asarray(whole)), axis=-1)
    np.testing.assert_array_equal(codes, likeliest[:, known:])


def test_every_condition_and_every_known_frame_counts(model):
    past, given = ids(PAST, PAST_LEVELS, 1), conditions()
    style = jnp.asarray(prompts(past)[:, -STYLE:])
    frames = jnp.asarray(ids(PAST + FRAMES, LEVELS, 1))
    base = forced(model, style, frames, given)
    for beats, sound in (
        (given.beats + 0.5, given.sound),
        (given.beats, given.sound * np.float32([0.5, 1, 1])),
        (given.beats, given.sound * np.float32([1, 1, 0.5])),
    ):
        other = forced(model, style, frames, Conditions(beats, sound))
        assert np.abs(other - base).max() > 1e-3
    changed = frames.at[:, 2, 0].set(CODEC_OFFSET)
    other = forced(model, style, changed, given)
    # A frame changes itself in no way, and every frame behind it.
    np.testing.assert_array_equal(other[:, :3], base[:, :3])
    assert (np.abs(other - base)[:, 3:].max(axis=-1) > 1e-6).all()


def test_features_of_free_conditions_are_zero_and_beats_repeat_after_a_cycle():
    free = Conditions(np.full((1, 2), FREE, np.float32), np.full((1, 2, 3), FREE, np.float32))
    assert not np.asarray(features(free)).any()
    assert features(free).shape == (1, 2, feature_count())
    sound = np.zeros((1, 2, 3), np.float32)
    beats = Conditions(np.array([[0.25, 12.25]], np.float32), sound)
    np.testing.assert_allclose(*np.asarray(features(beats))[0], atol=1e-4)
    # The first wave is a bar of 4 beats, the fourth a beat.
    half_bar = np.asarray(features(Conditions(np.array([[2.0]], np.float32), sound[:, :1])))[0, 0]
    np.testing.assert_allclose(half_bar[8 + 0], -1, atol=1e-5)  # its cosine
    np.testing.assert_allclose(half_bar[8 + 3], 1, atol=1e-5)


def test_each_size_names_the_stage_that_it_needs():
    device = jax.devices("cpu")[0]
    with pytest.raises(ValueError, match="'demo' need the stage SampleOnBeat"):
        Sample(SampleParams("random:0", "demo"), Format(), device)
    with pytest.raises(ValueError, match=r"'tiny' need the stage Sample$"):
        SampleOnBeat(SampleParams("random:0", "tiny"), Format(), device)


@pytest.fixture(scope="module")
def played():
    """The stage, as a function of what guidance may steer towards; returns the tokens' bytes."""
    device, form = jax.devices("cpu")[0], Format(chunk_s=0.4, context_s=0.8)
    stage = SampleOnBeat(SampleParams("random:1", "demo"), form, device)
    masked = np.full((1, form.dims["prompt_token"]), PAD, np.int32)
    masked[:, -6:] = MASK
    window = form.dims["window_frame"]

    def play(guidance: float, style: int = MASK, beat: float = FREE, sound: float = FREE) -> bytes:
        prompt = masked.copy()
        prompt[:, -6:] = style
        return stage(
            prompt=prompt,
            unprompted=masked,
            beats=np.full((1, window), beat, np.float32),
            sound=np.full((1, 3), sound, np.float32),
            temperature=np.ones(1, np.float32),
            top_k=np.zeros(1, np.int32),
            guidance=np.full(1, guidance, np.float32),
            seed=np.ones(1, np.int64),
            chunk=np.ones(1, np.int64),
        )["tokens"].tobytes()

    return play


def test_same_inputs_give_the_same_codes_and_sound_counts(played):
    assert played(0) == played(0)
    assert played(0) != played(0, sound=0.5)


@pytest.mark.parametrize("asked", [{"style": 20_000}, {"beat": 2.5}, {"sound": 0.5}])
def test_guidance_steers_away_from_masked_style_free_beats_and_free_sound(played, asked):
    assert played(0, **asked) != played(3, **asked)


def test_guidance_changes_nothing_where_nothing_is_asked(played):
    assert played(0) == played(3)
