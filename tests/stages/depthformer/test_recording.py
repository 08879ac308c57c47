"""The network against a recording of the original: arrays and tokens."""

import json
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from soundstage.stages.depthformer.choice import (
    Addressed,
    Greedy,
    OwnLevel,
    WholeVocabulary,
    sampled,
)
from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.depthformer.loading import load_depthformer
from soundstage.stages.depthformer.sampler import ChunkSampler
from soundstage.stages.weights.modules import network_of
from soundstage.stages.weights.sources import closing_source

RECORDING = Path(__file__).parents[4] / "shared" / "reference" / "depthformer"
pytestmark = pytest.mark.skipif(
    not RECORDING.is_dir(), reason="the recording of the original is not beside the repository"
)
WHOLE, OWN = WholeVocabulary(), OwnLevel()


@pytest.fixture(scope="module")
def recorded():
    with (
        np.load(RECORDING / "recorded.npz") as few,
        np.load(RECORDING / "recorded_more.npz") as more,
    ):
        return {**few, **more}


@pytest.fixture(scope="module")
def model():
    config = DepthformerConfig.from_json(json.loads((RECORDING / "config.json").read_text()))
    with closing_source(str(RECORDING / "weights.safetensors")) as source:
        return load_depthformer(config, source, None)[0].module


@pytest.fixture(scope="module")
def forced(model, recorded):
    graph, state = nnx.split(model)

    @jax.jit
    def run(state, prompt, targets):
        model = nnx.merge(graph, state)
        encoded = model.encode(prompt)
        passed = model.forced(encoded, prompt, targets)
        normed = passed.normed
        return passed, model.own_level_logits(normed), model.logsumexp(normed)

    tokens = recorded["target_tokens"]
    targets = tokens.reshape(len(tokens), -1, model.config.num_levels)
    return run(state, recorded["encoder_tokens"], targets)


@dataclass(frozen=True)
class OriginalNoise:
    """A chooser that draws the original's threefry noise, as a run with that row alone would.

    The key of the seed is split once a step, and noise is drawn for two rows, of which the first
    counts. Source: the Depthformer numerics spec, "Random numbers".
    """

    def start(self, sampling):
        low = sampling.seed[:, 1]
        words = jnp.stack([jnp.zeros_like(low), low], axis=1)
        return jax.random.wrap_key_data(words, impl="threefry2x32")

    def noise(self, keys, frame, levels, choices):

        def split(keys, _):
            use, following = jnp.split(jax.vmap(jax.random.split)(keys), 2, axis=1)
            return following[:, 0], use[:, 0]

        def drawn(key):
            return jax.random.gumbel(key, (2, choices), jnp.float32)[0]

        following, used = jax.lax.scan(split, keys, length=levels)
        return jax.vmap(jax.vmap(drawn))(used), following

    def choose(self, logits, sampling, noise):
        return sampled(logits, sampling, noise)


def close(result, expected, tolerance):
    result = np.asarray(result).reshape(expected.shape)
    np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("name", "suffix"), [("ctx", ""), ("fresh", "_fresh")])
def test_encoder_agrees_with_the_recording(model, recorded, name, suffix):
    result = np.asarray(jax.jit(model.encode)(recorded[f"encoder_tokens{suffix}"]))
    close(result, recorded[f"encoder_full_{name}"], 2e-5)
    close(result[:, recorded["encoder_out_rows"]], recorded[f"encoder_out{suffix}"], 2e-5)


def test_forced_decoders_agree_with_the_recording(forced, recorded):
    passed, _, _ = forced
    close(passed.temporal, recorded["forced_temporal_decoder"], 1e-4)
    close(passed.depth, recorded["forced_depth_decoder"], 1e-4)
    close(passed.normed, recorded["forced_decoder_norm"], 1e-4)


def test_forced_logits_agree_with_the_recording(model, forced, recorded):
    passed, own, logsumexp = forced
    own = np.asarray(own).reshape(2, 800, -1)
    close(own[:, recorded["logit_steps"]], recorded["own_level_logits"], 2e-4)
    close(logsumexp, recorded["logsumexp"], 2e-5)
    steps = recorded["forced_full_steps"]
    full = model.logits(passed.normed.reshape(2, 800, -1)[:, steps])
    close(full, recorded["forced_full_logits"], 2e-4)
    probe = model.logits(passed.normed)[..., recorded["probe_ids"]]
    close(probe, recorded["forced_probe_logits"], 2e-4)


def decode(model, tokens, guidance, alphabet, chooser, *, frames=50, seed=0, warm=(0.0, 0)):
    rows = len(tokens) // 2 if guidance else len(tokens)
    sampler = ChunkSampler(network_of(model, model.config), frames, alphabet, chooser)
    temperature, top_k = warm
    return sampler(
        tokens[:rows],
        tokens[-rows:],
        np.full(rows, temperature, np.float32),
        np.full(rows, top_k, np.int32),
        np.full(rows, guidance, np.float32),
        np.full(rows, seed, np.int64),
        np.zeros(rows, np.int64),
    ).reshape(rows, -1)


@pytest.mark.parametrize("suffix", ["", "_fresh"])
def test_greedy_codes_of_own_levels_are_the_recorded_ones(model, recorded, suffix):
    tokens = recorded[f"encoder_tokens{suffix}"]
    codes = decode(model, tokens, 5.0, OWN, Addressed())
    ids = codes + 2 + 1024 * (np.arange(800, dtype=np.int32) % 16)
    np.testing.assert_array_equal(ids[0], recorded[f"greedy_own_level_w5{suffix}"][0])
    np.testing.assert_array_equal(codes, decode(model, tokens, 5.0, OWN, Greedy()))


@pytest.mark.parametrize("suffix", ["", "_fresh"])
@pytest.mark.parametrize("guidance", [0.0, 5.0])
def test_greedy_ids_are_the_recorded_ones(model, recorded, suffix, guidance):
    result = decode(model, recorded[f"encoder_tokens{suffix}"], guidance, WHOLE, Greedy())
    expected = recorded[f"greedy_w{guidance:.0f}{suffix}"]
    np.testing.assert_array_equal(result, expected[: len(result)])


def test_sampling_with_top_k_draws_the_recorded_tokens(model, recorded):
    # One call with two rows; the original made each row in a run of its own.
    tokens = recorded["encoder_tokens"], recorded["encoder_tokens_fresh"]
    both = np.stack([tokens[0][0], tokens[1][0], tokens[0][1], tokens[1][1]])
    result = ChunkSampler(network_of(model, model.config), 10, WHOLE, OriginalNoise())(
        both[:2],
        both[2:],
        np.full(2, 1.1, np.float32),
        np.full(2, 40, np.int32),
        np.full(2, 5.0, np.float32),
        np.array([7, 11]),
        np.zeros(2, np.int64),
    ).reshape(2, -1)
    for row, name in enumerate(("key7_ctx", "key11_fresh")):
        expected = recorded[f"sampled_w5_t1.1_k40_{name}_tokens"][0, :160]
        np.testing.assert_array_equal(result[row], expected)


def test_sampling_without_top_k_draws_the_recorded_tokens(model, recorded):
    result = decode(
        model,
        recorded["encoder_tokens"],
        5.0,
        WHOLE,
        OriginalNoise(),
        frames=10,
        seed=3,
        warm=(0.8, 0),
    )
    np.testing.assert_array_equal(
        result[0], recorded["sampled_w5_t0.8_k0_key3_ctx_tokens"][0, :160]
    )


@pytest.mark.parametrize("name", ["eos_id1", "pad_id0"])
def test_mask_ends_a_row_and_pad_does_not(model, recorded, name):
    changed = nnx.clone(model)
    kernel = np.array(model.decoder.logits_dense.kernel[...])
    kernel[:, int(name[-1])] = recorded[f"{name}_column"]
    changed.decoder.logits_dense.kernel[...] = kernel
    result = decode(changed, recorded["encoder_tokens"], 5.0, WHOLE, Greedy(), frames=10)
    np.testing.assert_array_equal(result[0], recorded[f"{name}_greedy_w5_ctx_tokens"][0, :160])
