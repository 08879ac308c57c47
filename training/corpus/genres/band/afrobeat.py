"""Afrobeat: interlocking guitar, bass and percussion over a rolling beat, horn riffs."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

AFROBEAT = Genre(
    name="afrobeat",
    tempo_bpm=(96, 128),
    progressions={
        "dorian": ("i7|i7|i7|i7", "i7|i7|IV7|IV7", "i7|IV7|i7|IV7"),
        "mixolydian": ("I7|I7|I7|I7", "I7|I7|bVII|bVII"),
    },
    parts=(
        BandPart(
            "drums",
            ("drums", "room drums"),
            Drums(
                (
                    (
                        ("kick", "9.....7.9......."),
                        ("snare", "....6..3.3..7..."),
                        ("closed", "8.5.8.5.8.5.8.5."),
                        ("shaker", "5.4.5.4.5.4.5.4."),
                    ),
                    (
                        ("kick", "9..7....9..7..7."),
                        ("snare", "....7..3.4..7..4"),
                        ("closed", "8.468.468.468.46"),
                        ("shaker", "6445644564456445"),
                        ("cowbell", "7..7..7...7.7..."),
                    ),
                    (
                        ("kick", "9..7....9..7..7c"),
                        ("snare", "..3.7..3.4.37..4"),
                        ("closed", "8.468.468.468.46"),
                        ("shaker", "6445644564456445"),
                        ("cowbell", "7..7..7...7.7..."),
                        ("conga_high", "..6..66...6..66."),
                        ("conga_low", "7..5....7..5...."),
                    ),
                ),
                fills=(
                    (("kick", "9..7..7."), ("snare", "....7...6.66.666"), ("closed", "7.5.7.5.")),
                ),
            ),
            mix=TrackMix(level_lu=0, reverb=0.2),
        ),
        BandPart(
            "bass",
            ("finger bass", "picked bass"),
            Figure(
                ("R..r....r.f.s...", "R..r..f.R-.s.f..", "R.rs..f.R.r..sf."), base=98, legato=0.7
            ),
            pitches=(28, 52),
            mix=TrackMix(level_lu=-2, reverb=0.08),
        ),
        BandPart(
            "guitar",
            ("muted guitar", "clean guitar"),
            Figure(
                ("1.2.3.2.1.2.3.2.", "1.31.3.21.31.3.2", "1231.3212.31.321"),
                voices=4,
                base=78,
                legato=0.5,
            ),
            pitches=(55, 79),
            mix=TrackMix(level_lu=-4, pan=0.4, reverb=0.15),
        ),
        BandPart(
            "chords",
            ("drawbar organ", "electric piano", "clean guitar"),
            Figure(
                ("....C.......C..c", "..C..c....C..c..", ".c.C..c..c.C..c."), base=78, legato=0.5
            ),
            pitches=(53, 76),
            mix=TrackMix(level_lu=-5, pan=-0.35, reverb=0.2),
        ),
        BandPart(
            "melody",
            ("brass section", "tenor saxophone", "alto saxophone", "trumpet"),
            Melody(
                ("x-x-..x-x---....", "..x-x-x-..x-x---", "x-.x-.x-x-x-x-.."),
                base=94,
                legato=0.75,
                pentatonic=True,
                thirds=True,
            ),
            pitches=(57, 79),
            mix=TrackMix(level_lu=-2, reverb=0.3),
            chance=0.9,
            enters=0.75,
        ),
    ),
    density=(0.3, 1.0),
    brightness=(0.3, 0.85),
    loose_ms=7.0,
    section_bars=8,
)
