"""Prompts are read as genres, tempo, sound, instruments and keys; other words are reported."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.stages.words import describe, understand
from soundstage.stages.words.lexicon import load_lexicon
from soundstage.stages.words.tokens import MOST_WORDS

LOW, HIGH = load_lexicon().genres["techno"].tempo


def within(first, last):
    """A part of techno's range of tempos: 0 = its lowest, 1 = its highest."""
    return LOW + first * (HIGH - LOW), LOW + last * (HIGH - LOW)


@pytest.mark.parametrize(
    ("text", "genres"),
    [
        ("melodic techno", {"techno": 1.0}),
        ("Hip-Hop", {"hip_hop": 1.0}),
        ("hip hop and techno", {"hip_hop": 0.5, "techno": 0.5}),
        ("electro swing", {"house": 0.5, "jazz": 0.5}),
        ("oboe", {"orchestral": 1.0}),
        ("techno with an oboe", {"techno": 1.0}),
        ("funkier", {"funk": 1.0}),
        ("string quartets", {"string_quartet": 1.0}),
        ("synthwve", {"synthwave": 1.0}),
        ("clasical", {"string_quartet": 0.4, "classical_piano": 0.4, "orchestral": 0.2}),
        ("salsa, not techno", {"salsa": 1.0}),
        ("123 flrbgl", {}),
    ],
)
def test_prompt_has_shares_of_genres(text, genres):
    assert understand(text).genres == pytest.approx(genres)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("techno", ()),
        ("please play me some nice music", ()),
        ("techno flrbgl", ("flrbgl",)),
        ("Flrbgl QUUX techno Flrbgl", ("Flrbgl", "QUUX")),
        ("flrbgl's wug-wug", ("flrbgl's", "wug")),
        ("🎸🔥", ("🎸🔥",)),
        ("", ()),
        (" \n", ()),
    ],
)
def test_words_that_mean_nothing_are_reported_as_typed(text, words):
    assert understand(text).not_understood == words


@pytest.mark.parametrize("text", ["flrbgl", "🎸🔥", "", "some music please"])
def test_prompt_that_says_nothing_is_empty(text):
    assert understand(text).empty
    assert describe(understand(text)) == ""


@pytest.mark.parametrize(
    ("text", "bpm", "tempo"),
    [
        ("techno at 133 bpm", 133.0, within(0, 1)),
        ("133BPM techno", 133.0, within(0, 1)),
        ("techno 133", 133.0, within(0, 1)),
        ("bpm 133", 133.0, (133.0, 133.0)),
        ("133 beats per minute", 133.0, (133.0, 133.0)),
        ("techno, 130-135 bpm", None, (130.0, 135.0)),
        ("techno", None, within(0, 1)),
        ("fast techno", None, within(0.6, 1.1)),
        ("slow techno", None, within(-0.1, 0.4)),
        ("techno, not fast", None, within(0.3, 0.7)),
        ("very fast techno", None, (HIGH, 1.15 * HIGH)),
        ("very slow techno", None, (0.85 * LOW, LOW)),
        ("hardstyle", None, (145.0, 170.0)),
        ("slow", None, (46.0, 88.0)),
        ("ambient", None, None),
        ("techno with 7 voices", None, within(0, 1)),
        ("flrbgl", None, None),
    ],
)
def test_tempo_is_the_asked_one_within_the_genre_s_range(text, bpm, tempo):
    meaning = understand(text)
    assert meaning.bpm == bpm
    if text == "slow":  # its hints have a beat or none
        assert tempo[0] <= meaning.tempo[0] < meaning.tempo[1] <= tempo[1]
    else:
        assert meaning.tempo == (tempo if tempo is None else pytest.approx(tempo))


def test_tempo_out_of_reach_is_not_understood():
    meaning = understand("techno at 999 bpm")
    assert meaning.bpm is None
    assert meaning.not_understood == ("999",)


@pytest.mark.parametrize(
    ("text", "drums"),
    [
        ("techno with drums", True),
        ("techno without drums", False),
        ("drumless techno", False),
        ("techno, no bass or drums", False),
        ("techno ohne Schlagzeug", False),
        ("techno w/o percussion", False),
        ("no piano, drums", True),
        ("no piano and a drum kit", True),
        ("not jazz and drums", True),
        ("techno", None),
        ("solo piano", False),
        ("string quartet with a drum kit", True),
    ],
)
def test_drums_are_asked_for_or_excluded(text, drums):
    assert understand(text).drums is drums


def test_excluded_instrument_and_genre_are_left_out():
    assert understand("techno with oboe and piano, no piano").plays == ("oboe",)
    meaning = understand("not techno")
    assert meaning.unwanted == {"techno"}
    assert not meaning.genres
    assert not meaning.empty


def test_sound_words_set_density_and_brightness():
    assert understand("bright, busy techno").brightness > 0.7
    assert understand("bright, busy techno").density > 0.7
    assert understand("muffled, sparse techno").brightness < 0.3
    assert understand("muffled, sparse techno").density < 0.3
    assert understand("techno, not bright").brightness < 0.4
    assert understand("techno").density is None
    assert understand("techno").brightness is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("techno in C# minor", ("D flat", "minor")),
        ("techno in b flat major", ("B flat", "major")),
        ("lament in G", ("G", "")),
        ("d-moll", ("D", "minor")),
        ("a minor key", ("", "minor")),
        ("in a club", ("", "")),
        ("dorian techno", ("", "dorian")),
    ],
)
def test_key_is_read(text, key):
    assert (understand(text).tonic, understand(text).mode) == key


def test_description_has_the_phrases_of_the_corpus():
    meaning = understand("scary bright fast techno with oboe and harp in F# at 140 bpm")
    assert describe(meaning, "techno") == (
        "dark, fast techno with oboe and harp in F sharp minor at 140 bpm"
    )


def test_long_prompt_is_read_in_part():
    assert understand("techno " * MOST_WORDS + "salsa").genres == {"techno": 1.0}


@settings(max_examples=200)
@given(text=st.text(max_size=80))
def test_any_text_is_read(text):
    meaning = understand(text)
    assert sum(meaning.genres.values()) == pytest.approx(1 if meaning.genres else 0)
    if meaning.tempo is not None:
        assert 30 <= meaning.tempo[0] <= meaning.tempo[1] <= 300


def test_prompt_is_read_in_two_milliseconds():
    understand("load the lexicon")
    texts = [f"melancholc {n} strng quartt with flrbgl and quuxly, not tchno" for n in range(50)]
    start = time.process_time()
    for text in texts:
        understand(text)
    assert (time.process_time() - start) / len(texts) < 0.01  # room for a busy machine
