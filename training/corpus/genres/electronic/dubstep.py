"""Dubstep: a half-time beat under a wobbling bass."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

DUBSTEP = Genre(
    name="dubstep",
    tempo_bpm=(132, 150),
    progressions={
        "minor": ("i5|i5|bVI5|bVII5", "i5|i5|i5|bIII5", "i5|bVI5|i5|bVII5"),
        "phrygian": ("i5|i5|bII5|i5", "i5|bII5|i5|bVII5"),
    },
    parts=(
        BandPart(
            "drums",
            ("electronic drums", "drum machine"),
            Drums(
                (
                    (
                        ("kick", "9..............."),
                        ("snare", "........9......."),
                        ("closed", "..4...4...4...4."),
                    ),
                    (
                        ("kick", "9.....6.....7..."),
                        ("snare", "........9......."),
                        ("closed", "4.4.4.4.4.4.4.4."),
                        ("open", "......d......d.."),
                    ),
                    (
                        ("kick", "9..7..7.....7.c."),
                        ("snare", "........9......."),
                        ("clap", "........8......."),
                        ("closed", "4.444.444.444.44"),
                        ("rim", "...d......d..d.."),
                    ),
                ),
                fills=((("kick", "9...9..."), ("snare", "........9.9.9999")),),
                crash=True,
            ),
            mix=TrackMix(level_lu=0, reverb=0.15),
        ),
        BandPart(
            "bass",
            ("synth bass", "deep synth bass"),
            Figure(
                (
                    "R-----R-R-----r-",
                    "R-r-r-r-R-r-rrrr",
                    "R-rR-rR-rR-r",
                    "RrrrRrrrR-r-R-r-|R--R--R-R-R-R-R-",
                ),
                base=104,
                legato=0.75,
            ),
            pitches=(26, 46),
            mix=TrackMix(level_lu=0, reverb=0.08),
        ),
        BandPart(
            "wobble",
            ("saw lead", "synth brass", "square lead"),
            Figure(
                ("........C-c-C-c-", "C-c-c-c-........", "C-cC-cC-cC-c", "CcccCcccC-c-C-c-"),
                voices=2,
                base=88,
                legato=0.6,
                power=True,
            ),
            pitches=(40, 60),
            mix=TrackMix(level_lu=-3, reverb=0.15),
            enters=0.6,
            motion="pump",
        ),
        BandPart(
            "pad",
            ("sweep pad", "choir pad", "halo pad"),
            Figure(("c---------------",), voices=3, base=58),
            pitches=(52, 74),
            mix=TrackMix(level_lu=-10, pan=0.2, reverb=0.8),
            chance=0.6,
        ),
        BandPart(
            "melody",
            ("square lead", "crystal synth", "choir", "poly synth"),
            Melody(
                ("x-------x---....", "x---x-x-........", "x-x-x---x-x-...."), base=76, rests=0.9
            ),
            pitches=(62, 84),
            mix=TrackMix(level_lu=-6, pan=-0.2, reverb=0.7),
            chance=0.45,
            enters=0.8,
        ),
    ),
    density=(0.15, 0.95),
    brightness=(0.2, 0.85),
    loose_ms=0.0,
)
