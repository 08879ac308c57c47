"""Bossa nova: a nylon guitar, syncopated against the bass; seventh chords."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

BOSSA_NOVA = Genre(
    name="bossa_nova",
    tempo_bpm=(106, 150),
    progressions={
        "major": (
            "Imaj7|Imaj7|II7|II7|ii7|V7|Imaj7|bII7",
            "Imaj9|vi7|ii9|V9",
            "Imaj7|bIII7|ii7|bII7",
        ),
        "minor": ("i6|i6|iim7b5|V7|i6|iv6|V7|i6", "i9|iv9|bVIImaj7|bIIImaj7|bVImaj7|iim7b5|V7|i6"),
    },
    parts=(
        BandPart(
            "drums",
            ("brushed drums", "jazz drums"),
            Drums(
                (
                    (
                        ("kick", "8.....68......6."),
                        ("rim", "6.....6.....6...|....6.....6....."),
                        ("closed", "7.4.7.4.7.4.7.4."),
                    ),
                    (
                        ("kick", "8.....688.....6."),
                        ("rim", "7.....7.....7...|....7.....7....."),
                        ("closed", "7353735373537353"),
                        ("shaker", "3232323232323232"),
                    ),
                ),
            ),
            mix=TrackMix(level_lu=-6, reverb=0.25),
        ),
        BandPart(
            "bass",
            ("upright bass", "finger bass", "fretless bass"),
            Figure(("R-----f-f-----r-", "R-----f-F-----fa"), base=82, legato=0.95),
            pitches=(28, 52),
            mix=TrackMix(level_lu=-6, reverb=0.15),
        ),
        BandPart(
            "guitar",
            ("nylon guitar",),
            Figure(
                ("c-----c---c-----|..c---c-----c---", "c---c---..c---c-|..c---c---c---c-"),
                base=78,
                legato=0.85,
                strum=0.015,
            ),
            pitches=(50, 74),
            mix=TrackMix(level_lu=-2, pan=-0.2, reverb=0.3),
        ),
        BandPart(
            "melody",
            ("flute", "tenor saxophone", "vibraphone", "clarinet", "piano", "muted trumpet"),
            Melody(
                ("x-----------x---", "..x---x-----x---", "x---x-x---x-x---", "..x-x-x-x---x-x-"),
                base=80,
            ),
            pitches=(60, 82),
            mix=TrackMix(level_lu=-2, pan=0.15, reverb=0.4),
            enters=0.72,
        ),
        BandPart(
            "strings",
            ("slow strings", "strings"),
            Figure(("c---------------",), voices=3, base=52),
            pitches=(60, 81),
            mix=TrackMix(level_lu=-12, pan=0.3, reverb=0.6),
            chance=0.35,
            enters=0.8,
        ),
    ),
    density=(0.2, 0.7),
    brightness=(0.15, 0.65),
    loose_ms=8.0,
    section_bars=8,
    form=(("A", 0.75), ("A", 0.9), ("B", 1.0)),
)
