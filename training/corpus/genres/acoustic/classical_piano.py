"""Classical piano: broken chords in the left hand, a melody in the right."""

from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

CLASSICAL_PIANO = Genre(
    name="classical_piano",
    tempo_bpm=(58, 138),
    progressions={
        "major": ("I|V7|vi|iii|IV|I|ii|V7", "I|IV|V7|I|vi|ii|V7|I", "I vi|IV V7|I IV|V7 I"),
        "minor": ("i|iv|V7|i|bVI|bIII|iim7b5|V7", "i|V7|i|iv|bVII|bIII|V7|i", "i|bVI|iv|V7"),
    },
    parts=(
        BandPart(
            "left hand",
            ("piano",),
            Figure(
                (
                    "R-------3-2-3-2-",
                    "1-3-2-3-1-3-2-3-",
                    "R-2-3-4-3-2-3-2-",
                    "1-3-2-3-1-3-2-3-",
                    "r12343214f123432",
                ),
                base=62,
                legato=1.1,
            ),
            pitches=(40, 66),
            mix=TrackMix(level_lu=-3, pan=-0.12, reverb=0.4),
        ),
        BandPart(
            "bass",
            ("piano",),
            Figure(("r---------------",), base=64, legato=1.0),
            pitches=(28, 47),
            mix=TrackMix(level_lu=-6, pan=-0.2, reverb=0.4),
            chance=0.7,
            enters=0.8,
        ),
        BandPart(
            "right hand",
            ("piano",),
            Melody(
                (
                    "x-------x---x---",
                    "x---x---x---x---",
                    "x---x-x-x-x-x---",
                    "x-x-x-x-xxxxx-x-",
                    "xxxxx-x-xxxxx-x-",
                ),
                base=82,
                legato=1.0,
                rests=0.2,
            ),
            pitches=(62, 91),
            mix=TrackMix(level_lu=-2, pan=0.12, reverb=0.4),
        ),
        BandPart(
            "inner voice",
            ("piano",),
            Figure(("c---------------", "..c---....c---.."), voices=2, base=54, legato=0.95),
            pitches=(55, 72),
            mix=TrackMix(level_lu=-5, reverb=0.4),
            chance=0.5,
            enters=0.9,
        ),
    ),
    density=(0.1, 0.95),
    brightness=(0.2, 0.75),
    loose_ms=10.0,
    section_bars=8,
    form=(("A", 0.7), ("A", 0.85), ("B", 1.0), ("A", 0.75)),
)
