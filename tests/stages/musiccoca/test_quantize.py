"""MusicCoCa's quantizer: its tokens, and files that do not fit the music format."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from musiccoca_models import TINY_FORMAT, build, recorded, tokens_of

from soundstage.stages.musiccoca import Quantize
from soundstage.stages.weights.array_source import WeightsError

pytest.importorskip("ai_edge_litert")
RECORDED = recorded()
LEVELS = TINY_FORMAT.style_levels


@pytest.fixture(scope="module")
def quantize():
    return build(Quantize)


def vectors(count: int, seed: int = 0) -> np.ndarray:
    shape = (count, TINY_FORMAT.style_dim)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("kind", ["text", "clip"])
def test_embeddings_become_the_nearest_codes_of_the_residual(quantize, kind):
    tokens = tokens_of(quantize, RECORDED[f"{kind}_embeddings"])
    assert tokens.dtype == np.int32
    np.testing.assert_array_equal(tokens, RECORDED[f"{kind}_tokens"])


def test_rows_do_not_see_each_other(quantize):
    embeddings = vectors(9)
    together = tokens_of(quantize, embeddings)
    np.testing.assert_array_equal(tokens_of(quantize, embeddings[::-1]), together[::-1])
    for embedding, tokens in zip(embeddings, together, strict=True):
        np.testing.assert_array_equal(tokens_of(quantize, embedding[None])[0], tokens)


def test_concurrent_calls_return_what_single_calls_return(quantize):
    embeddings = vectors(400)
    alone = tokens_of(quantize, embeddings)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda row: tokens_of(quantize, row[None])[0], embeddings))
    np.testing.assert_array_equal(alone, together)


def test_format_with_fewer_levels_gets_the_first_levels(quantize):
    few = build(Quantize, format=replace(TINY_FORMAT, style_levels=6))
    embeddings = vectors(5)
    np.testing.assert_array_equal(
        tokens_of(few, embeddings), tokens_of(quantize, embeddings)[:, :6]
    )


def test_format_with_more_levels_is_refused():
    with pytest.raises(WeightsError, match=f"returns {LEVELS} int32 where style_levels = 13"):
        build(Quantize, format=replace(TINY_FORMAT, style_levels=13))


def test_format_with_another_width_is_refused():
    with pytest.raises(WeightsError, match=r"takes 32 float32 where .* need 768 float32"):
        build(Quantize, format=replace(TINY_FORMAT, style_dim=768))


def test_token_beyond_the_codebook_size_is_refused():
    small = build(Quantize, format=replace(TINY_FORMAT, codebook_size=8))
    with pytest.raises(ValueError, match=r"outside \[0, 8\)"):
        tokens_of(small, RECORDED["text_embeddings"])
