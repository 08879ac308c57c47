"""Samba: a low drum on the second beat, sixteenths of shakers, syncopated guitar."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

SAMBA = Genre(
    name="samba",
    tempo_bpm=(88, 118),
    progressions={
        "major": ("Imaj7|VI7|ii7|V7", "I6|I6|ii7|V7", "Imaj7|IV7|iii7 VI7|ii7 V7"),
        "minor": ("i6|iv7|V7|i6", "i7|bVImaj7|iim7b5|V7"),
    },
    parts=(
        BandPart(
            "drums",
            ("drums", "room drums"),
            Drums(
                (
                    (
                        ("kick", "7...7...7...7..."),
                        ("tom_low", "4...9...4...9..."),
                        ("shaker", "9336933693369336"),
                        ("rim", "..4..4..4.4..4.."),
                    ),
                    (
                        ("kick", "8..58..58..58..5"),
                        ("tom_low", "....9.......9..."),
                        ("shaker", "9336933693369336"),
                        ("rim", "4.4..4.4..4.4..4"),
                        ("tambourine", "5.455.455.455.45"),
                    ),
                    (
                        ("kick", "8..58..58..58..5"),
                        ("tom_low", "....9..d....9..d"),
                        ("shaker", "9336933693369336"),
                        ("woodblock", "5.5..5.5..5.5..5"),
                        ("tambourine", "6.466.466.466.46"),
                        ("cowbell", "4..4..4...4..4.."),
                        ("snare", "3343334333433343"),
                    ),
                ),
                fills=(
                    (
                        ("tom_low", "4...9..........."),
                        ("snare", "3343334377.77.77"),
                        ("shaker", "9336933693369336"),
                    ),
                ),
            ),
            mix=TrackMix(level_lu=0, reverb=0.25),
        ),
        BandPart(
            "bass",
            ("upright bass", "finger bass"),
            Figure(("R--rf--fR--rf--f", "R--fR--aR--fR--a"), base=90, legato=0.85),
            pitches=(28, 52),
            mix=TrackMix(level_lu=-4, reverb=0.15),
        ),
        BandPart(
            "chords",
            ("nylon guitar", "steel guitar"),
            Figure(
                ("c.c..c.c..c.c..c", "C.c.cc.c.C.c.c.c", "c.cc.c.cc.c.cc.c"), base=80, legato=0.6
            ),
            pitches=(50, 74),
            mix=TrackMix(level_lu=-3, pan=-0.25, reverb=0.25),
        ),
        BandPart(
            "melody",
            ("flute", "trumpet", "accordion", "clarinet", "nylon guitar"),
            Melody(
                ("x--x--x-x---x---", "x-x--x-x--x-x---", "..x-x-xx-x-x-x--"), base=88, legato=0.85
            ),
            pitches=(62, 86),
            mix=TrackMix(level_lu=-2, pan=0.2, reverb=0.35),
            chance=0.85,
            enters=0.6,
        ),
        BandPart(
            "brass",
            ("brass section",),
            Figure(
                ("........C--c....", "C..c..C.........", "..C...c.C..c...."), base=84, legato=0.6
            ),
            pitches=(55, 76),
            mix=TrackMix(level_lu=-6, pan=0.3, reverb=0.35),
            chance=0.4,
            enters=0.85,
        ),
    ),
    density=(0.3, 1.0),
    brightness=(0.35, 0.9),
    loose_ms=6.0,
)
