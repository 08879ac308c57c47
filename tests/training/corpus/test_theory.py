"""Chords, scales and voice leading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.training.corpus.composition.theory import (
    MODES,
    QUALITIES,
    adapted_classes,
    lay_chords,
    parse_chord,
    scale_classes,
    voice,
)
from soundstage.training.corpus.genres import GENRES


@pytest.mark.parametrize(
    ("symbol", "root", "intervals"),
    [
        ("I", 0, (0, 4, 7)),
        ("ii7", 2, (0, 3, 7, 10)),
        ("V7", 7, (0, 4, 7, 10)),
        ("bVIImaj7", 10, (0, 4, 7, 11)),
        ("iim7b5", 2, (0, 3, 6, 10)),
        ("iv6", 5, (0, 3, 7, 9)),
        ("#ivdim7", 6, (0, 3, 6, 9)),
    ],
)
def test_numerals_are_read_on_the_major_scale(symbol, root, intervals):
    for tonic in range(12):
        chord = parse_chord(symbol, tonic)
        assert (chord.root, chord.intervals) == ((root + tonic) % 12, intervals)


@pytest.mark.parametrize("symbol", ["", "H", "i99", "viii", "bb"])
def test_unknown_chord_is_refused(symbol):
    with pytest.raises(ValueError, match="chord"):
        parse_chord(symbol, 0)


@pytest.mark.parametrize("genre", GENRES.values(), ids=GENRES)
def test_every_progression_of_every_genre_can_be_read(genre):
    for mode, progressions in genre.progressions.items():
        assert mode in MODES
        for progression in progressions:
            spans = lay_chords(progression, 3, 8.0, 12, genre.beats_per_bar)
            assert spans[0].start == 8.0
            assert spans[-1].end == 8.0 + 12 * genre.beats_per_bar
            ends = [span.end for span in spans[:-1]]
            assert ends == [span.start for span in spans[1:]]


chords = st.builds(
    lambda root, quality: (
        parse_chord(f"I{quality}" if quality[0] != "m" else quality, root)
        if quality.startswith(("maj", "7", "9", "6", "sus", "add", "5", "dim"))
        else parse_chord(f"i{quality}", root)
    ),
    st.integers(0, 11),
    st.sampled_from([q for q in QUALITIES if not q.startswith("maj")]),
)


@given(chords, chords, st.integers(1, 6))
def test_voicing_has_ascending_tones_of_the_chord(first, second, voices):
    before = voice(first, voices, 48, 76, None)
    after = voice(second, voices, 48, 76, before)
    for chord, pitches in ((first, before), (second, after)):
        assert len(pitches) == voices
        assert list(pitches) == sorted(set(pitches))
        assert {pitch % 12 for pitch in pitches} <= set(chord.classes)
        assert pitches[0] >= 48


@given(chords, chords)
def test_voices_move_less_than_a_fourth_on_average(first, second):
    before = voice(first, 4, 48, 76, None)
    after = voice(second, 4, 48, 76, before)
    assert sum(abs(a - b) for a, b in zip(before, after, strict=True)) / 4 < 5


@given(chords)
def test_voicing_returns_to_its_range(chord):
    # The top may pass it by a few half steps where that saves the voices a leap.
    assert voice(chord, 3, 48, 67, (70, 74, 79))[-1] <= 67 + 4


def test_led_voices_move_half_as_far_as_centred_ones():
    led = unled = 0
    for progression in GENRES["jazz"].progressions["major"]:
        spans = lay_chords(progression, 0, 0.0, 8, 4)
        before = voice(spans[0].chord, 4, 45, 81, (45, 48, 52, 55))
        for span in spans[1:]:
            after = voice(span.chord, 4, 45, 81, before)
            centred = voice(span.chord, 4, 45, 81, None)
            led += sum(abs(a - b) for a, b in zip(after, before, strict=True))
            unled += sum(abs(a - b) for a, b in zip(centred, before, strict=True))
            before = after
    assert led < 0.5 * unled


@given(chords, st.sampled_from(sorted(MODES)), st.integers(0, 11))
def test_adapted_scale_contains_the_chord(chord, mode, tonic):
    classes = adapted_classes(scale_classes(tonic, mode), chord)
    assert set(chord.classes) <= set(classes)
    assert len(set(classes)) == len(classes)
