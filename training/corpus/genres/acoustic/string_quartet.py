"""String quartet: a melody, two inner voices, a bass, all bowed."""

from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

STRING_QUARTET = Genre(
    name="string_quartet",
    tempo_bpm=(62, 142),
    progressions={
        "major": ("I|vi|ii|V7|I|IV|V7|I", "I|V|vi|IV|ii|V7|I|V7", "I|I|IV|V|vi|ii|V7|I"),
        "minor": ("i|iv|bVII|bIII|bVI|iv|V7|i", "i|V7|i|bVI|iv|i|V7|V7", "i|bVII|bVI|V7"),
    },
    parts=(
        BandPart(
            "first violin",
            ("violin",),
            Melody(
                ("x-----------x---", "x-------x---x---", "x---x-x-x---x-x-", "x-x-x-x-xxxxx-x-"),
                base=86,
                legato=1.0,
                rests=0.2,
            ),
            pitches=(64, 91),
            mix=TrackMix(level_lu=-3, pan=-0.4, reverb=0.5),
        ),
        BandPart(
            "second violin",
            ("violin",),
            Figure(
                ("2---------------", "2-------2---2---", "1-2-1-2-1-2-1-2-", "1212212112122111"),
                voices=2,
                base=68,
                legato=0.95,
            ),
            pitches=(58, 79),
            mix=TrackMix(level_lu=-6, pan=-0.12, reverb=0.5),
        ),
        BandPart(
            "viola",
            ("viola",),
            Figure(
                ("1---------------", "1-------2-------", "2-1-2-1-2-1-2-1-", "..2-..2-..2-..2-"),
                voices=2,
                base=68,
                legato=0.95,
            ),
            pitches=(50, 70),
            mix=TrackMix(level_lu=-5, pan=0.15, reverb=0.5),
        ),
        BandPart(
            "cello",
            ("cello",),
            Figure(
                ("r---------------", "r-------f-------", "r---r---f---r---", "r-r-f-r-t-r-f-a-"),
                base=78,
                legato=0.98,
            ),
            pitches=(36, 57),
            mix=TrackMix(level_lu=-6, pan=0.4, reverb=0.5),
        ),
    ),
    density=(0.0, 0.9),
    brightness=(0.2, 0.75),
    loose_ms=9.0,
    section_bars=8,
    form=(("A", 0.75), ("B", 1.0), ("A", 0.85)),
)
