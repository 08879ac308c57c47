"""Descriptions of a piece, as prompts in several wordings."""

from collections.abc import Sequence

import numpy as np

from soundstage.training.corpus.instruments import INSTRUMENTS
from soundstage.training.corpus.plan import TEXTS, Brief
from soundstage.training.corpus.words import (
    BRIGHT_WORDS,
    DENSITY_WORDS,
    DRUM_WORDS,
    GENRE_WORDS,
    HELDOUT_TEMPLATES,
    INSTRUMENT_WORDS,
    MODE_WORDS,
    MOOD_WORDS,
    RHYTHM_WORDS,
    TEMPO_WORDS,
    TRAIN_TEMPLATES,
    Words,
)

TRAIN_TEXTS = 8
HELDOUT_TEXTS = 4

TONIC_WORDS = {"Db": "D flat", "Eb": "E flat", "F#": "F sharp", "Ab": "A flat", "Bb": "B flat"}
BRIGHT_MODES = ("major", "lydian", "mixolydian")


def tempo_class(tempo_bpm: float) -> str:
    """Names a tempo by a key of `TEMPO_WORDS`."""
    bounds = ((70, "very slow"), (92, "slow"), (118, "medium"), (150, "fast"))
    return next((name for bound, name in bounds if tempo_bpm < bound), "very fast")


def brightness_class(brightness: float) -> str:
    """Names a brightness by a key of `BRIGHT_WORDS`."""
    return "dark" if brightness < 0.33 else "neutral" if brightness < 0.62 else "bright"


def density_class(density: float) -> str:
    """Names a density by a key of `DENSITY_WORDS`."""
    return "sparse" if density < 0.33 else "medium" if density < 0.66 else "dense"


def mood_class(brief: Brief) -> tuple[bool, bool]:
    """Names a mood by a key of `MOOD_WORDS`: (bright mode, fast or dense)."""
    motion = (brief.tempo_bpm - 60) / 100 + brief.density
    return brief.mode in BRIGHT_MODES, motion > 1.0


def describe(brief: Brief, instruments: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Writes the texts of a piece.

    Args:
        brief: the plan of the piece.
        instruments: that play in it, at least one.

    Returns:
        Training texts, and held-out texts in wordings that no training text uses; all different.
    """
    rng = np.random.default_rng([brief.seed, TEXTS])
    train = _texts(brief, instruments, True, TRAIN_TEXTS, rng)
    return train, _texts(brief, instruments, False, HELDOUT_TEXTS, rng)


def _texts(
    brief: Brief, instruments: Sequence[str], train: bool, count: int, rng: np.random.Generator
) -> tuple[str, ...]:
    templates = TRAIN_TEMPLATES if train else HELDOUT_TEMPLATES
    order = rng.permutation(len(templates))
    texts: list[str] = []
    # Many prompts are just a genre, so every piece has its genre alone as one text.
    for index in (0, *order):
        slots = _slots(brief, instruments, train, rng)
        text = templates[index].format_map(slots)
        told = not (brief.modulation and "{tonic}" in templates[index])
        if told and text not in texts and _is_sensible(templates[index], slots):
            texts.append(text)
        if len(texts) == count:
            break
    return tuple(texts)


def _is_sensible(template: str, slots: dict[str, str]) -> bool:
    """Tells whether a text repeats no instrument, as "solo piano with piano" does."""
    names = [slots[slot] for slot in ("one", "two", "bare") if f"{{{slot}}}" in template]
    genre = slots["plain"] if "{plain}" in template else slots["kind"]
    if any(_without_article(name) in genre for name in names):
        return False
    return len({_without_article(name) for name in names}) == len(names)


def _without_article(phrase: str) -> str:
    return phrase.removeprefix("a ").removeprefix("an ")


def _slots(
    brief: Brief, instruments: Sequence[str], train: bool, rng: np.random.Generator
) -> dict[str, str]:
    def phrase(words: Words) -> str:
        phrases = words.train if train else words.heldout
        return phrases[int(rng.integers(len(phrases)))]

    names = list(dict.fromkeys(instruments))
    picked = [names[int(index)] for index in rng.permutation(len(names))]
    plays_drums = any(name in INSTRUMENTS and INSTRUMENTS[name].is_drums for name in names)
    drums = RHYTHM_WORDS if brief.arrangement == "rhythm" else DRUM_WORDS[plays_drums]
    genre, one = phrase(GENRE_WORDS[brief.genre]), phrase(instrument_words(picked[0]))
    return {
        "genre": genre,
        "kind": _without_article(genre),
        "plain": GENRE_WORDS[brief.genre].train[0].removeprefix("a "),
        "mood": phrase(MOOD_WORDS[mood_class(brief)]),
        "tempo": phrase(TEMPO_WORDS[tempo_class(brief.tempo_bpm)]),
        "bright": phrase(BRIGHT_WORDS[brightness_class(brief.brightness)]),
        "density": phrase(DENSITY_WORDS[density_class(brief.density)]),
        "mode": phrase(MODE_WORDS[brief.mode]),
        "one": one,
        "bare": _without_article(one),
        "two": phrase(instrument_words(picked[-1])),
        "bpm": str(brief.tempo_bpm),
        "drums": phrase(drums),
        "tonic": TONIC_WORDS.get(brief.tonic, brief.tonic),
    }


def instrument_words(name: str) -> Words:
    """Returns the words for an instrument: those listed, else its name, and its plural held out."""
    plural = name if name.endswith("s") else f"{name}s"
    return INSTRUMENT_WORDS.get(name, Words((name,), (f"several {plural}",)))
