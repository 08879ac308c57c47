"""UK garage: a skipping two-step beat, swung hats, organ stabs and a deep bass."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

UK_GARAGE = Genre(
    name="uk_garage",
    tempo_bpm=(126, 138),
    progressions={
        "minor": ("i9|i9|iv9|v7", "i7|bVImaj7|bVII|v7", "i9|i9|bVImaj7|bVImaj7"),
        "dorian": ("i9|IV9|i9|IV9",),
    },
    parts=(
        BandPart(
            "drums",
            ("drum machine", "electronic drums"),
            Drums(
                (
                    (
                        ("kick", "9.........8....."),
                        ("snare", "....8.......8..."),
                        ("closed", "..6...6...6...6."),
                    ),
                    (
                        ("kick", "9.....c...9....."),
                        ("clap", "....8.......8..."),
                        ("closed", "..63..63..63..63"),
                        ("rim", "...5...5.....5.."),
                        ("open", "..............5."),
                    ),
                    (
                        ("kick", "9..c......9..d.."),
                        ("clap", "....8.......8..."),
                        ("snare", ".......4.4.....4"),
                        ("closed", "3.634.633.634.63"),
                        ("shaker", "4343434343434343"),
                    ),
                ),
                fills=(
                    (("kick", "9......."), ("snare", "....8..6.6..8.66"), ("closed", "..6...6.")),
                ),
            ),
            mix=TrackMix(level_lu=-1, reverb=0.12),
        ),
        BandPart(
            "bass",
            ("deep synth bass", "synth bass"),
            Figure(
                ("R-....r-..r-....", "R--r..r-..s-..f-", "R.r..rR-.r..s-fa"), base=100, legato=0.8
            ),
            pitches=(28, 50),
            mix=TrackMix(level_lu=-2, reverb=0.05),
        ),
        BandPart(
            "chords",
            ("drawbar organ", "digital piano", "electric piano"),
            Figure(
                ("..C...........c.", "..C..c....C..c..", ".cC..c..c.C..c.c"), base=84, legato=0.5
            ),
            pitches=(53, 77),
            mix=TrackMix(level_lu=-3, pan=-0.2, reverb=0.3),
        ),
        BandPart(
            "pad",
            ("synth strings", "warm pad", "choir pad"),
            Figure(("c---------------",), voices=4, base=62, legato=1.0),
            pitches=(53, 77),
            mix=TrackMix(level_lu=-8, pan=0.2, reverb=0.6),
            chance=0.6,
        ),
        BandPart(
            "melody",
            ("vibraphone", "square lead", "choir", "poly synth", "flute"),
            Melody(
                ("x--x--x-........", "..x-x-..x--x-...", "x-x..x-x..x-x-.."),
                base=80,
                legato=0.75,
                pentatonic=True,
            ),
            pitches=(62, 86),
            mix=TrackMix(level_lu=-4, pan=0.15, reverb=0.45),
            chance=0.6,
            enters=0.8,
        ),
    ),
    density=(0.2, 0.9),
    brightness=(0.3, 0.85),
    swing=0.57,
    swing_unit=0.25,
    loose_ms=2.0,
)
