"""Rock: backbeat, power chords, two guitars."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

ROCK = Genre(
    name="rock",
    tempo_bpm=(92, 166),
    progressions={
        "major": ("I|V|vi|IV", "I|IV|V|IV", "vi|IV|I|V"),
        "mixolydian": ("I|bVII|IV|I", "I|I|bVII|IV"),
        "minor": ("i|bVI|bIII|bVII", "i|bVII|bVI|bVII", "i|iv|bVI|V"),
    },
    parts=(
        BandPart(
            "drums",
            ("power drums", "room drums", "drums"),
            Drums(
                (
                    (
                        ("kick", "9.......9......."),
                        ("snare", "....9.......9..."),
                        ("closed", "7.5.7.5.7.5.7.5."),
                    ),
                    (
                        ("kick", "9...9...9...9..."),
                        ("snare", "....9.......9..."),
                        ("open", "6...6...6...6..."),
                    ),
                    (
                        ("kick", "9..9....9..9...."),
                        ("snare", "....9.......9..."),
                        ("closed", "7.6.7.6.7.6.7.6."),
                    ),
                    (
                        ("kick", "9.....7.9......."),
                        ("snare", "....9.......9..c"),
                        ("open", "7...6...7...6..."),
                        ("closed", "..5...5...5...5."),
                    ),
                    (
                        ("kick", "9..7..7.9.7....."),
                        ("snare", "....9..3....9.3."),
                        ("ride", "7.6.7.6.7.6.7.6."),
                    ),
                ),
                fills=(
                    (
                        ("kick", "9.......9......."),
                        ("snare", "....9...9999...."),
                        ("tom_high", "............88.."),
                        ("tom_low", "..............99"),
                        ("closed", "7.5.7.5."),
                    ),
                    (
                        ("kick", "9.....7.9..7...."),
                        ("snare", "....9.......9.99"),
                        ("open", "7...7...7...7..."),
                    ),
                ),
                crash=True,
            ),
            mix=TrackMix(level_lu=-1, reverb=0.25),
        ),
        BandPart(
            "bass",
            ("picked bass", "finger bass"),
            Figure(
                ("R---r-r-R---r-r-", "R.r.r.r.R.r.r.r.", "R.r.r.rrR.r.f.ra"),
                base=94,
                legato=0.9,
            ),
            pitches=(28, 52),
            mix=TrackMix(level_lu=-5, reverb=0.1),
        ),
        BandPart(
            "guitar",
            ("distorted guitar", "overdriven guitar"),
            Figure(
                ("C-------c-------", "C---c-c-C---c-c-", "C.c.c.c.C.c.c.c.", "C.cccgccC.cccgcc"),
                voices=3,
                base=84,
                legato=0.9,
                strum=0.015,
                power=True,
            ),
            pitches=(43, 67),
            mix=TrackMix(level_lu=-6, pan=-0.45, reverb=0.25),
        ),
        BandPart(
            "second guitar",
            ("overdriven guitar", "clean guitar", "steel guitar", "rock organ"),
            Figure(
                ("c---------------", "1-2-3-4-3-2-3-2-", "C---c---..c-c-c-", "1.3.2.3.4.3.2.3."),
                base=76,
                legato=0.95,
                strum=0.015,
            ),
            pitches=(50, 76),
            mix=TrackMix(level_lu=-8, pan=0.45, reverb=0.3),
            chance=0.85,
        ),
        BandPart(
            "melody",
            ("distorted guitar", "overdriven guitar"),
            Melody(
                ("x-----x-x-------", "x---x-x-x---x---", "x-x-x-x-xxx-x-x-"),
                base=92,
                pentatonic=True,
            ),
            pitches=(60, 84),
            mix=TrackMix(level_lu=-4, pan=0.05, reverb=0.45),
            chance=0.7,
            enters=0.85,
        ),
    ),
    density=(0.3, 1.0),
    brightness=(0.45, 1.0),
)
