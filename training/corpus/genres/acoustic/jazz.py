"""Jazz: a walking bass, a swung ride cymbal, syncopated chords."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.composition.walking import Walking
from soundstage.training.corpus.genre import BandPart, Genre

JAZZ = Genre(
    name="jazz",
    tempo_bpm=(96, 196),
    progressions={
        "major": (
            "Imaj7|VI7|ii7|V7|iii7|VI7|ii7|V7",
            "ii7|V7|Imaj7|Imaj7|iv7|bVII7|Imaj7|VI7",
            "Imaj7 vi7|ii7 V7|iii7 VI7|ii7 V7|I7|IVmaj7|iii7 VI7|ii7 V7",
        ),
        "minor": ("iim7b5|V7|i6|i6|iv7|bVII7|bIIImaj7|V7", "i6|bVI7|iim7b5|V7"),
        "mixolydian": ("I7|IV7|I7|I7|IV7|IV7|I7|VI7|ii7|V7|I7|V7",),
    },
    parts=(
        BandPart(
            "drums",
            ("jazz drums", "brushed drums"),
            Drums(
                (
                    (("ride", "6.....5...6....."), ("pedal", "....6.......6...")),
                    (
                        ("ride", "6.....5...6.7..."),
                        ("pedal", "....6.......6..."),
                        ("kick", "4.......3......."),
                    ),
                    (
                        ("ride", "6...7..56...7..5"),
                        ("pedal", "....6.......6..."),
                        ("kick", "3...3...3...3..."),
                        ("snare", "...f..e....e..d."),
                    ),
                    (
                        ("ride", "6...7.5.6...7.5."),
                        ("pedal", "....7.......7..."),
                        ("kick", "3...3..d3...3.c."),
                        ("snare", "..e.c.a...d.b.c."),
                    ),
                ),
                fills=(
                    (
                        ("ride", "6...7.5.6......."),
                        ("pedal", "....7.......7..."),
                        ("snare", "..4.5...6.5.7.6."),
                    ),
                ),
            ),
            mix=TrackMix(level_lu=-5, reverb=0.25),
        ),
        BandPart(
            "bass",
            ("upright bass",),
            Walking(),
            pitches=(28, 52),
            mix=TrackMix(level_lu=-4, reverb=0.15),
        ),
        BandPart(
            "chords",
            ("piano", "jazz guitar", "vibraphone"),
            Figure(
                (
                    "C-----c---------",
                    "C-----c-........|..c-........C---",
                    "..C---....c-..c-",
                    "C-..c-..C-....c-|..c-..C-..c---..",
                ),
                base=68,
                legato=0.85,
                strum=0.01,
            ),
            pitches=(50, 74),
            mix=TrackMix(level_lu=-4, pan=-0.25, reverb=0.3),
        ),
        BandPart(
            "melody",
            (
                "piano",
                "tenor saxophone",
                "muted trumpet",
                "clarinet",
                "jazz guitar",
                "alto saxophone",
                "vibraphone",
                "trumpet",
            ),
            Melody(
                ("x---x---x-x-----", "x-x-x-----x-x---", "x-x-x-x-x---x-x-", "x-x-x-x-x-x-x-x-"),
                base=86,
                legato=0.9,
            ),
            pitches=(60, 82),
            mix=TrackMix(level_lu=-1, pan=0.2, reverb=0.35),
            enters=0.6,
        ),
    ),
    density=(0.25, 0.95),
    brightness=(0.15, 0.7),
    swing=0.63,
    loose_ms=9.0,
    section_bars=8,
    form=(("A", 0.75), ("A", 0.9), ("B", 1.0), ("A", 0.85)),
)
