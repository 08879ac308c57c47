"""Blues: twelve bars of dominant chords over a shuffle."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

_TWELVE_BARS = "I7|I7|I7|I7|IV7|IV7|I7|I7|V7|IV7|I7|V7"

BLUES = Genre(
    name="blues",
    tempo_bpm=(66, 132),
    progressions={
        "mixolydian": (_TWELVE_BARS, "I7|IV7|I7|I7|IV7|IV7|I7|I7|V7|IV7|I7|V7"),
        "minor": ("i7|i7|i7|i7|iv7|iv7|i7|i7|bVI7|V7|i7|V7",),
    },
    parts=(
        BandPart(
            "drums",
            ("drums", "room drums", "brushed drums"),
            Drums(
                (
                    (
                        ("kick", "8.....7....."),
                        ("snare", "...8.....8.."),
                        ("closed", "6.56.56.56.5"),
                    ),
                    (
                        ("kick", "8....47....4"),
                        ("snare", "...8.....8.d"),
                        ("ride", "7.57.57.57.5"),
                        ("pedal", "...5.....5.."),
                    ),
                    (
                        ("kick", "8..5..8..5.c"),
                        ("snare", "..c8..c..8.b"),
                        ("ride", "7.67.67.67.6"),
                        ("pedal", "...5.....5.."),
                    ),
                ),
                fills=(
                    (("kick", "8.....7....."), ("snare", "...8.5778.88")),
                    (("kick", "8.....7....."), ("snare", "...8.."), ("tom_low", "......8.88.8")),
                ),
                crash=True,
            ),
            mix=TrackMix(level_lu=-2, reverb=0.25),
        ),
        BandPart(
            "bass",
            ("finger bass", "upright bass", "picked bass"),
            Figure(("R--f--R--f--", "R--t--f--s--", "R-rt-tf-fs-s"), base=92, legato=0.88),
            pitches=(28, 54),
            mix=TrackMix(level_lu=-3, reverb=0.12),
        ),
        BandPart(
            "chords",
            ("piano", "drawbar organ", "clean guitar", "rock organ"),
            Figure(("...C-....C-.", "C-cc-cC-cc-c", "..cC-...cC-."), base=76, legato=0.8),
            pitches=(50, 74),
            mix=TrackMix(level_lu=-4, pan=-0.3, reverb=0.25),
        ),
        BandPart(
            "melody",
            ("overdriven guitar", "harmonica", "clean guitar", "tenor saxophone"),
            Melody(
                ("x--x--x-----", "x-xx--x--x--", "x-xx-xx-xx--"),
                base=92,
                pentatonic=True,
                rests=0.9,
            ),
            pitches=(57, 81),
            mix=TrackMix(level_lu=-1, pan=0.2, reverb=0.35),
            enters=0.6,
        ),
    ),
    density=(0.15, 0.9),
    brightness=(0.2, 0.8),
    loose_ms=9.0,
    section_bars=12,
    form=(("A", 0.75), ("A", 0.9), ("B", 1.0)),
)
