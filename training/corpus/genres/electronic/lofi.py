"""Lo-fi hip hop: slow and muffled, with slightly late seventh chords."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

LOFI = Genre(
    name="lofi",
    tempo_bpm=(64, 94),
    progressions={
        "major": ("ii9|V9|Imaj9|vi7", "IVmaj7|iii7|vi9|Imaj7", "Imaj9|vi9|ii9|V9"),
        "minor": ("i9|iv9|bVImaj7|v7", "bVImaj9|v7|i9|bIIImaj7"),
    },
    parts=(
        BandPart(
            "drums",
            ("room drums", "drum machine", "drums"),
            Drums(
                (
                    (
                        ("kick", "8.........7....."),
                        ("snare", "....6.......6..."),
                        ("closed", "4...4...4...4..."),
                    ),
                    (
                        ("kick", "8.....6...7..6.."),
                        ("rim", "....7.......7..."),
                        ("closed", "4.4.4.4.4.4.4.4."),
                    ),
                    (
                        ("kick", "8......d..7....."),
                        ("snare", "....7.......7..c"),
                        ("closed", "4.3.4.3.4.3.4.3."),
                    ),
                    (
                        ("kick", "8..6...6..8....."),
                        ("rim", "....7..3....7.3."),
                        ("closed", "4.334.3.4.334.33"),
                        ("shaker", "2.2.2.2.2.2.2.2."),
                    ),
                ),
                fills=(
                    (
                        ("kick", "8......6..7....."),
                        ("snare", "....7......4.556"),
                        ("closed", "4.3.4.3.4..."),
                    ),
                ),
            ),
            mix=TrackMix(level_lu=-4, reverb=0.25),
        ),
        BandPart(
            "bass",
            ("upright bass", "finger bass", "fretless bass"),
            Figure(
                ("r-----------....", "r-----..r---f---", "r--.r-..s-..f-a."),
                base=82,
                legato=0.95,
            ),
            pitches=(28, 50),
            mix=TrackMix(level_lu=-6, reverb=0.1),
        ),
        BandPart(
            "chords",
            ("electric piano", "piano", "jazz guitar", "vibraphone"),
            Figure(
                ("c---------------", "c-----..c-------", "c--g..c---g.c---", "C--.g.c-..c-g.c-"),
                base=66,
                legato=1.02,
                strum=0.035,
            ),
            pitches=(50, 74),
            mix=TrackMix(level_lu=-3, pan=-0.15, reverb=0.4),
        ),
        BandPart(
            "melody",
            ("piano", "vibraphone", "nylon guitar", "muted trumpet", "flute", "music box"),
            Melody(
                ("x-----x---......", "..x-x---x-......", "x-x-..x-x-x-...."),
                base=68,
                pentatonic=True,
                rests=0.8,
            ),
            pitches=(62, 82),
            mix=TrackMix(level_lu=-4, pan=0.25, reverb=0.5),
            chance=0.7,
            enters=0.75,
        ),
        BandPart(
            "pad",
            ("warm pad", "slow strings"),
            Figure(("c---------------",), voices=3, base=50),
            pitches=(55, 76),
            mix=TrackMix(level_lu=-10, reverb=0.6),
            chance=0.4,
        ),
    ),
    density=(0.1, 0.65),
    brightness=(0.0, 0.4),
    swing=0.59,
    swing_unit=0.25,
    loose_ms=11.0,
    form=(("A", 0.7), ("A", 0.85), ("B", 0.9), ("A", 0.8)),
)
