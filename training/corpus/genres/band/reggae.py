"""Reggae and dub: accents on the third beat, chords on the off-beats, echoes."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

REGGAE = Genre(
    name="reggae",
    tempo_bpm=(62, 90),
    progressions={
        "major": ("I|IV|I|V", "I|ii|I|ii", "I|V|vi|IV"),
        "minor": ("i|iv|i|v", "i|bVII|i|bVII", "i|i|bVI|bVII"),
    },
    parts=(
        BandPart(
            "drums",
            ("room drums", "drums"),
            Drums(
                (
                    (
                        ("kick", "........9......."),
                        ("rim", "........9......."),
                        ("closed", "5...5...5...5..."),
                    ),
                    (
                        ("kick", "8...8...8...8..."),
                        ("rim", "........8......."),
                        ("closed", "..6...6...6...6."),
                    ),
                    (
                        ("kick", "........9......."),
                        ("rim", "........8......."),
                        ("closed", "6.456.456.456.45"),
                    ),
                    (
                        ("kick", "7...7...9...7..."),
                        ("rim", "........9..4..4."),
                        ("closed", "6.456.456.456.45"),
                        ("timbale", "...d......d...c."),
                    ),
                ),
                fills=(
                    (
                        ("kick", "........9......."),
                        ("snare", "....7.7.9......."),
                        ("timbale", "..........7.7787"),
                    ),
                ),
            ),
            mix=TrackMix(level_lu=-2, reverb=0.35),
        ),
        BandPart(
            "bass",
            ("finger bass", "deep synth bass"),
            Figure(
                (
                    "R---..r-f---....|..r-t-f-R---....",
                    "R--r..t-f-..t-r-",
                    "..R-r-t-f-r-..f-|R-..r-f-t-r-....",
                ),
                base=100,
                legato=0.9,
            ),
            pitches=(28, 52),
            mix=TrackMix(level_lu=-3, reverb=0.1),
        ),
        BandPart(
            "skank",
            ("clean guitar", "muted guitar", "piano"),
            Figure(
                ("....C.......C...", "....C-......C.c."), voices=3, base=84, legato=0.4, strum=0.012
            ),
            pitches=(57, 77),
            mix=TrackMix(level_lu=-5, pan=0.3, reverb=0.3),
        ),
        BandPart(
            "organ",
            ("drawbar organ", "rock organ"),
            Figure(
                ("..c...c...c...c.", "..c.c.c...c.c.c.", "..cgc.cg..cgc.cg"), base=66, legato=0.6
            ),
            pitches=(53, 74),
            mix=TrackMix(level_lu=-7, pan=-0.35, reverb=0.35),
            chance=0.8,
        ),
        BandPart(
            "melody",
            ("harmonica", "trumpet", "tenor saxophone", "rock organ", "pan flute"),
            Melody(
                ("x---x-x-........", "..x-x-x-x---....", "x-x-x---..x-x-x-"), base=80, rests=0.9
            ),
            pitches=(60, 80),
            mix=TrackMix(level_lu=-4, pan=-0.1, reverb=0.7),
            chance=0.65,
            enters=0.8,
        ),
        BandPart(
            "dub",
            ("electric piano", "brass section", "harmonica"),
            Figure(
                ("....C...........|................", "....C.......C...|................"),
                voices=3,
                base=84,
                legato=0.6,
                echoes=4,
            ),
            pitches=(60, 80),
            mix=TrackMix(level_lu=-8, pan=0.2, reverb=0.9),
            chance=0.5,
            enters=0.65,
        ),
    ),
    density=(0.1, 0.7),
    brightness=(0.1, 0.6),
    swing=0.56,
    swing_unit=0.25,
    loose_ms=8.0,
)
