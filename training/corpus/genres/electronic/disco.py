"""Disco: four on the floor, octaves in the bass, strings above."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

DISCO = Genre(
    name="disco",
    tempo_bpm=(104, 130),
    progressions={
        "minor": ("i7|iv7|bVII|bIIImaj7", "i7|bVImaj7|iv7|v7", "i|i|bVII|bVI"),
        "major": ("Imaj7|vi7|ii7|V7", "IVmaj7|iii7|ii7|V7", "I|vi|IV|V"),
    },
    parts=(
        BandPart(
            "drums",
            ("drums", "room drums", "power drums"),
            Drums(
                (
                    (
                        ("kick", "9...9...9...9..."),
                        ("snare", "....8.......8..."),
                        ("open", "..6...6...6...6."),
                    ),
                    (
                        ("kick", "9...9...9...9..."),
                        ("clap", "....8.......8..."),
                        ("closed", "..7...7...7...7."),
                    ),
                    (
                        ("kick", "9...9...9...9..."),
                        ("snare", "....8.......8..."),
                        ("closed", "6.4.6.4.6.4.6.4."),
                        ("open", "..7...7...7...7."),
                        ("tambourine", "..4...4...4...4."),
                    ),
                    (
                        ("kick", "9...9...9...9..."),
                        ("snare", "....9..3.3..9..3"),
                        ("closed", "64.464.464.464.4"),
                        ("open", "..7...7...7...7."),
                        ("conga_high", "5..5..5.5..5..5."),
                        ("tambourine", "3.5.3.5.3.5.3.5."),
                    ),
                ),
                fills=(
                    (
                        ("kick", "9...9...9...9..."),
                        ("snare", "....8...7.778888"),
                        ("open", "..7...7........."),
                    ),
                ),
                crash=True,
            ),
            mix=TrackMix(level_lu=-1, reverb=0.2),
        ),
        BandPart(
            "bass",
            ("finger bass", "picked bass", "synth bass"),
            Figure(
                ("R...r.o.R...r.o.", "R.o.r.o.R.o.r.o.", "R.o.R.o.f.o.sroa"),
                base=94,
                legato=0.75,
            ),
            pitches=(31, 57),
            mix=TrackMix(level_lu=-4, reverb=0.05),
        ),
        BandPart(
            "strings",
            ("strings", "synth strings"),
            Melody(
                ("x---------------", "x-------x-x-x---", "x---..xxxxx---..", "xxxxx---x-x-x---"),
                base=82,
                thirds=True,
                rests=0.4,
            ),
            pitches=(64, 88),
            mix=TrackMix(level_lu=-5, pan=0.15, reverb=0.55),
            enters=0.65,
        ),
        BandPart(
            "guitar",
            ("clean guitar", "muted guitar"),
            Figure(
                ("..C...c...C...c.", "g.Cgg.cgg.Cgg.cg", "ggCggccgggCgcgcg"),
                voices=3,
                base=74,
                legato=0.4,
                strum=0.012,
            ),
            pitches=(57, 80),
            mix=TrackMix(level_lu=-8, pan=-0.4, reverb=0.15),
            chance=0.85,
        ),
        BandPart(
            "keys",
            ("electric piano", "piano", "digital piano"),
            Figure(("C---....c---....", "C--c--c-...c--c-"), base=72),
            pitches=(55, 77),
            mix=TrackMix(level_lu=-7, pan=0.3, reverb=0.3),
            chance=0.7,
        ),
        BandPart(
            "horns",
            ("brass section", "trumpet"),
            Figure(
                ("............C.C.", "C-..........c.C-", "C.c.....C.C-...."),
                base=94,
                legato=0.7,
            ),
            pitches=(57, 79),
            mix=TrackMix(level_lu=-4, pan=-0.2, reverb=0.35),
            chance=0.5,
            enters=0.9,
        ),
    ),
    density=(0.4, 1.0),
    brightness=(0.5, 1.0),
    loose_ms=5.0,
)
