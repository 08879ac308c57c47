"""MusicCoCa's embedder: what its files compute, whatever was computed before or beside it."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from musiccoca_models import (
    NONE,
    ONE,
    TINY_FORMAT,
    build,
    embed_clips,
    embed_rows,
    embed_texts,
    recorded,
    tiny_texts,
)

from soundstage.stages.musiccoca import Embed
from soundstage.stages.musiccoca.embed import CACHED_PROMPTS
from soundstage.stages.style.prompts import LONGEST_TEXT_CHARACTERS, blend

pytest.importorskip("ai_edge_litert")
RECORDED = recorded()
TEXTS = tiny_texts()
CLIPS = RECORDED["clips"]
CLIP_SAMPLES = TINY_FORMAT.dims["clip_sample"]
THREADS = 8


@pytest.fixture(scope="module")
def embed():
    return build(Embed)


def assert_near(result: np.ndarray, expected: np.ndarray) -> None:
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5)


# ---- results


def test_texts_and_clips_become_the_recorded_embeddings(embed):
    assert_near(embed_texts(embed, TEXTS), RECORDED["text_embeddings"])
    assert_near(embed_clips(embed, CLIPS), RECORDED["clip_embeddings"])


@pytest.mark.parametrize("seed", [0, 7])
def test_mapper_maps_texts_and_leaves_clips_alone(embed, seed):
    mapped = build(Embed, mapper=True, mapper_seed=seed)
    assert_near(embed_texts(mapped, TEXTS), RECORDED[f"mapped_seed{seed}"])
    np.testing.assert_array_equal(embed_clips(mapped, CLIPS), embed_clips(embed, CLIPS))


def test_prompts_blend_by_weight_without_normalising(embed):
    weights = np.array([1, 3], np.float32), np.array([0.5], np.float32)
    blended = embed([TEXTS[:2]], weights[:1], [CLIPS[:1]], weights[1:])["embedding"]
    prompts = np.concatenate([embed_texts(embed, TEXTS[:2]), embed_clips(embed, CLIPS[:1])])
    np.testing.assert_array_equal(blended[0], blend(prompts, np.concatenate(weights)))


# ---- texts


def test_letter_case_makes_no_difference(embed):
    lower, mixed = embed_texts(embed, ["jazz trio, été", "JAZZ Trio, ÉTÉ"])
    np.testing.assert_array_equal(lower, mixed)


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t", "🎹🔥 ♫", "音楽 موسيقى", "a\0b", "\ud800 pads", "İ", "ﬁ" * 500]
)
def test_any_text_has_an_embedding(embed, text):
    assert np.all(np.isfinite(embed_texts(embed, [text])))


def test_end_of_a_long_text_is_ignored(embed):
    long = "soft strings " * 50
    first, second, other = embed_texts(embed, [long, long + "hard kick", "hard kick " + long])
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_order_and_length_make_a_difference(embed):
    embeddings = embed_texts(embed, ["warm pads", "pads warm", "warm pads warm pads", ""])
    assert all(not np.allclose(one, other, atol=1e-3) for one, other in pairwise(embeddings))


# ---- clips


@pytest.mark.parametrize("amplitude", [0.0, 1e-9, 1.0, 64.0])
def test_clips_of_any_loudness_have_an_embedding(embed, amplitude):
    clip = np.full(CLIP_SAMPLES, amplitude, np.float32)
    assert np.all(np.isfinite(embed_clips(embed, [clip, -clip])))


def test_clips_with_different_ends_have_different_embeddings(embed):
    ending = CLIPS[0].copy()
    ending[-100:] = 0
    first, second = embed_clips(embed, [CLIPS[0], ending])
    assert not np.array_equal(first, second)


# ---- refusals


@pytest.mark.parametrize(
    ("texts", "text_weights", "clips", "clip_weights", "reason"),
    [
        ([], NONE, CLIPS[:0], NONE, "there is no prompt"),
        (["x"], NONE, CLIPS[:0], NONE, "1 text prompts have 0 weights"),
        (["x"], -ONE, CLIPS[:0], NONE, "0 or more"),
        (["x"], 0 * ONE, CLIPS[:0], NONE, "all prompt weights are zero"),
        (["x" * (LONGEST_TEXT_CHARACTERS + 1)], ONE, CLIPS[:0], NONE, "shorten it"),
        ([], NONE, CLIPS[:1] * np.float32(np.nan), ONE, "not finite"),
    ],
)
def test_unusable_prompts_are_refused_with_row_and_reason(
    embed, texts, text_weights, clips, clip_weights, reason
):
    with pytest.raises(ValueError, match=f"row 1: .*{reason}"):
        embed([["fine"], texts], [ONE, text_weights], [CLIPS[:0], clips], [NONE, clip_weights])
    values = (texts, text_weights, clips, clip_weights, None, None)
    assert reason in Embed.refusal(dict(zip(Embed.inputs, values, strict=True)))


# ---- purity


def mixed_rows(seed: int, rows: int = 6) -> list:
    random = np.random.default_rng(seed)
    return [
        (list(random.choice(TEXTS, 1 + n % 3)), CLIPS[random.integers(0, 3, n % 2)])
        for n in range(rows)
    ]


def test_rows_do_not_see_each_other(embed):
    rows = mixed_rows(1)
    together = embed_rows(embed, rows)
    for row, expected in zip(rows, together, strict=True):
        np.testing.assert_array_equal(embed_rows(embed, [row])[0], expected)
    np.testing.assert_array_equal(embed_rows(embed, rows[::-1]), together[::-1])


def test_earlier_calls_make_no_difference():
    prompts = [f"{word} {n}" for n in range(CACHED_PROMPTS) for word in ("warm", "hard")]
    used, fresh = build(Embed), build(Embed)
    first = embed_texts(used, prompts)  # more than the cache holds
    np.testing.assert_array_equal(embed_texts(used, prompts), first)
    np.testing.assert_array_equal(embed_texts(used, prompts[::-1]), first[::-1])
    np.testing.assert_array_equal(embed_texts(fresh, prompts[-3:]), first[-3:])


def test_overwritten_result_does_not_change_the_next_one(embed):
    first = embed_texts(embed, ["soft strings"])
    before = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(embed_texts(embed, ["soft strings"]), before)


def test_concurrent_calls_return_what_single_calls_return(embed):
    requests = [mixed_rows(seed) for seed in range(10 * THREADS)]
    alone = [embed_rows(embed, rows) for rows in requests]
    # An empty cache, so that the threads meet inside the graphs.
    shared = build(Embed)
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(lambda rows: embed_rows(shared, rows), requests))
        new_texts = [f"{text} {n}" for n in range(40) for text in TEXTS]
        uncached = list(pool.map(lambda text: embed_texts(shared, [text])[0], new_texts))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(embed_texts(embed, new_texts), uncached)
