"""Embedding of packed conditionings, each distinct one once."""

import jax
import numpy as np
import pytest

from soundstage.stages.magenta_rt2.condition_embedder import ConditionEmbedder
from soundstage.stages.magenta_rt2.config import config_of_size
from soundstage.stages.magenta_rt2.loading import load_magenta_rt2
from soundstage.stages.weights.sources import open_source


@pytest.fixture(scope="module")
def model():
    return load_magenta_rt2(config_of_size("tiny"), open_source("random:0"), None)[0]


@pytest.fixture(scope="module")
def packed(model):
    """Conditionings of 5 rows of 4 frames, all different."""
    draw = np.random.default_rng(0)
    style, others = draw.integers(0, 1024, (5, 4, 12)), draw.integers(-1, 2, (5, 4, 132))
    numbers = np.concatenate([style, others], axis=2).astype(np.int32)
    return ConditionEmbedder(model).bytes.pack(numbers)


def test_embeddings_are_those_of_the_encoder(model, packed):
    embedder = ConditionEmbedder(model)
    found = embedder(packed, {})
    assert found.dtype == np.float32
    numbers = embedder.bytes.unpack(packed.reshape(20, -1))
    expected = jax.jit(model.encoder)(numbers)
    np.testing.assert_allclose(found.reshape(20, -1), expected, atol=1e-5)


def test_embedding_does_not_depend_on_the_other_rows_and_frames(model, packed):
    embedder = ConditionEmbedder(model)
    whole = embedder(packed, {})
    for row in range(5):
        for frame in range(4):
            alone = embedder(packed[row : row + 1, frame : frame + 1], {})
            assert alone.tobytes() == whole[row, frame].tobytes()


def test_unknown_conditioning_is_zeros_and_a_known_one_is_not_made_again(model, packed):
    embedder = ConditionEmbedder(model)
    given = packed.copy()
    given[0, 0] = 0
    known = {packed[1, 2].tobytes(): np.full(24, 7, np.float32)}
    found = embedder(given, known)
    assert not found[0, 0].any()
    assert (found[1, 2] == 7).all()
    np.testing.assert_array_equal(found[2:], embedder(packed, {})[2:])
