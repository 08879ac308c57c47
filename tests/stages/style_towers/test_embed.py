"""The embedder with two towers: unit vectors, blends, refusals and independent rows."""

from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.graph.format import Format
from soundstage.stages.style.prompts import LONGEST_TEXT_CHARACTERS
from soundstage.stages.style.stage import Embed as RandomEmbed
from soundstage.stages.style_towers.stage import Embed

FORMAT = Format(style_dim=48, clip_s=1.0)
CLIP_SAMPLES = FORMAT.dims["clip_sample"]
NO_CLIPS = np.zeros((0, CLIP_SAMPLES), np.float32)


def build(weights: str = "random:0", format: Format = FORMAT) -> Embed:
    return Embed(Embed.Params(weights), format, jax.devices("cpu")[0])


@pytest.fixture(scope="module")
def embed() -> Embed:
    return build()


def noise(seed: int, clips: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (0.1 * random.standard_normal((clips, CLIP_SAMPLES))).astype(np.float32)


def embedding(embed, texts=(), clips=NO_CLIPS, text_weights=None, clip_weights=None) -> np.ndarray:
    text_weights = [1.0] * len(texts) if text_weights is None else text_weights
    clip_weights = [1.0] * len(clips) if clip_weights is None else clip_weights
    weights = [np.asarray(w, np.float32) for w in (text_weights, clip_weights)]
    return embed([list(texts)], [weights[0]], [clips], [weights[1]])["embedding"][0]


# ---- single prompts


@pytest.mark.parametrize(
    "text",
    [
        "lo-fi piano",
        "",
        " \n\t",
        "flrbgl xqzzt",
        "🎸🔥🥁",
        "テクノ",
        "\x00",
        "\ud800 half a pair",
        "a" * LONGEST_TEXT_CHARACTERS,
        "warm pads and " * (LONGEST_TEXT_CHARACTERS // 14),
    ],
)
def test_every_text_is_a_unit_vector(embed, text):
    vector = embedding(embed, [text])
    assert vector.shape == (FORMAT.style_dim,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


@settings(max_examples=30)
@given(text=st.text(max_size=60))
def test_any_text_has_an_embedding(embed, text):
    assert np.linalg.norm(embedding(embed, [text])) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("clip", [noise(0), 0 * noise(0), 60 * noise(1), np.sign(noise(2))])
def test_every_clip_is_a_unit_vector(embed, clip):
    assert np.linalg.norm(embedding(embed, clips=clip)) == pytest.approx(1, abs=1e-6)


def test_clip_of_one_window_is_a_unit_vector():
    short = build(format=Format(style_dim=48, clip_s=0.01))
    vector = embedding(short, clips=np.ones((1, 160), np.float32))
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def test_letter_case_blanks_and_character_forms_make_no_difference(embed):
    expected = embedding(embed, ["été 5 pads"])
    for text in ("ÉTÉ 5 Pads", "  été\n 5\tpads ", "e\u0301te\u0301 5 pads", "été \uff15 pads"):
        np.testing.assert_array_equal(embedding(embed, [text]), expected)


def test_different_prompts_have_different_embeddings(embed):
    vectors = [embedding(embed, [text]) for text in ("warm pads", "jazz trio", "pads warmly")]
    vectors += [embedding(embed, clips=noise(seed)) for seed in (0, 1)]
    for first in range(len(vectors)):
        assert all(not np.array_equal(vectors[first], other) for other in vectors[:first])


# ---- blends, refusals and rows


def test_texts_and_clips_share_one_weighted_mean(embed):
    text, clip = embedding(embed, ["pads"]), embedding(embed, clips=noise(1))
    both = embedding(embed, ["pads"], noise(1), [3.0], [1.0])
    np.testing.assert_allclose(both, 0.75 * text + 0.25 * clip, atol=1e-6)


def test_refusals_are_those_of_the_random_embedder(embed):
    assert Embed.refusal is RandomEmbed.refusal
    with pytest.raises(ValueError, match="row 0: there is no prompt"):
        embedding(embed)
    with pytest.raises(ValueError, match="not finite"):
        embedding(embed, clips=noise(1) * np.float32("nan"))


def test_rows_are_independent_and_calls_repeat_to_the_byte(embed):
    ones = np.ones(1, np.float32)
    rows = [(["a"], ones, noise(0), ones), (["b"], ones, noise(1), ones)]
    together = embed(*map(list, zip(*rows, strict=True)))["embedding"]
    for index, row in enumerate(rows):
        alone = embed(*([value] for value in row))["embedding"]
        np.testing.assert_array_equal(together[index], alone[0])
    assert build().weights_digest == embed.weights_digest
    assert build("random:1").weights_digest != embed.weights_digest


def test_end_of_a_long_text_is_ignored(embed):
    start = "warm pads " * 200
    np.testing.assert_array_equal(
        embedding(embed, [start + "jazz"]), embedding(embed, [start + "techno"])
    )


def test_missing_weights_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="no such file"):
        build(str(tmp_path / "none.safetensors"))
