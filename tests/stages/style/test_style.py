"""The random embedder, and the rules of blending and refusing that all embedders share."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.graph.format import Format
from soundstage.stages.style.prompts import LONGEST_TEXT_CHARACTERS, blend
from soundstage.stages.style.stage import Embed
from soundstage.stages.weights.array_source import WeightsError

FORMAT = Format(style_dim=64, clip_s=1.0)
CLIP_SAMPLES = FORMAT.dims["clip_sample"]
NO_CLIPS = np.zeros((0, CLIP_SAMPLES), np.float32)
VECTOR = np.linspace(-1, 2, FORMAT.style_dim, dtype=np.float32)


def build(format: Format = FORMAT, weights: str = "random:0") -> Embed:
    return Embed(Embed.Params(weights), format, jax.devices("cpu")[0])


@pytest.fixture(scope="module")
def embed() -> Embed:
    return build()


def noise(seed: int, clips: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (0.1 * random.standard_normal((clips, CLIP_SAMPLES))).astype(np.float32)


def tone(frequency_hz: float) -> np.ndarray:
    time_s = np.arange(CLIP_SAMPLES) / FORMAT.clip_rate_hz
    return (0.3 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)[None]


def embedding(embed, texts=(), text_weights=None, clips=NO_CLIPS, clip_weights=None) -> np.ndarray:
    text_weights = [1.0] * len(texts) if text_weights is None else text_weights
    clip_weights = [1.0] * len(clips) if clip_weights is None else clip_weights
    weights = [np.asarray(w, np.float32) for w in (text_weights, clip_weights)]
    return embed([list(texts)], [weights[0]], [clips], [weights[1]])["embedding"][0]


def values(
    texts=(), text_weights=(), clips=NO_CLIPS, clip_weights=(), styles=(), style_weights=()
) -> dict:
    return {
        "texts": list(texts),
        "text_weights": text_weights,
        "clips": clips,
        "clip_weights": clip_weights,
        "styles": styles,
        "style_weights": style_weights,
    }


# ---- single prompts


def test_single_prompt_is_a_unit_vector_whatever_its_weight(embed):
    for vector in (embedding(embed, ["warm pads"], [0.25]), embedding(embed, clips=noise(1))):
        assert vector.dtype == np.float32
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(
        embedding(embed, ["warm pads"], [0.3]), embedding(embed, ["warm pads"], [7])
    )


def test_letter_case_and_blanks_make_no_difference(embed):
    np.testing.assert_array_equal(
        embedding(embed, ["  Warm  PADS\n"]), embedding(embed, ["warm pads"])
    )


def test_texts_with_common_words_lie_nearer_than_others(embed):
    pads, darker, other = (embedding(embed, [t]) for t in ("warm pads", "dark pads", "jazz trio"))
    assert pads @ darker > pads @ other + 0.2


def test_empty_text_and_silent_clip_have_an_embedding(embed):
    for vector in (
        embedding(embed, [""]),
        embedding(embed, clips=np.zeros_like(NO_CLIPS, shape=(1, CLIP_SAMPLES))),
    ):
        assert np.all(np.isfinite(vector))
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


@settings(max_examples=30)
@given(text=st.text(max_size=60))
def test_any_text_has_a_finite_embedding(embed, text):
    assert np.linalg.norm(embedding(embed, [text])) == pytest.approx(1, abs=1e-5)


def test_similar_clips_lie_nearer_than_different_clips(embed):
    hiss, hiss_again = (embedding(embed, clips=noise(seed)) for seed in (1, 2))
    low = embedding(embed, clips=tone(200))
    high = embedding(embed, clips=tone(3000))
    assert hiss @ hiss_again > 0.99
    assert hiss @ low < 0.97
    assert low @ high < 0.97


def test_clip_shorter_than_a_window_has_an_embedding():
    short = build(Format(clip_s=0.01))
    clip = np.ones((1, 160), np.float32)
    vector = short([[]], [np.zeros(0, np.float32)], [clip], [np.ones(1, np.float32)])["embedding"]
    assert np.all(np.isfinite(vector))


def test_other_seed_gives_other_weights_and_embeddings():
    first, second = build(), build(weights="random:1")
    assert first.weights_digest != second.weights_digest
    assert "random" in first.weights_note
    assert "seed 1" in second.weights_note
    assert abs(embedding(first, ["a drum"]) @ embedding(second, ["a drum"])) < 0.6


@pytest.mark.parametrize("weights", ["musiccoca", "./style.safetensors", "", "Random:1"])
def test_weights_other_than_random_are_refused(weights):
    with pytest.raises(WeightsError, match="only random weights"):
        build(weights=weights)


@pytest.mark.parametrize("weights", ["random:", "random:-1", "random:x", "random:1.5"])
def test_seed_that_is_no_whole_number_is_refused(weights):
    with pytest.raises(WeightsError, match="whole number"):
        build(weights=weights)


# ---- blending

WEIGHTS = st.floats(0.0009765625, 1024, width=32)


@settings(max_examples=40)
@given(weights=st.lists(WEIGHTS, min_size=1, max_size=5), scale=WEIGHTS, seed=st.integers(0, 2**32))
def test_blend_is_the_weighted_mean_whatever_the_scale_of_weights(weights, scale, seed):
    prompts = np.random.default_rng(seed).standard_normal((len(weights), 9)).astype(np.float32)
    weights = np.array(weights, np.float32)
    blended = blend(prompts, weights)
    np.testing.assert_allclose(
        blended, np.average(prompts.astype(np.float64), axis=0, weights=weights), atol=1e-6
    )
    np.testing.assert_allclose(blend(prompts, weights * np.float32(scale)), blended, atol=1e-6)
    np.testing.assert_array_equal(blend(prompts, weights * np.float32(0.25)), blended)


def test_prompt_with_weight_0_has_no_effect(embed):
    np.testing.assert_array_equal(
        embedding(embed, ["pads", "noise"], [0.5, 0], noise(4, 2), [0, 0.5]),
        embedding(embed, ["pads"], [0.5], noise(4, 2)[1:], [0.5]),
    )


def test_texts_and_clips_share_one_mean(embed):
    text, clip = embedding(embed, ["pads"]), embedding(embed, clips=noise(1))
    blended_pair = embedding(embed, ["pads"], [3.0], noise(1), [1.0])
    np.testing.assert_allclose(blended_pair, 0.75 * text + 0.25 * clip, atol=1e-6)
    assert np.linalg.norm(blended_pair) < 0.95


def test_weights_at_the_edges_of_float32_blend(embed):
    for extreme in (1e-45, 3e38):
        blended_pair = embedding(embed, ["a", "b"], [extreme, extreme])
        np.testing.assert_allclose(blended_pair, embedding(embed, ["a", "b"]), atol=1e-6)


def test_style_vector_is_blended_as_it_is(embed):
    none = np.zeros(0, np.float32)
    weights = np.array([3.0], np.float32)
    alone = embed([[]], [none], [NO_CLIPS], [none], [VECTOR[None]], [weights])["embedding"][0]
    np.testing.assert_array_equal(alone, VECTOR)
    text = embedding(embed, ["warm pads"])
    both = embed([["warm pads"]], [weights / 3], [NO_CLIPS], [none], [VECTOR[None]], [weights])
    np.testing.assert_allclose(both["embedding"][0], 0.25 * text + 0.75 * VECTOR, atol=1e-6)


# ---- refusals


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (values(), "no prompt"),
        (values(["a"], [0.0]), "all prompt weights are zero"),
        (values(["a"], [0.0], noise(1), [0.0]), "all prompt weights are zero"),
        (values(["a", "b"], [1.0]), "2 text prompts have 1 weights"),
        (values(["a"], [1.0], noise(1), [1.0, 1.0]), "1 clip prompts have 2 weights"),
        (values([], [1.0]), "0 text prompts have 1 weights"),
        (values(["a"], [float("nan")]), "0 or more"),
        (values(["a", "b"], [1.0, float("inf")]), "0 or more"),
        (values(["a", "b"], [1.0, -0.5]), "0 or more"),
        (values(["a"], [1.0], noise(1) * np.float32("nan"), [1.0]), "not finite"),
        (values(["a"], [1.0], noise(1) * np.float32("inf"), [0.0]), "not finite"),
        (values(["a" * (LONGEST_TEXT_CHARACTERS + 1)], [1.0]), "shorten it"),
        (values(styles=VECTOR[None]), "1 style prompts have 0 weights"),
        (values(styles=VECTOR[None] * np.float32("nan"), style_weights=[1.0]), "not finite"),
    ],
)
def test_unusable_prompts_are_refused_with_a_reason(embed, bad, reason):
    assert reason in Embed.refusal(bad)
    with pytest.raises(ValueError, match=reason):
        embed(*([value] for value in bad.values()))


@pytest.mark.parametrize(
    "good",
    [
        values([""], [1.0]),
        values(["a", "b"], [0.0, 1e-30]),
        values([], [], noise(1), [2.0]),
        values(["a" * LONGEST_TEXT_CHARACTERS], [1.0]),
        values(styles=VECTOR[None], style_weights=[0.5]),
        values(["a"], [1.0], styles=None, style_weights=None),
    ],
)
def test_usable_prompts_are_not_refused(good):
    assert Embed.refusal(good) is None


def test_prompts_fed_by_another_stage_are_checked_when_called(embed):
    assert Embed.refusal({"text_weights": [0.0], "clips": NO_CLIPS, "clip_weights": []}) is None
    with pytest.raises(ValueError, match="all prompt weights are zero"):
        embedding(embed, ["a"], [0.0])


# ---- determinism

FRESH = """
import hashlib, json, sys
import jax, numpy as np
from soundstage.graph.format import Format
from soundstage.stages.style.stage import Embed
format = Format(style_dim=64, clip_s=1.0)
embed = Embed(Embed.Params(), format, jax.devices("cpu")[0])
clip = np.sin(np.arange(16000, dtype=np.float32) / 7)[None]
out = embed([["Été, warm pads"]], [np.ones(1, np.float32)], [clip], [np.ones(1, np.float32)])
digest = hashlib.sha256(out["embedding"].tobytes()).hexdigest()
print(json.dumps([digest, embed.weights_digest]))
"""


def test_embeddings_are_the_same_bytes_in_every_process():
    root = Path(__file__).parents[3]
    fresh = subprocess.run(
        [sys.executable, "-c", FRESH], cwd=root, capture_output=True, text=True, check=True
    )
    here = build(Format(style_dim=64, clip_s=1.0))
    clip = np.sin(np.arange(16000, dtype=np.float32) / 7)[None]
    out = here([["Été, warm pads"]], [np.ones(1, np.float32)], [clip], [np.ones(1, np.float32)])
    digest = hashlib.sha256(out["embedding"].tobytes()).hexdigest()
    assert json.loads(fresh.stdout) == [digest, here.weights_digest]
