"""Facts about pieces: onsets, drums and chords over time."""

import numpy as np
import pytest

from soundstage.training.corpus.composition.compose import compose
from soundstage.training.corpus.composition.score import Note, Score, Track
from soundstage.training.corpus.composition.theory import QUALITIES, Chord, ChordSpan
from soundstage.training.corpus.instruments import DRUMS
from soundstage.training.corpus.music_facts import FactsError, MusicFacts, chord_number
from soundstage.training.corpus.plan import plan_brief

RATE_HZ = 25


def facts(tempo_bpm=120, strokes=(), notes=(), chords=(), beats_per_bar=4):
    tracks = []
    if strokes:
        drums = tuple(Note(beat, 0.2, DRUMS[name], hit) for beat, name, hit in strokes)
        tracks.append(Track("drums", "drums", drums))
    if notes:
        tracks.append(Track("piano", "chords", tuple(Note(b, 1.0, p, 127) for b, p in notes)))
    score = Score(tempo_bpm, beats_per_bar, 32.0, tuple(tracks), tuple(chords))
    return MusicFacts.of(score, 0.3, 0.6)


def test_onset_is_in_the_frame_of_its_second():
    found = facts(120, [(beat, "kick", 127) for beat in range(4)]).onsets(50, RATE_HZ)
    assert np.flatnonzero(found).tolist() == [0, 12, 25, 37]
    assert set(found[found > 0]) == {204}  # 0.8 of 255


def test_stronger_onsets_are_kick_drum_then_hat_then_note():
    strokes = [(0, "kick", 127), (1, "closed", 127), (2, "kick", 60)]
    found = facts(60, strokes, [(3, 60)]).onsets(100, RATE_HZ)
    kick, hat, soft, note = (int(found[25 * beat]) for beat in range(4))
    assert kick > hat > note > 0
    assert soft == pytest.approx(kick * 60 / 127, abs=1)


def test_onsets_of_one_frame_add_up_below_the_limit():
    both = facts(60, [(0, "kick", 127), (0.01, "snare", 127)]).onsets(2, RATE_HZ)
    assert both.tolist() == [round(255 * (1 - 0.2**2)), 0]


def test_drums_play_until_half_a_bar_after_a_stroke():
    # At 60 BPM a bar of 4 beats lasts 4 s: strokes at 0 s and 12 s, half a bar is 2 s.
    playing = facts(60, [(0, "kick", 100), (12, "kick", 100)]).drums(16 * RATE_HZ, RATE_HZ)
    assert playing.dtype == np.int8
    changes = np.flatnonzero(np.diff(playing)) + 1
    assert (changes / RATE_HZ).tolist() == [2.0, 10.0, 14.0]
    assert playing[0] == 1


def test_score_without_drums_has_none():
    assert set(facts(notes=[(0, 60)]).drums(20, RATE_HZ)) == {0}


def test_chord_is_a_quality_and_a_root():
    spans = [
        ChordSpan(Chord(9, QUALITIES["m7"]), 0.0, 2.0),
        ChordSpan(Chord(2, (0, 4, 7)), 2.0, 4.0),
    ]
    chords = facts(60, [(0, "kick", 9)], chords=spans).chords(100, RATE_HZ)
    assert chords.tolist() == [12 * 2 + 9] * 50 + [12 * 1 + 2] * 50
    numbers = {
        name: chord_number(Chord(0, intervals)) // 12 for name, intervals in QUALITIES.items()
    }
    assert numbers["7"] == numbers["9"] == 0
    assert numbers["maj7"] == numbers["6"] == 1
    assert numbers["m9"] == numbers["m6"] == 2
    assert numbers["dim7"] == numbers["m7b5"] == 3
    assert numbers["sus4"] == numbers["5"] == 4


def test_composed_house_has_a_kick_on_every_beat():
    brief = plan_brief(3, "house")
    found = MusicFacts.of(compose(brief, 8.0), brief.density, brief.brightness)
    onsets = found.onsets(200, RATE_HZ)
    beats = (np.arange(8) * 60 / brief.tempo_bpm * RATE_HZ).astype(int)
    near = [onsets[max(0, beat - 1) : beat + 2].max() for beat in beats]
    assert min(near) > 120
    assert (found.chords(200, RATE_HZ) >= 0).all()


def test_facts_are_read_back_and_damage_is_refused(tmp_path):
    path = tmp_path / "piece.npz"
    before = facts(97, [(0, "kick", 100)], [(1, 60)], [ChordSpan(Chord(0, (0, 4, 7)), 0.0, 4.0)])
    before.write(path)
    after = MusicFacts.read(path)
    assert after.digest_bytes() == before.digest_bytes()
    assert (after.tempo_bpm, after.beats_per_bar, after.density) == (97.0, 4, 0.3)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(FactsError, match="makes the corpus again"):
        MusicFacts.read(path)
    with pytest.raises(FactsError, match=r"no\.npz"):
        MusicFacts.read(tmp_path / "no.npz")


def test_unknown_facts_are_marked():
    unknown = MusicFacts.unknown()
    assert not unknown.known
    assert unknown.onsets(3, RATE_HZ).tolist() == [0, 0, 0]
    assert unknown.drums(3, RATE_HZ).tolist() == [-1, -1, -1]
    assert unknown.chords(3, RATE_HZ).tolist() == [-1, -1, -1]
