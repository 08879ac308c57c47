"""Waltz: three beats a bar, bass on the first and chords on the others."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

WALTZ = Genre(
    name="waltz",
    tempo_bpm=(96, 180),
    progressions={
        "major": ("I|I|V7|V7|V7|V7|I|I", "I|vi|ii|V7", "I|IV|V7|I"),
        "minor": ("i|i|V7|V7", "i|iv|V7|i"),
    },
    parts=(
        BandPart(
            "bass",
            ("double bass", "upright bass", "cello"),
            Figure(
                ("r-..........", "R---........", "R---........|f---........"), base=90, legato=0.85
            ),
            pitches=(28, 52),
            mix=TrackMix(level_lu=-3, reverb=0.3),
        ),
        BandPart(
            "chords",
            ("strings", "accordion", "piano", "pizzicato strings"),
            Figure(("....c-..c-..", "....C-..c-..", "....C-ccC-.."), voices=4, base=76, legato=0.6),
            pitches=(52, 74),
            mix=TrackMix(level_lu=-3, pan=-0.25, reverb=0.4),
        ),
        BandPart(
            "melody",
            ("violin", "accordion", "clarinet", "flute", "strings"),
            Melody(
                ("x-------x---", "x---x---x---", "x---x-x-x-x-"), base=90, legato=0.95, rests=0.2
            ),
            pitches=(62, 88),
            mix=TrackMix(level_lu=0, pan=0.15, reverb=0.45),
        ),
        BandPart(
            "counter",
            ("french horn", "cello", "clarinet"),
            Melody(("x-----------", "x-------x---", "x---x---x---"), base=74),
            pitches=(48, 67),
            mix=TrackMix(level_lu=-6, pan=0.35, reverb=0.5),
            chance=0.5,
            enters=0.7,
        ),
        BandPart(
            "drums",
            ("brushed drums", "drums"),
            Drums(
                (
                    (("kick", "7..........."), ("closed", "....5...5...")),
                    (("kick", "8..........."), ("snare", "....5...5..."), ("ride", "6...5...5...")),
                    (("kick", "8.........c."), ("snare", "....6.a.6.c."), ("ride", "6...6.5.6...")),
                ),
            ),
            mix=TrackMix(level_lu=-5, reverb=0.3),
            chance=0.6,
        ),
    ),
    density=(0.1, 0.9),
    brightness=(0.3, 0.85),
    beats_per_bar=3,
    loose_ms=9.0,
    section_bars=8,
)
