"""Pop: four chords, a clear backbeat, a singable melody."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

POP = Genre(
    name="pop",
    tempo_bpm=(90, 130),
    progressions={
        "major": ("I|V|vi|IV", "vi|IV|I|V", "I|vi|IV|V", "IV|I|V|vi"),
        "minor": ("i|bVI|bIII|bVII", "bVI|bVII|i|i"),
    },
    parts=(
        BandPart(
            "drums",
            ("drums", "electronic drums", "drum machine"),
            Drums(
                (
                    (
                        ("kick", "9.......9......."),
                        ("snare", "....8.......8..."),
                        ("closed", "5.5.5.5.5.5.5.5."),
                    ),
                    (
                        ("kick", "9.....7.9......."),
                        ("snare", "....9.......9..."),
                        ("clap", "....6.......6..."),
                        ("closed", "6.5.6.5.6.5.6.5."),
                    ),
                    (
                        ("kick", "9..7..7.9..7...."),
                        ("snare", "....9.......9..."),
                        ("clap", "....7.......7..."),
                        ("closed", "6454645464546454"),
                        ("tambourine", "..4...4...4...4."),
                    ),
                ),
                fills=(
                    (("kick", "9......."), ("snare", "....9...7.7.7777")),
                    (
                        ("kick", "9.......9..."),
                        ("tom_high", "........88......"),
                        ("tom_low", "..........8.8.88"),
                    ),
                ),
                crash=True,
            ),
            mix=TrackMix(level_lu=-1, reverb=0.15),
        ),
        BandPart(
            "bass",
            ("finger bass", "synth bass", "picked bass"),
            Figure(
                ("R-------R-------", "R---..r-R---..r-", "R-r-r-r-R-r-r-r-"), base=94, legato=0.92
            ),
            pitches=(28, 50),
            mix=TrackMix(level_lu=-3, reverb=0.06),
        ),
        BandPart(
            "chords",
            ("piano", "bright piano", "digital piano", "clean guitar"),
            Figure(
                ("C-------c-------", "C---c---c---c---", "C--c--c-C--c--c-"), base=80, legato=0.9
            ),
            pitches=(52, 77),
            mix=TrackMix(level_lu=-3, pan=-0.2, reverb=0.3),
        ),
        BandPart(
            "strum",
            ("steel guitar", "clean guitar"),
            Figure(("c...c.c.c...c.c.", "c.ccc.ccc.ccc.cc"), base=76, legato=0.7, strum=0.012),
            pitches=(50, 76),
            mix=TrackMix(level_lu=-6, pan=0.35, reverb=0.2),
            chance=0.6,
            enters=0.5,
        ),
        BandPart(
            "pad",
            ("warm pad", "strings", "synth strings"),
            Figure(("c---------------",), voices=4, base=64, legato=1.0),
            pitches=(52, 77),
            mix=TrackMix(level_lu=-9, reverb=0.6),
            chance=0.6,
            enters=0.7,
        ),
        BandPart(
            "melody",
            ("choir", "saw lead", "clean guitar", "flute", "bright piano"),
            Melody(
                ("x---x-x-x-------", "x-x-x-x-x---x---", "x-xxx-x-x-x-x-x-"),
                base=90,
                pentatonic=True,
            ),
            pitches=(62, 84),
            mix=TrackMix(level_lu=-1, reverb=0.4),
            chance=0.95,
            enters=0.5,
        ),
    ),
    density=(0.2, 0.9),
    brightness=(0.35, 0.95),
    loose_ms=4.0,
)
