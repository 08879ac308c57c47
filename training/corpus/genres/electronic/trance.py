"""Trance: four on the floor, off-beat bass, arpeggios in sixteenths, long pads."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

TRANCE = Genre(
    name="trance",
    tempo_bpm=(126, 148),
    progressions={
        "minor": ("i|bVI|bIII|bVII", "i|i|bVI|bVII", "bVI|bVII|i|i", "i|v|bVI|bVII"),
        "dorian": ("i|IV|i|bVII", "i|bVII|IV|IV"),
    },
    parts=(
        BandPart(
            "drums",
            ("electronic drums", "drum machine"),
            Drums(
                (
                    (("kick", "9...9...9...9..."), ("open", "..7...7...7...7.")),
                    (
                        ("kick", "9...9...9...9..."),
                        ("open", "..7...7...7...7."),
                        ("clap", "....8.......8..."),
                        ("closed", "3.3.3.3.3.3.3.3."),
                    ),
                    (
                        ("kick", "9...9...9...9..."),
                        ("open", "..8...8...8...8."),
                        ("clap", "....8.......8..."),
                        ("closed", "4253425342534253"),
                        ("ride", "..4...4...4...4."),
                    ),
                ),
                fills=(
                    (("kick", "9...9...9...9..."), ("snare", "5.5.5.5.66667777")),
                    (("kick", "9...9..........."), ("snare", "4444555566667777")),
                ),
                crash=True,
            ),
            mix=TrackMix(level_lu=0, reverb=0.12),
        ),
        BandPart(
            "bass",
            ("synth bass", "deep synth bass"),
            Figure(
                ("..r-..r-..r-..r-", "..rr..rr..rr..rr", ".rrr.rrr.rrr.rrr"), base=92, legato=0.8
            ),
            pitches=(28, 50),
            mix=TrackMix(level_lu=-4, reverb=0.05),
        ),
        BandPart(
            "arpeggio",
            ("saw lead", "poly synth", "square lead", "crystal synth"),
            Figure(
                ("1.2.3.4.3.2.1.2.", "1.23.4231.23.423", "1232343212343234", "1324152413241524"),
                voices=5,
                base=74,
                legato=0.55,
            ),
            pitches=(55, 84),
            mix=TrackMix(level_lu=-5, pan=0.2, reverb=0.5),
        ),
        BandPart(
            "pad",
            ("synth strings", "sweep pad", "halo pad", "warm pad"),
            Figure(("c---------------",), voices=5, base=70, legato=1.02),
            pitches=(50, 79),
            mix=TrackMix(level_lu=-6, pan=-0.1, reverb=0.8),
            motion="pump",
        ),
        BandPart(
            "melody",
            ("saw lead", "poly synth", "square lead"),
            Melody(
                ("x---x---x---x---", "x--x--x-x--x--x-", "x-x---x-x-x-x---"), base=88, legato=0.95
            ),
            pitches=(64, 88),
            mix=TrackMix(level_lu=-3, reverb=0.7),
            chance=0.7,
            enters=0.8,
        ),
    ),
    density=(0.25, 0.95),
    brightness=(0.35, 0.95),
    loose_ms=0.0,
    section_bars=8,
    form=(("A", 0.75), ("B", 1.0), ("A", 0.6), ("B", 1.0)),
)
