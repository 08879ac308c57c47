"""The lexicon's files are consistent, and its descriptions are words that training uses."""

import pytest

from soundstage.stages.words import lexicon as module
from soundstage.stages.words import understand
from soundstage.stages.words.lexicon import LexiconError, load_lexicon
from soundstage.stages.words.tokens import normal_phrase
from soundstage.training.corpus import words
from soundstage.training.corpus.genres import GENRES
from soundstage.training.corpus.instruments import INSTRUMENTS
from soundstage.training.corpus.texts import instrument_words

LEXICON = load_lexicon()


def test_every_genre_of_the_corpus_has_its_phrase_and_tempo():
    for name, genre in GENRES.items():
        assert LEXICON.genres[name].phrase in words.GENRE_WORDS[name].train
        tempo = LEXICON.genres[name].tempo
        assert tempo is None or tempo == genre.tempo_bpm, name


def test_every_word_of_a_description_is_trained():
    moods = {mood for kind in words.MOOD_WORDS.values() for mood in kind.train}
    instruments = {phrase for name in INSTRUMENTS for phrase in instrument_words(name).train}
    for phrase, entry in LEXICON.entries.items():
        assert entry.mood in {"", *moods}, phrase
        assert entry.plays in {"", *instruments}, phrase
        assert entry.mode in {"", *words.MODE_WORDS}, phrase


def test_every_genre_phrase_of_the_corpus_lands_on_its_genre():
    for name, genre in words.GENRE_WORDS.items():
        for phrase in genre.train:
            meaning = understand(phrase)
            assert not meaning.not_understood, phrase
            assert max(meaning.genres, key=meaning.genres.get) == name, phrase


def test_every_other_phrase_of_the_corpus_is_understood():
    tables = (
        words.MOOD_WORDS,
        words.TEMPO_WORDS,
        words.BRIGHT_WORDS,
        words.DENSITY_WORDS,
        words.MODE_WORDS,
        {name: instrument_words(name) for name in INSTRUMENTS},
    )
    for table in tables:
        for phrase in (phrase for one in table.values() for phrase in one.train):
            assert not understand(phrase).not_understood, phrase


def test_entries_are_within_their_ranges():
    for phrase, entry in LEXICON.entries.items():
        assert phrase == normal_phrase(phrase)
        for value in (entry.density, entry.brightness):
            assert value is None or 0 <= value <= 1
        assert entry.speed is None or -2 <= entry.speed <= 2
        for tempo in (entry.tempo, *(LEXICON.genres[name].tempo for name in entry.genres)):
            assert tempo is None or 40 <= tempo[0] < tempo[1] <= 220


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"words": ["x"], "genres": {"polka dot": 1.0}}, "polka dot is neither a key nor a genre"),
        ({"words": ["x"], "colour": "red"}, "colour is neither a key nor a genre"),
        ({"words": ["techno"], "mood": "sad"}, "'techno' has two meanings"),
        ({"words": ["please"], "mood": "sad"}, "please has a meaning elsewhere"),
    ],
)
def test_mistake_in_a_file_is_named(monkeypatch, table, message):
    read = module._read

    def read_more(file):
        tables = read(file)
        if file == "feelings.toml":
            tables["entry"].append(dict(table))
        return tables

    monkeypatch.setattr(module, "_read", read_more)
    with pytest.raises(LexiconError, match=message):
        load_lexicon.__wrapped__()
