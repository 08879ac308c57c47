"""Training runs that learn a rule in seconds, and the sampling of what they learned."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from flax import nnx
from synthetic_tokens import SMALL_FORMAT as FORMAT
from synthetic_tokens import rule, synthetic_pieces

from soundstage.graph.format import Format
from soundstage.stages.depthformer import SampleOnBeat
from soundstage.stages.depthformer.config import DEMO, TINY
from soundstage.stages.depthformer.loading import load_depthformer
from soundstage.stages.depthformer.model import Depthformer
from soundstage.stages.depthformer.sampler import ChunkSampler
from soundstage.stages.depthformer.stage import SampleParams
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.stages.weights.sources import open_source
from soundstage.training.depthformer.examples import ExampleParams, Examples
from soundstage.training.depthformer.export import export
from soundstage.training.depthformer.fitting import FitParams, best_weights, fit
from soundstage.training.depthformer.initial_weights import load_initial, with_codebooks
from soundstage.training.depthformer.objective import (
    groups,
    level_means,
    level_weights,
    make_loss,
    surprise,
)
from soundstage.training.loop import Budget
from soundstage.training.optimizer import OptimizerParams, start
from soundstage.training.progress import SilentProgress

VOCABULARY = Vocabulary.of(FORMAT)
CONFIG = replace(TINY.fitted(FORMAT), num_encoder_layers=1, num_temporal_layers=1)
PERIOD, STYLES = 5, (0, 1, 2)
PIECES = synthetic_pieces(FORMAT, STYLES, 40, PERIOD)
PARAMS = FitParams(
    ExampleParams(rows=16, fresh_share=0.15, forgetful_share=0.1, noisy_share=0.0),
    OptimizerParams(rate=5e-3, warmup_steps=10, schedule_steps=120, average_decay=0.9),
    validate_steps=40,
    validate_batches=2,
)


def initial(seed=0):
    return load_initial(CONFIG, f"random:{seed}")


def fitted(run, steps, params=PARAMS):
    return fit(initial(), PIECES, FORMAT, params, Budget(steps=steps), run, 0, SilentProgress)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    return run, fitted(run, 120)


def test_loss_falls_on_held_out_pieces(learned):
    _, result = learned
    losses = [check.metrics["loss"] for check in result.validations]
    assert [check.step for check in result.validations] == [0, 40, 80, 120]
    assert losses[-1] < 0.1 < np.log(FORMAT.codebook_size) < losses[0]


def test_loss_is_higher_without_the_style(learned):
    _, result = learned
    last = result.validations[-1].metrics
    assert last["without_style"] > last["loss"]


def test_sampler_follows_the_rule_of_style_and_past(learned, tmp_path):
    _, result = learned
    path = tmp_path / "learned.safetensors"
    export(initial().graph, result.state, VOCABULARY, path, {})
    model = load(path)
    sampler = ChunkSampler(model, FORMAT.dims["frame"])
    frames, levels = FORMAT.dims["context_frame"], FORMAT.dims["level"]
    past = [rule(style, frames + 4, levels, PERIOD) for style in STYLES]
    nothing = np.full((len(STYLES), frames, levels), -1)
    for context in (np.stack([codes[:frames] for codes in past]).astype(np.int32), nothing):
        style = np.repeat(np.array(STYLES)[:, None], FORMAT.style_levels, axis=1)
        prompt = VOCABULARY.pack(context, style)
        codes = sampler(
            prompt,
            VOCABULARY.unprompted(prompt),
            temperature=np.zeros(len(STYLES)),
            top_k=np.zeros(len(STYLES), int),
            guidance=np.full(len(STYLES), 1.0),
            seed=np.zeros(len(STYLES), int),
            chunk=np.zeros(len(STYLES), int),
        )
        for row, style in enumerate(STYLES):
            steps = rule(style, frames + PERIOD + 4, levels, PERIOD)
            if context is nothing:  # any phase of the rule will do
                phases = [steps[phase : phase + 4] for phase in range(PERIOD)]
                assert any(np.array_equal(codes[row], phase) for phase in phases)
            else:
                np.testing.assert_array_equal(codes[row], steps[frames : frames + 4])


def load(path):
    return load_depthformer(CONFIG, open_source(str(path)), None)[0]


def test_exported_network_has_the_surprise_of_the_trained_one(learned, tmp_path):
    _, result = learned
    path = tmp_path / "learned.safetensors"
    export(initial().graph, result.state, VOCABULARY, path, {"made by": "a test"})
    batch = Examples(PIECES, FORMAT, PARAMS.examples, 5).batch(0)
    graph = initial().graph
    measure = jax.jit(lambda state: surprise(nnx.merge(graph, state), batch))
    trained, exported = measure(result.state), measure(nnx.state(load(path).module))
    np.testing.assert_allclose(exported, trained, atol=0.02)


@pytest.mark.slow
def test_resumed_run_equals_an_uninterrupted_one(learned, tmp_path):
    run, whole = learned
    fitted(tmp_path, 50)
    resumed = fitted(tmp_path, 120)
    for left, right in zip(
        jax.tree.leaves(whole.state), jax.tree.leaves(resumed.state), strict=True
    ):
        np.testing.assert_array_equal(left, right)
    assert (tmp_path / "metrics.csv").read_text().count("\n") == (
        (run / "metrics.csv").read_text().count("\n")
    )


def test_run_without_improvement_stops_with_the_best_weights(tmp_path):
    # The held-out pieces follow another rule: learning makes the loss on them worse.
    other = [
        replace(piece, tokens=(15 - piece.tokens).astype(np.int16))
        for piece in PIECES
        if piece.split == "heldout"
    ]
    pieces = [piece for piece in PIECES if piece.split == "train"] + other
    params = replace(PARAMS, validate_steps=15, patience=2)
    result = fit(initial(), pieces, FORMAT, params, Budget(steps=120), tmp_path, 0, SilentProgress)
    losses = [check.metrics["loss"] for check in result.validations]
    assert result.position.step < 120
    assert len(losses) - 1 - int(np.argmin(losses)) == 2
    checked = best_weights(start(initial().state, params.optimizer), tmp_path)
    for left, right in zip(jax.tree.leaves(checked), jax.tree.leaves(result.state), strict=True):
        np.testing.assert_array_equal(left, right)


def test_training_starts_from_given_weights(learned, tmp_path):
    _, result = learned
    path = tmp_path / "learned.safetensors"
    export(initial().graph, result.state, VOCABULARY, path, {})
    again = load_initial(CONFIG, str(path))
    assert again.note == "learned.safetensors"
    loss = jax.jit(make_loss(again.graph, 3, 0.3))
    batch = Examples(PIECES, FORMAT, replace(PARAMS.examples, style_dropout=0), 5).batch(0)
    assert loss(again.state, batch)[0] < 0.5 < loss(initial().state, batch)[0]


@pytest.mark.slow
def test_bfloat16_activations_train_float32_weights():
    rounded = load_initial(replace(CONFIG, activation_dtype="bfloat16"), "random:0")
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(rounded.state)} == {"float32"}
    batch = Examples(PIECES, FORMAT, PARAMS.examples, 5).batch(0)
    loss = make_loss(rounded.graph, 3, 0.3)
    (value, _), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(rounded.state, batch)
    plain = jax.jit(make_loss(initial().graph, 3, 0.3))(rounded.state, batch)[0]
    assert float(value) == pytest.approx(float(plain), abs=0.1)
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(gradients))


def test_probabilities_sum_to_1_within_a_level():
    model = Depthformer(CONFIG, nnx.Rngs(0))
    batch = Examples(PIECES, FORMAT, PARAMS.examples, 5).batch(0)
    row, frame, level = 3, 2, 1
    graph, state = nnx.split(model)
    measure = jax.jit(lambda batch: surprise(nnx.merge(graph, state), batch))
    nats, every = measure(batch), []
    for code in range(FORMAT.codebook_size):
        codes = batch.codes.copy()
        codes[row, frame, level] = code
        every.append(float(measure(batch._replace(codes=codes))[row, frame, level]))
    assert nats.shape == batch.codes.shape
    assert np.exp(-np.array(every)).sum() == pytest.approx(1, abs=1e-4)


def test_level_means_cover_all_frames_or_some_for_fine_levels():
    deep = Format(chunk_s=0.16, context_s=0.32, codec_levels=6, context_levels=2, codebook_size=16)
    model = Depthformer(replace(TINY.fitted(deep), num_encoder_layers=1), nnx.Rngs(0))
    pieces = synthetic_pieces(deep, (0, 1), 20, PERIOD)
    batch = Examples(pieces, deep, ExampleParams(rows=2), 0).batch(3)
    nats = np.array(nnx.jit(surprise)(model, batch))  # [row, frame, level]
    means = nnx.jit(level_means, static_argnums=2)
    np.testing.assert_allclose(means(model, batch, 1), nats.mean(axis=(0, 1)), rtol=1e-5)
    some = means(model, batch, 2)
    np.testing.assert_allclose(some[:4], nats[:, :, :4].mean(axis=(0, 1)), rtol=1e-5)
    np.testing.assert_allclose(some[4:], nats[:, 1::2, 4:].mean(axis=(0, 1)), rtol=1e-5)


def test_coarse_levels_weigh_more_and_groups_cover_all_levels():
    weights = level_weights(16, 0.25)
    assert weights.mean() == pytest.approx(1)
    assert weights[15] / weights[0] == pytest.approx(0.25)
    assert (np.diff(weights) < 0).all()
    covered = [level for group in groups(16).values() for level in range(16)[group]]
    assert covered == list(range(16))
    assert list(groups(3)) == ["level_0", "levels_1_to_2"]


def test_similar_codes_start_with_similar_embeddings():
    codec = np.random.default_rng(0).standard_normal((3, 16, 6), np.float32)
    codec *= np.array([1, 0.5, 0.25], np.float32)[:, None, None]
    codec[1, 4] = codec[1, 5] + 0.01
    style = np.random.default_rng(1).standard_normal((3, 16, 8), np.float32)
    before = initial().state
    after = with_codebooks(initial().state, VOCABULARY, codec, style, 0)
    table = np.array(after["token_embedder"]["embedding"][...])
    codes = VOCABULARY.codec_ids(np.tile(np.arange(16)[:, None], 3))  # [code, level]
    distance = np.linalg.norm(table[codes[4, 1]] - table[codes[:, 1]], axis=1)
    assert np.argsort(distance)[1] == 5
    sizes = [table[codes[:, level]].std() for level in range(3)]
    assert sizes[0] > sizes[1] > sizes[2], "the third level's codes are the smallest"
    untouched = np.array(before["token_embedder"]["embedding"][...])
    np.testing.assert_array_equal(table[:2], untouched[:2])
    assert jax.tree.structure(after) == jax.tree.structure(before)


def test_stage_loads_an_exported_demo_network(tmp_path):
    whole = Format()
    demo = load_initial(DEMO.fitted(whole), "random:0")
    path = tmp_path / "demo.safetensors"
    export(demo.graph, demo.state, Vocabulary.of(whole), path, {})
    assert path.stat().st_size < 26e6
    stage = SampleOnBeat(SampleParams(str(path), "demo"), whole, jax.devices("cpu")[0])
    assert stage.weights_note == "demo.safetensors"
