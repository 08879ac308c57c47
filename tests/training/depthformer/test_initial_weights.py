"""The first weights of the encoder and of style codes, and the weights of frames in the loss."""

from dataclasses import replace

import numpy as np
import pytest
from flax import nnx
from synthetic_tokens import SMALL_FORMAT as FORMAT
from synthetic_tokens import synthetic_pieces

from soundstage.stages.depthformer.config import TINY
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.training.depthformer.examples import ExampleParams, Examples
from soundstage.training.depthformer.initial_weights import (
    load_initial,
    with_fresh_encoder,
    with_quiet_encoder,
    with_style_codebooks,
)
from soundstage.training.depthformer.objective import frame_weights, level_means, surprise

VOCABULARY = Vocabulary.of(FORMAT)
START = load_initial(replace(TINY.fitted(FORMAT), num_encoder_layers=1), "random:0")
PIECES = synthetic_pieces(FORMAT, (0, 1), 20, 5)
BATCH = Examples(PIECES, FORMAT, ExampleParams(rows=4), 0).batch(0)


def nats(state, batch=BATCH):
    return np.asarray(surprise(nnx.merge(START.graph, state), batch))


def test_quiet_encoder_changes_no_output_but_has_gradients():
    other = BATCH._replace(prompt=VOCABULARY.unprompted(BATCH.prompt))
    assert not np.array_equal(nats(START.state), nats(START.state, other))
    quiet = with_quiet_encoder(START.state)
    np.testing.assert_array_equal(nats(quiet), nats(quiet, other))
    graph = START.graph
    gradient = nnx.grad(lambda model: surprise(model, BATCH).mean())(nnx.merge(graph, quiet))
    gradients = [
        np.abs(leaf[...]).max()
        for path, leaf in nnx.to_flat_state(gradient)
        if "encoder_decoder_attention" in path and "out" in path
    ]
    assert gradients
    assert min(gradients) > 0


def test_fresh_encoder_leaves_the_rest_of_the_decoder():
    fresh = with_fresh_encoder(START, 7)
    assert "seed 7" in fresh.note
    changed = {
        path
        for (path, new), (_, old) in zip(
            nnx.to_flat_state(fresh.state), nnx.to_flat_state(START.state), strict=True
        )
        if not np.array_equal(new[...], old[...])
    }
    assert changed
    assert all(path[0] == "encoder" or "encoder_decoder_attention" in path for path in changed)


def test_used_styles_stay_apart_beside_far_unused_codes():
    books = np.full((3, 16, 8), 20.0, np.float32)
    books[:, :4] = np.random.default_rng(1).standard_normal((3, 4, 8)) * 0.2
    state = with_style_codebooks(START.state, VOCABULARY, books, 0)
    table = np.asarray(dict(nnx.to_flat_state(state))[("token_embedder", "embedding")][...])
    rows = table[VOCABULARY.style_offset :][:4]
    assert rows.std(axis=0).mean() > 1
    before = np.asarray(dict(nnx.to_flat_state(START.state))[("token_embedder", "embedding")][...])
    np.testing.assert_array_equal(
        table[: VOCABULARY.style_offset], before[: VOCABULARY.style_offset]
    )


def test_first_frames_weigh_more_and_the_mean_weight_is_1():
    weights = frame_weights(50, 15)
    assert weights.mean() == pytest.approx(1)
    assert weights[0] / weights[-1] == pytest.approx(15, rel=1e-3)
    assert (np.diff(weights) <= 0).all()
    np.testing.assert_array_equal(frame_weights(50, 1), np.ones(50))
    model = nnx.merge(START.graph, START.state)
    expected = (nats(START.state) * frame_weights(4, 9)[None, :, None]).mean(axis=(0, 1))
    np.testing.assert_allclose(level_means(model, BATCH, 1, 9), expected, rtol=1e-5)


def test_later_frames_do_not_see_a_hidden_frame():
    hidden = np.zeros((4, 4), bool)
    hidden[:, 1] = True
    batch = BATCH._replace(hidden=hidden)
    other = batch._replace(codes=batch.codes.copy())
    other.codes[:, 1] = (other.codes[:, 1] + 1) % FORMAT.codebook_size
    np.testing.assert_array_equal(
        nats(START.state, batch)[:, [0, 2, 3]], nats(START.state, other)[:, [0, 2, 3]]
    )
    assert not np.array_equal(nats(START.state, batch)[:, 1], nats(START.state, other)[:, 1])
    assert not np.array_equal(nats(START.state)[:, 2], nats(START.state, batch)[:, 2])


def test_examples_hide_frames_in_the_requested_share():
    params = ExampleParams(rows=50, hidden_share=0.4)
    drawn = Examples(PIECES, FORMAT, params, 0)
    hidden = np.concatenate([drawn.batch(step).hidden for step in range(20)])
    assert 0.15 < hidden.any(axis=1).mean() < 0.4
    assert hidden.mean() == pytest.approx(0.2, abs=0.05)
    assert not Examples(PIECES, FORMAT, ExampleParams(rows=50), 0).batch(0).hidden.any()
