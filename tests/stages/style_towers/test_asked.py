"""What prompts ask for beside the style: tempo, sound, and words not understood."""

import jax
import numpy as np
import pytest

from soundstage.graph.format import Format
from soundstage.stages.style_towers.stage import Embed
from soundstage.stages.words import describe, understand
from soundstage.stages.words.lexicon import load_lexicon

HOUSE = load_lexicon().genres["house"].tempo
FORMAT = Format(style_dim=48, clip_s=0.2)
CLIP_SAMPLES = FORMAT.dims["clip_sample"]
NO_CLIPS, NO_WEIGHTS = np.zeros((0, CLIP_SAMPLES), np.float32), np.zeros(0, np.float32)


@pytest.fixture(scope="module")
def embed() -> Embed:
    return Embed(Embed.Params("random:0"), FORMAT, jax.devices("cpu")[0])


def asked(embed, prompts, clips=NO_CLIPS):
    """The outputs for one row of texts with weights."""
    weights = np.array(list(prompts.values()), np.float32)
    outputs = embed([list(prompts)], [weights], [clips], [np.ones(len(clips), np.float32)])
    return {name: value[0] for name, value in outputs.items()}


def test_tempo_and_sound_of_one_prompt(embed):
    outputs = asked(embed, {"bright, sparse house at 124 bpm without drums": 1.0})
    np.testing.assert_array_equal(outputs["tempo"], np.float32([124, *HOUSE]))
    np.testing.assert_allclose(outputs["sound"], [0.12, 0.85, 0.0], atol=1e-6)
    assert outputs["tempo"].dtype == outputs["sound"].dtype == np.float32
    assert outputs["not_understood"] == [""]


def test_what_is_not_said_is_minus_one(embed):
    outputs = asked(embed, {"ambient": 1.0})
    np.testing.assert_array_equal(outputs["tempo"], np.float32([-1, -1, -1]))
    np.testing.assert_array_equal(outputs["sound"], np.float32([-1, -1, -1]))


def test_heaviest_prompt_decides_tempo_and_drums_and_sound_is_a_mean(embed):
    prompts = {
        "ambient": 5.0,
        "bright techno, no drums": 1.0,
        "house with drums, muffled": 3.0,
        "dubstep, 140 bpm": 0.0,
    }
    outputs = asked(embed, prompts)
    np.testing.assert_array_equal(outputs["tempo"], np.float32([-1, *HOUSE]))
    np.testing.assert_allclose(outputs["sound"], [-1, (0.85 + 3 * 0.2) / 4, 1.0], atol=1e-6)


def test_clips_say_nothing_about_tempo_and_sound(embed):
    outputs = asked(embed, {}, np.ones((1, CLIP_SAMPLES), np.float32))
    np.testing.assert_array_equal(outputs["tempo"], np.float32([-1, -1, -1]))
    np.testing.assert_array_equal(outputs["sound"], np.float32([-1, -1, -1]))
    assert outputs["not_understood"] == []


def test_words_not_understood_stand_beside_their_prompt(embed):
    outputs = asked(embed, {"techno": 1.0, "flrbgl quux": 1.0, "salsa wug": 1.0})
    assert outputs["not_understood"] == ["", "flrbgl, quux", "wug"]


def test_prompt_that_says_nothing_does_not_count_beside_others(embed):
    alone = asked(embed, {"techno": 1.0})["embedding"]
    both = asked(embed, {"techno": 1.0, "flrbgl": 9.0})["embedding"]
    np.testing.assert_array_equal(both, alone)
    clip = np.ones((1, CLIP_SAMPLES), np.float32)
    with_clip = asked(embed, {"flrbgl": 9.0}, clip)["embedding"]
    np.testing.assert_array_equal(with_clip, asked(embed, {}, clip)["embedding"])
    with pytest.raises(ValueError, match="0 or more"):
        asked(embed, {"techno": 1.0, "flrbgl": -1.0})


def test_nonsense_is_embedded_between_all_genres(embed):
    nonsense = asked(embed, {"flrbgl": 1.0})["embedding"]
    np.testing.assert_array_equal(nonsense, asked(embed, {"quux wug": 1.0})["embedding"])
    phrases = np.stack(list(embed.genres.values()))
    mean = phrases.mean(axis=0)
    np.testing.assert_allclose(nonsense, mean / np.linalg.norm(mean), atol=1e-6)
    fewer = asked(embed, {"not techno": 1.0})["embedding"]
    assert fewer @ embed.genres["techno"] < nonsense @ embed.genres["techno"]


def test_relative_is_embedded_between_its_genres(embed):
    meaning = understand("electro swing")
    house, jazz = (embed.embed_description(describe(meaning, g)) for g in ("house", "jazz"))
    between = (house + jazz) / np.linalg.norm(house + jazz)
    np.testing.assert_allclose(embed.embed_text("electro swing"), between, atol=1e-6)


def test_words_of_one_meaning_have_one_embedding(embed):
    expected = embed.embed_text("sad drum and bass")
    for text in ("Traurig, DnB!", "some sad drum & bass please", "sadly flrbgl drum'n'bass"):
        np.testing.assert_array_equal(embed.embed_text(text), expected)
