"""Descriptions of a meaning, in the words that the style towers are trained on."""

from soundstage.stages.words.lexicon import load_lexicon
from soundstage.stages.words.meaning import Meaning

# Words for tempos, by the tempo in beats a minute below which they hold.
_TEMPO_WORDS = ((70, "very slow"), (92, "slow"), (118, "mid-tempo"), (150, "fast"))
_FASTEST_WORD = "very fast"
# Below and from these, density and brightness get a word.
_LOW, _HIGH_DENSITY, _HIGH_BRIGHTNESS = 0.33, 0.66, 0.62


def describe(meaning: Meaning, genre: str = "") -> str:
    """Describes a meaning with one of its genres.

    Args:
        meaning: what a prompt says.
        genre: a genre of the lexicon; "" = none.

    Returns:
        For example "dark, fast techno with synth bass at 140 bpm"; "" = there is nothing to say.
    """
    phrase = load_lexicon().genres[genre].phrase if genre else ""
    first = [meaning.mood, _brightness(meaning.brightness), _density(meaning.density)]
    words = ", ".join(filter(None, [*first, _tempo(meaning)]))
    plays = [name for name in meaning.plays if name not in phrase]
    parts = [words, phrase] if phrase else [words]
    if plays:
        parts += ["with" if phrase else "", " and ".join(plays[:2])]
    if meaning.tonic or meaning.mode:
        parts += ["in" if meaning.tonic else "", meaning.tonic, meaning.mode]
    if meaning.bpm is not None:
        parts.append(f"at {meaning.bpm:.0f} bpm")
    return " ".join(filter(None, parts))


def _tempo(meaning: Meaning) -> str:
    if not meaning.paced or meaning.tempo is None:
        return ""
    bpm = meaning.bpm if meaning.bpm is not None else sum(meaning.tempo) / 2
    return next((word for bound, word in _TEMPO_WORDS if bpm < bound), _FASTEST_WORD)


def _density(density: float | None) -> str:
    if density is None:
        return ""
    return "sparse" if density < _LOW else "busy" if density >= _HIGH_DENSITY else ""


def _brightness(brightness: float | None) -> str:
    if brightness is None:
        return ""
    return "muffled" if brightness < _LOW else "bright" if brightness >= _HIGH_BRIGHTNESS else ""
