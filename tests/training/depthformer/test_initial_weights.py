"""The first weights of the encoder and of style codes, and the weights of frames in the loss."""

from dataclasses import replace

import jax
import numpy as np
from flax import nnx
from synthetic_tokens import SMALL_FORMAT as FORMAT
from synthetic_tokens import synthetic_pieces

from soundstage.stages.depthformer.config import TINY
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.training.depthformer.examples import ExampleParams, Examples
from soundstage.training.depthformer.initial_weights import (
    load_initial,
    with_quiet_encoder,
    with_style_codebooks,
)
from soundstage.training.depthformer.objective import surprise

VOCABULARY = Vocabulary.of(FORMAT)
START = load_initial(replace(TINY.fitted(FORMAT), num_encoder_layers=1), "random:0")
PIECES = synthetic_pieces(FORMAT, (0, 1), 20, 5)
BATCH = Examples(PIECES, FORMAT, ExampleParams(rows=4), 0).batch(0)


@jax.jit
def surprises(state, batch):
    return surprise(nnx.merge(START.graph, state), batch)


@jax.jit
def gradients_of_mean(state):
    return jax.grad(lambda state: surprises(state, BATCH).mean())(state)


def nats(state, batch=BATCH):
    return np.asarray(surprises(state, batch))


def test_quiet_encoder_changes_no_output_but_has_gradients():
    other = BATCH._replace(prompt=VOCABULARY.unprompted(BATCH.prompt))
    assert not np.array_equal(nats(START.state), nats(START.state, other))
    quiet = with_quiet_encoder(START.state)
    np.testing.assert_array_equal(nats(quiet), nats(quiet, other))
    gradient = gradients_of_mean(quiet)
    gradients = [
        np.abs(leaf[...]).max()
        for path, leaf in nnx.to_flat_state(gradient)
        if "encoder_decoder_attention" in path and "out" in path
    ]
    assert gradients
    assert min(gradients) > 0


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
