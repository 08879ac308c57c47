"""Salsa: clave, congas and bells under a piano montuno, a bass that anticipates, brass."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

SALSA = Genre(
    name="salsa",
    tempo_bpm=(80, 108),
    progressions={
        "minor": ("i|iv|V7|V7", "i7|bVII|bVI|V7", "i|i|V7|V7"),
        "major": ("I|IV|V7|IV", "I6|VI7|ii7|V7"),
    },
    parts=(
        BandPart(
            "drums",
            ("drums", "room drums"),
            Drums(
                (
                    (
                        ("claves", "9..9..9...9.9..."),
                        ("conga_mute", "4...6...4...6..."),
                        ("conga_high", "......7.......7."),
                        ("conga_low", ".......7.......7"),
                        ("kick", "7.....4.7.....4."),
                    ),
                    (
                        ("claves", "9..9..9...9.9..."),
                        ("conga_mute", "4.4.7.4.4.4.7.4."),
                        ("conga_high", "......88......88"),
                        ("cowbell", "8...5...8...5..."),
                        ("cabasa", "6.4.6.4.6.4.6.4."),
                        ("kick", "8...5...8...5..."),
                    ),
                    (
                        ("claves", "9..9..9...9.9..."),
                        ("conga_mute", "4.4.7.4.4.4.7.4."),
                        ("conga_high", "......88......88"),
                        ("cowbell", "8.558.558.558.55"),
                        ("timbale", "6.66.66.6.66.66."),
                        ("cabasa", "6.4.6.4.6.4.6.4."),
                        ("kick", "8...5...8...5..."),
                        ("bongo_high", "7.5.7.5.7.5.7.5."),
                    ),
                ),
                fills=(
                    (
                        ("claves", "9..9..9...9.9..."),
                        ("timbale", "........8.8.8888"),
                        ("cowbell", "8...5...8......."),
                    ),
                ),
            ),
            mix=TrackMix(level_lu=0, reverb=0.25),
        ),
        BandPart(
            "bass",
            ("upright bass", "finger bass"),
            Figure(
                ("......f-....o---", "R-....f-....o-a-", "R--r..f-..f-o-a-"), base=98, legato=0.9
            ),
            pitches=(28, 54),
            mix=TrackMix(level_lu=-2, reverb=0.12),
        ),
        BandPart(
            "chords",
            ("piano", "bright piano"),
            Figure(
                ("C.c..c.c.c.c.c.c", "1.42.42.1.42.424", "14.24.2414.24.24"),
                voices=5,
                base=88,
                legato=0.6,
            ),
            pitches=(57, 86),
            mix=TrackMix(level_lu=-2, pan=-0.2, reverb=0.2),
        ),
        BandPart(
            "melody",
            ("trumpet", "flute", "brass section", "alto saxophone"),
            Melody(
                ("x--x--x-x---....", "..x-x-xx-x-x-...", "x-x-.x-x-x-x-x--"), base=92, legato=0.8
            ),
            pitches=(60, 84),
            mix=TrackMix(level_lu=-2, pan=0.15, reverb=0.35),
            chance=0.85,
            enters=0.6,
        ),
        BandPart(
            "brass",
            ("brass section",),
            Figure(
                ("C--c............", "C..C..c.....C...", "..C.c...C.C.c..."), base=92, legato=0.55
            ),
            pitches=(55, 77),
            mix=TrackMix(level_lu=-5, pan=0.3, reverb=0.3),
            chance=0.6,
            enters=0.8,
        ),
    ),
    density=(0.3, 1.0),
    brightness=(0.4, 0.95),
    loose_ms=6.0,
)
