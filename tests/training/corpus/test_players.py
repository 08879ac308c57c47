"""Players of single parts, and the feel of their notes."""

import numpy as np
import pytest

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.feel import loosened, movement, swung
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.scene import Scene
from soundstage.training.corpus.composition.score import Note
from soundstage.training.corpus.composition.theory import lay_chords, scale_classes, span_at
from soundstage.training.corpus.genres import GENRES
from soundstage.training.corpus.instruments import DRUMS

PARTS = {f"{g.name} {p.role}": p for g in GENRES.values() for p in g.parts}
BARS, START, TONIC = 8, 16.0, 2


def scene(part=None, beats_per_bar=4, progression="i|iv7|bVI V7|i", density=0.5):
    low, high = part.pitches if part else (36, 76)
    spans = lay_chords(progression, TONIC, START, BARS, beats_per_bar)
    scale = scale_classes(TONIC, "minor")
    return Scene(START, BARS, beats_per_bar, spans, scale, density, 1.0, low, high)


def play(player, seed=0, **changes):
    return player.play(scene(**changes), np.random.default_rng([seed]))


@pytest.mark.parametrize("beats_per_bar", [3, 4])
@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_every_part_stays_in_its_section_and_register(part, beats_per_bar):
    for density in (0.0, 1.0):
        for seed in range(2):
            notes = play(part.player, seed, part=part, beats_per_bar=beats_per_bar, density=density)
            starts = [note.start for note in notes]
            assert starts == sorted(starts)
            assert all(START <= start < START + BARS * beats_per_bar for start in starts)
            if part.role != "drums":
                # A second voice below, or a voicing that found no room, may leave it a little.
                low, high = part.pitches
                assert all(low - 7 <= note.pitch <= high + 7 for note in notes)


def test_letters_of_a_figure_give_their_pitches():
    notes = play(Figure(("r-f-t-o-",)), progression="i")
    assert [note.pitch for note in notes[:4]] == [38, 45, 41, 50]
    assert [note.start - START for note in notes[:4]] == [0.0, 1.0, 2.0, 3.0]
    (first, *_) = play(Figure(("R---",), legato=0.5), progression="i")
    assert (first.start, first.length) == (START, 2.0)


def test_unknown_letter_is_refused():
    with pytest.raises(ValueError, match="no letter 'q'"):
        play(Figure(("q---",)))


def test_capitals_are_louder_and_ghost_strokes_softer():
    def mean(pattern):
        return np.mean([note.velocity for note in play(Figure((pattern,)))])

    assert mean("C---") > mean("c---") + 8 > mean("g---") + 16


def test_held_chord_restarts_when_the_harmony_changes():
    notes = play(Figure(("c---------------",), voices=3), progression="i iv")
    assert sorted({note.start - START for note in notes})[:3] == [0.0, 2.0, 4.0]


def test_chords_have_chord_tones_and_power_chords_no_third():
    place = scene()
    for figure, degrees in ((Figure(("c-c-",)), None), (Figure(("c-c-",), power=True), {0, 7})):
        for note in figure.play(place, np.random.default_rng([1])):
            chord = span_at(place.spans, note.start).chord
            allowed = degrees or set(chord.intervals)
            assert (note.pitch - chord.root) % 12 in {degree % 12 for degree in allowed}


def test_approach_is_a_half_step_beside_the_next_root():
    place = scene(progression="i|iv|bVI|V")
    notes = Figure(("R-----a-",)).play(place, np.random.default_rng([2]))
    for approach, root in zip(notes[1::2], notes[2::2], strict=False):
        assert (root.pitch - approach.pitch) % 12 in (1, 11)


def test_echoes_are_softer_and_end_with_the_section():
    plain = play(Figure(("C" + "." * 15,), voices=1))
    echoed = play(Figure(("C" + "." * 15,), voices=1, echoes=3))
    assert len(plain) < len(echoed) <= 4 * len(plain)
    first = [note.velocity for note in echoed[:4]]
    assert first == sorted(first, reverse=True)
    assert [note.start - START for note in echoed[:4]] == [0.0, 0.75, 1.5, 2.25]


@pytest.mark.parametrize("seed", range(20))
def test_melodies_rest_on_chord_tones_and_move_mostly_by_step(seed):
    place = scene()
    melody = Melody(("x-x-x---x-x-x-x-", "x---x-x-x---x---"))
    notes = melody.play(place, np.random.default_rng([seed]))
    for note in notes:
        if (note.start - START) % 2 == 0 or note.length >= 0.95:
            assert note.pitch % 12 in span_at(place.spans, note.start).chord.classes
    leaps = np.abs(np.diff([note.pitch for note in notes]))
    assert np.mean(leaps <= 5) > 0.75


def test_motif_is_repeated():
    notes = play(Melody(("x-x-x---x-x-x-x-",), rests=0.0), seed=1, progression="i")
    bars = [[] for _ in range(BARS)]
    for note in notes:
        bars[int((note.start - START) // 4)].append((note.start - START) % 4)
    assert bars[0] == bars[4]
    assert len({tuple(bar) for bar in bars}) < BARS


def test_swing_moves_off_beats_only():
    straight = [Note(beat / 2, 0.5, 60, 80) for beat in range(8)]
    moved = swung(straight, 2 / 3, 0.5)
    assert [note.start for note in moved[::2]] == [0.0, 1.0, 2.0, 3.0]
    assert [note.start for note in moved[1::2]] == pytest.approx([2 / 3, 5 / 3, 8 / 3, 11 / 3])
    assert [n.start + n.length for n in moved[:-1]] == pytest.approx([n.start for n in moved[1:]])
    assert swung(straight, 0.5, 0.5) == straight


def test_loose_timing_keeps_chords_together():
    chord = [Note(beat, 0.5, pitch, 80) for beat in range(4) for pitch in (60, 64, 67)]
    moved = loosened(chord, 0.02, seed=1, part=0)
    assert len({note.start for note in moved}) == 4
    assert any(note.start != round(note.start) for note in moved)
    assert all(abs(note.start - round(note.start)) <= 0.04 for note in moved)


def test_note_ends_before_the_next_of_its_pitch():
    first, second = loosened([Note(0.0, 4.0, 60, 80), Note(1.0, 1.0, 60, 80)], 0.0, 0, 0)
    assert first.start + first.length < second.start


def test_movement_is_valid_midi_and_unknown_motion_refused():
    for motion in ("pump", "swell"):
        controls = movement(motion, [(0.0, 16.0), (16.0, 32.0)])
        assert [c.beat for c in controls] == sorted(c.beat for c in controls)
        assert all(0 <= c.value <= 127 for c in controls)
        assert len({c.value for c in controls}) > 2
    assert movement("", [(0.0, 16.0)]) == ()
    with pytest.raises(ValueError, match="no motion"):
        movement("wobble", [(0.0, 16.0)])


def test_drum_letters_follow_density_and_digits_always_sound():
    drums = Drums(((("kick", "9..."), ("snare", ".a.."), ("rim", "..i.")),))

    def counts(density):
        strokes = [n.pitch for s in range(30) for n in play(drums, s, density=density)]
        return [strokes.count(DRUMS[name]) for name in ("kick", "snare", "rim")]

    (kick, likely, rare), (kick_dense, likely_dense, rare_dense) = counts(0.2), counts(0.9)
    assert kick == kick_dense == 30 * BARS
    assert rare < likely < kick
    assert rare < rare_dense < likely_dense
    assert likely < likely_dense
