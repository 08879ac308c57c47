"""Folk: a picked guitar and one or more other instruments."""

from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

FOLK = Genre(
    name="folk",
    tempo_bpm=(76, 142),
    progressions={
        "major": ("I|V|vi|IV", "I|IV|I|V", "I|I|IV|I|V|IV|I|V", "IV|I|V|vi"),
        "dorian": ("i|bVII|i|bVII", "i|IV|bVII|i"),
        "mixolydian": ("I|bVII|IV|I",),
    },
    parts=(
        BandPart(
            "guitar",
            ("steel guitar", "nylon guitar"),
            Figure(
                ("r-2-3-4-3-2-3-2-", "r.3.f.4.r.3.f.2.", "r-3-F24-r-34F-32", "R-..C-gcF-..C-gc"),
                voices=5,
                base=78,
                legato=1.3,
                strum=0.012,
            ),
            pitches=(45, 72),
            mix=TrackMix(level_lu=-2, pan=-0.15, reverb=0.25),
        ),
        BandPart(
            "bass",
            ("upright bass", "finger bass"),
            Figure(("r-------f-------", "r---....f---..a-"), base=76),
            pitches=(28, 50),
            mix=TrackMix(level_lu=-8, reverb=0.15),
            chance=0.55,
            enters=0.75,
        ),
        BandPart(
            "second guitar",
            ("nylon guitar", "banjo", "steel guitar"),
            Figure(
                ("3-------4-------", "..3.4...3.2.4...", "4.3.5.3.4.3.5.3.", "4354345343543453"),
                voices=5,
                base=64,
                legato=0.9,
            ),
            pitches=(55, 79),
            mix=TrackMix(level_lu=-7, pan=0.4, reverb=0.3),
            chance=0.6,
            enters=0.75,
        ),
        BandPart(
            "melody",
            ("fiddle", "harmonica", "flute", "accordion", "steel guitar"),
            Melody(
                ("x-------x---x---", "x---x---x-x-x---", "x-x-x---x-x-x-x-"),
                base=80,
                pentatonic=True,
                rests=0.4,
            ),
            pitches=(62, 84),
            mix=TrackMix(level_lu=-3, pan=0.1, reverb=0.4),
            chance=0.8,
            enters=0.75,
        ),
    ),
    density=(0.1, 0.85),
    brightness=(0.3, 0.8),
    loose_ms=10.0,
)
