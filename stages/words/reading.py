"""From a prompt to its meaning."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from soundstage.stages.words.lexicon import Entry, Lexicon, load_lexicon
from soundstage.stages.words.meaning import Meaning
from soundstage.stages.words.numbers import Key, Tempo
from soundstage.stages.words.phrases import Mark, Phrase, Unknown, read_phrases
from soundstage.stages.words.tempo import tempo_range

# How many genres a prompt may name, and may have by hints; and the least weight beside the best.
MOST_NAMED, MOST_HINTED = 3, 2
LEAST_NAMED, LEAST_HINTED = 0.25, 0.6
# The brightness and density of what a negation turns around are mirrored and come this near to 0.5.
_OPPOSITE = 0.6
MOST_INSTRUMENTS = 3


@lru_cache(maxsize=256)
def understand(text: str) -> Meaning:
    """Reads a prompt: the same text always means the same.

    Args:
        text: any string; a long one is read in part, see `tokens.MOST_WORDS`.

    Returns:
        What it says. A text of signs alone, such as emoji, is not understood as a whole.
    """
    lexicon = load_lexicon()
    phrases = list(read_phrases(text, lexicon))
    if not phrases and text.strip():
        visible = "".join(c for c in text if unicodedata.category(c)[0] not in "CZ")
        return Meaning(not_understood=(visible,) if visible else ())
    wanted, unwanted = _split(phrases)
    unknown = dict.fromkeys(p.word for p in phrases if isinstance(p, Unknown))
    meaning = _of_entries(wanted, unwanted)
    speed = _speed(wanted, unwanted)
    meaning = _with_numbers(meaning, phrases, _usual_tempo(meaning, wanted, lexicon), speed)
    return replace(meaning, not_understood=tuple(unknown))


def _split(phrases: Sequence[Phrase]) -> tuple[list[Entry], list[Entry]]:
    """Separates what is wanted from what a negation excludes.

    A negation holds for the next entry; "and" and "or" carry it on from one instrument to another.
    """
    wanted: list[Entry] = []
    unwanted: list[Entry] = []
    negated, last, joined = False, None, False
    for phrase in phrases:
        if isinstance(phrase, Entry):
            carried = joined and last is not None and _is_instrument(last, phrase)
            (unwanted if negated or carried else wanted).append(phrase)
            last = phrase if negated or carried else None
            negated = joined = False
        elif isinstance(phrase, Mark) and phrase.kind == "not":
            negated, joined = True, False
        elif isinstance(phrase, Mark) and phrase.kind == "joint":
            joined = last is not None
        elif not isinstance(phrase, Mark) or phrase.kind == "stop":
            negated, last, joined = False, None, False
        elif joined:  # an article: "no drums and a saxophone"
            last, joined = None, False
    return wanted, unwanted


def _is_instrument(*entries: Entry) -> bool:
    return all(entry.plays for entry in entries)


def _of_entries(wanted: Sequence[Entry], unwanted: Sequence[Entry]) -> Meaning:
    named = _sum(entry.genres for entry in wanted)
    excluded = frozenset(_sum(entry.genres for entry in unwanted)) - named.keys()
    if named:
        genres = _shares(named, MOST_NAMED, LEAST_NAMED)
    else:
        hints = _sum(entry.hints for entry in wanted)
        kept = {name: weight for name, weight in hints.items() if name not in excluded}
        genres = _shares(kept, MOST_HINTED, LEAST_HINTED)
    left_out = {entry.plays for entry in unwanted}
    plays = [entry.plays for entry in wanted if entry.plays and entry.plays not in left_out]
    densities = [entry.density for entry in wanted] + [_opposite(e.density) for e in unwanted]
    brightness = [entry.brightness for entry in wanted]
    brightness += [_opposite(entry.brightness) for entry in unwanted]
    return Meaning(
        genres=genres,
        unwanted=excluded,
        density=_mean(densities),
        brightness=_mean(brightness),
        drums=_drums(wanted, unwanted),
        mood=next((entry.mood for entry in wanted if entry.mood), ""),
        plays=tuple(dict.fromkeys(plays))[:MOST_INSTRUMENTS],
        mode=next((entry.mode for entry in wanted if entry.mode), ""),
    )


def _with_numbers(
    meaning: Meaning,
    phrases: Sequence[Phrase],
    usual: tuple[float, float] | None,
    speed: float | None,
) -> Meaning:
    """Adds the tempo and the key."""
    tempo = next((phrase for phrase in phrases if isinstance(phrase, Tempo)), None)
    key = next((phrase for phrase in phrases if isinstance(phrase, Key)), None)
    asked = (tempo.lowest, tempo.highest) if tempo is not None else None
    return replace(
        meaning,
        bpm=tempo.lowest if tempo is not None and tempo.lowest == tempo.highest else None,
        tempo=tempo_range(usual, speed, asked),
        paced=tempo is not None or speed is not None,
        tonic=key.tonic if key is not None else "",
        mode=(key.mode if key is not None else "") or meaning.mode,
    )


def _speed(wanted: Sequence[Entry], unwanted: Sequence[Entry]) -> float | None:
    """Returns the strongest word for tempo; "not fast" asks for the middle of the range."""
    said = [entry.speed for entry in wanted if entry.speed is not None]
    if not said and any(entry.speed is not None for entry in unwanted):
        return 0.0
    return max(said, key=abs, default=None)


def _usual_tempo(
    meaning: Meaning, wanted: Sequence[Entry], lexicon: Lexicon
) -> tuple[float, float] | None:
    """Returns the range of a phrase that has its own, else that of the heaviest genre."""
    own = next((entry.tempo for entry in wanted if entry.tempo), None)
    if own is not None or not meaning.genres:
        return own
    return lexicon.genres[max(meaning.genres, key=lambda name: meaning.genres[name])].tempo


def _sum(weights: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for one in weights:
        for name, weight in one.items():
            total[name] = total.get(name, 0.0) + weight
    return total


def _shares(weights: Mapping[str, float], most: int, least: float) -> dict[str, float]:
    """Returns the shares of the heaviest genres, which are at least `least` of the best."""
    ordered = sorted(weights, key=lambda name: (-weights[name], name))[:most]
    kept = [name for name in ordered if weights[name] >= least * weights[ordered[0]]]
    total = sum(weights[name] for name in kept)
    return {name: weights[name] / total for name in kept}


def _mean(values: Iterable[float | None]) -> float | None:
    said = [value for value in values if value is not None]
    return sum(said) / len(said) if said else None


def _opposite(value: float | None) -> float | None:
    return None if value is None else 0.5 + _OPPOSITE * (0.5 - value)


def _drums(wanted: Sequence[Entry], unwanted: Sequence[Entry]) -> bool | None:
    """Returns what the prompt says about drums: a word for them counts more than one for a use."""
    if any(entry.drums and entry.plays for entry in unwanted):
        return False
    said = [entry.drums for entry in wanted if entry.drums is not None and entry.plays]
    said = said or [entry.drums for entry in wanted if entry.drums is not None]
    return said[-1] if said else None
