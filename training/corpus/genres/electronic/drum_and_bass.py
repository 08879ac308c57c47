"""Drum and bass: broken beats at twice the pace of the other parts."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

DRUM_AND_BASS = Genre(
    name="drum_and_bass",
    tempo_bpm=(160, 182),
    progressions={
        "minor": (
            "i9|i9|bVImaj7|bVImaj7|iv9|iv9|v7|v7",
            "i7|i7|bIII|bIII|bVImaj7|bVImaj7|bVII|bVII",
        ),
        "dorian": ("i9|i9|i9|i9|IV|IV|bVIImaj7|bVIImaj7",),
    },
    parts=(
        BandPart(
            "drums",
            ("electronic drums", "power drums", "room drums"),
            Drums(
                (
                    (
                        ("kick", "9.........9....."),
                        ("snare", "....9.......9..."),
                        ("closed", "5.5.5.5.5.5.5.5."),
                    ),
                    (
                        ("kick", "9..9......9....."),
                        ("snare", "....9.......9..."),
                        ("ride", "6.6.6.6.6.6.6.6."),
                    ),
                    (
                        ("kick", "9.9.......99...."),
                        ("snare", "....9..9.9..9..9"),
                        ("closed", "6.6.6.6.6.6.6.6."),
                    ),
                    (
                        ("kick", "9.........9....."),
                        ("snare", "....9..3.4..9..3"),
                        ("closed", "6.5.6.5.6.5.6.5."),
                        ("ride", "....a.......a..."),
                    ),
                    (
                        ("kick", "9.9.......9....."),
                        ("snare", "....9..4.4..9.43"),
                        ("closed", "6454645464546454"),
                        ("ride", "5...5...5...5..."),
                    ),
                ),
                fills=(
                    (
                        ("kick", "9.........9....."),
                        ("snare", "....9..4.4.98.98"),
                        ("closed", "5.5.5.5.5.5....."),
                    ),
                    (
                        ("kick", "9..9......9..9.."),
                        ("snare", "....9..9....9.9."),
                        ("closed", "5.5.5.5.5.5.5.5."),
                    ),
                ),
                crash=True,
            ),
            mix=TrackMix(level_lu=-1, reverb=0.15),
        ),
        BandPart(
            "bass",
            ("deep synth bass", "synth bass"),
            Figure(
                ("R---------------", "R-----r-..r-----", "R--r--..f--.r-s-", "R-.r..R-.o.r.fra"),
                base=98,
                legato=0.95,
            ),
            pitches=(26, 50),
            mix=TrackMix(level_lu=-4, reverb=0.0),
        ),
        BandPart(
            "pad",
            ("warm pad", "synth strings", "choir pad", "sweep pad"),
            Figure(("c---------------",), base=66, legato=1.05),
            pitches=(53, 79),
            mix=TrackMix(level_lu=-6, reverb=0.8),
            motion="swell",
        ),
        BandPart(
            "keys",
            ("electric piano", "digital piano", "vibraphone", "piano"),
            Figure(
                ("c-----------....", "C--.....c--.....", "C--c--c-...c--.."),
                base=70,
                legato=1.0,
                echoes=1,
            ),
            pitches=(57, 82),
            mix=TrackMix(level_lu=-7, pan=0.2, reverb=0.5),
            chance=0.6,
            enters=0.75,
        ),
        BandPart(
            "melody",
            ("saw lead", "flute", "crystal synth", "choir"),
            Melody(
                ("x-------x---x---", "x---x---..x-x---", "x--x--x-x---x-x-"),
                base=78,
                pentatonic=True,
            ),
            pitches=(64, 88),
            mix=TrackMix(level_lu=-4, pan=-0.15, reverb=0.6),
            chance=0.55,
            enters=0.8,
        ),
    ),
    density=(0.35, 1.0),
    brightness=(0.3, 0.9),
    loose_ms=2.0,
    section_bars=8,
    form=(("A", 0.7), ("B", 1.0), ("B", 0.9), ("A", 0.8)),
)
