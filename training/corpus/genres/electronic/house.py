"""House: four on the floor, off-beat bass, short chords."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

HOUSE = Genre(
    name="house",
    tempo_bpm=(114, 132),
    progressions={
        "minor": ("i9|i9|bVImaj7|bVII", "i7|bIII|bVII|iv7", "bVImaj7|v7|i9|i9", "i9|iv9|i9|v7"),
        "dorian": ("i9|i9|IV9|IV9", "i7|bVIImaj7|IV7|i7"),
    },
    parts=(
        BandPart(
            "drums",
            ("drum machine", "electronic drums"),
            Drums(
                (
                    (
                        ("kick", "9...9...9...9..."),
                        ("open", "..6...6...6...6."),
                        ("clap", "....7.......7..."),
                    ),
                    (
                        ("kick", "9...9...9...9..."),
                        ("closed", "..7...7...7...7."),
                        ("rim", "....6..6....6..."),
                    ),
                    (
                        ("kick", "9...9...9...9..."),
                        ("open", "..7...7...7...7."),
                        ("snare", "....7.......7..."),
                        ("shaker", "5353535353535353"),
                    ),
                    (
                        ("kick", "9...9...9...9..."),
                        ("open", "..7...7...7...7."),
                        ("closed", "c.b.c.bac.b.c.ba"),
                        ("clap", "....8.......8..."),
                        ("rim", "...e.....e....f."),
                    ),
                    (
                        ("kick", "9...9...9...9.d."),
                        ("open", "..7...7...7...7."),
                        ("closed", "4253425342534253"),
                        ("clap", "....8.......8..c"),
                        ("conga_high", "...5..5....5..4."),
                        ("shaker", "3232323232323232"),
                    ),
                ),
                fills=(
                    (
                        ("kick", "9...9...9......."),
                        ("open", "..7...7...7....."),
                        ("clap", "....8.......8.88"),
                    ),
                    (
                        ("kick", "9...9...9...9..."),
                        ("open", "..7...7...7...7."),
                        ("snare", "....7...7.7.7787"),
                    ),
                ),
            ),
            mix=TrackMix(level_lu=-1, reverb=0.12),
        ),
        BandPart(
            "bass",
            ("synth bass", "deep synth bass", "finger bass"),
            Figure(
                ("..R-..r-..R-..r-", "..R-..ro..R-..sr", "R..r..R-..r.o-s.", "r.Ro.rR-.ro.R-sa"),
                base=92,
                legato=0.85,
            ),
            pitches=(31, 55),
            mix=TrackMix(level_lu=-5, reverb=0.05),
        ),
        BandPart(
            "chords",
            ("digital piano", "piano", "drawbar organ", "electric piano", "bright piano"),
            Figure(
                ("C--.....C--.....", "C..c..c...c..c..", "..C-..c-..C-..c-", "c..c..C-.c.c..C-"),
                base=80,
                legato=0.8,
            ),
            pitches=(52, 77),
            mix=TrackMix(level_lu=-4, pan=-0.15, reverb=0.35),
            enters=0.5,
        ),
        BandPart(
            "pad",
            ("synth strings", "warm pad", "sweep pad", "strings"),
            Figure(("c---------------",), base=66, legato=1.0),
            pitches=(55, 81),
            mix=TrackMix(level_lu=-7, pan=0.2, reverb=0.6),
            chance=0.6,
            motion="pump",
        ),
        BandPart(
            "melody",
            ("saw lead", "flute", "vibraphone", "brass section", "poly synth"),
            Melody(
                ("x--x--x-........", "..x-x-..x-x-....", "x-x..x.xx-..x-x-"),
                base=80,
                legato=0.8,
                pentatonic=True,
            ),
            pitches=(62, 86),
            mix=TrackMix(level_lu=-4, pan=0.1, reverb=0.5),
            chance=0.55,
            enters=0.85,
        ),
    ),
    density=(0.25, 0.9),
    brightness=(0.35, 0.9),
    loose_ms=1.5,
    form=(("A", 0.75), ("B", 1.0), ("A", 0.6), ("B", 1.0)),
)
