"""Chiptune: square waves, fast broken chords and short drums, as game consoles played."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

CHIPTUNE = Genre(
    name="chiptune",
    tempo_bpm=(112, 176),
    progressions={
        "major": ("I|V|vi|IV", "I|IV|V|I", "vi|IV|I|V"),
        "minor": ("i|bVI|bVII|i", "i|bVII|bVI|V"),
    },
    parts=(
        BandPart(
            "melody",
            ("square lead",),
            Melody(
                ("x---x-x-x---x---", "x-x-x-x-x-x-x---", "xxx-x-x-xxx-x-x-"),
                base=96,
                legato=0.7,
                rests=0.2,
            ),
            pitches=(64, 91),
            mix=TrackMix(level_lu=0, reverb=0.05),
        ),
        BandPart(
            "arpeggio",
            ("square lead", "saw lead"),
            Figure(
                ("1.2.3.2.1.2.3.2.", "1231231231231231", "12341234123412341234123412341234"),
                voices=4,
                base=78,
                legato=0.6,
            ),
            pitches=(52, 80),
            mix=TrackMix(level_lu=-5, pan=0.3, reverb=0.05),
        ),
        BandPart(
            "bass",
            ("square lead", "synth bass"),
            Figure(
                ("R...r...R...r...", "R.r.R.r.R.r.R.f.", "R.oRr.o.R.oRf.o."), base=92, legato=0.6
            ),
            pitches=(36, 57),
            mix=TrackMix(level_lu=-3, reverb=0.02),
        ),
        BandPart(
            "drums",
            ("electronic drums",),
            Drums(
                (
                    (("kick", "8.......8......."), ("snare", "....8.......8...")),
                    (
                        ("kick", "8.....6.8......."),
                        ("snare", "....8.......8..."),
                        ("closed", "5.5.5.5.5.5.5.5."),
                    ),
                    (
                        ("kick", "8..6..6.8..6..6."),
                        ("snare", "....8.......8.66"),
                        ("closed", "5545554555455545"),
                    ),
                ),
                fills=((("kick", "8......."), ("snare", "....8...88888888")),),
            ),
            mix=TrackMix(level_lu=-2, reverb=0.02),
        ),
    ),
    density=(0.25, 1.0),
    brightness=(0.5, 1.0),
    loose_ms=0.0,
)
