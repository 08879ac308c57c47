"""Synthwave: the machines of the eighties, gated drums and arpeggios."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

SYNTHWAVE = Genre(
    name="synthwave",
    tempo_bpm=(78, 122),
    progressions={
        "minor": ("i|bVI|bIII|bVII", "i|bVII|bVI|bVII", "i|iv|bVI|bVII", "bVI|bVII|i|i"),
        "dorian": ("i|IV|bVII|i", "i|bIII|IV|bVII"),
    },
    parts=(
        BandPart(
            "drums",
            ("power drums", "electronic drums"),
            Drums(
                (
                    (
                        ("kick", "9.......9......."),
                        ("snare", "....9.......9..."),
                        ("closed", "5...5...5...5..."),
                    ),
                    (
                        ("kick", "9.....9.9......."),
                        ("snare", "....9.......9..."),
                        ("closed", "5.5.5.5.5.5.5.5."),
                    ),
                    (
                        ("kick", "9...9...9...9..."),
                        ("snare", "....9.......9..."),
                        ("closed", "5.4.5.4.5.4.5.4."),
                    ),
                    (
                        ("kick", "9...9...9...9..."),
                        ("snare", "....9.......9..."),
                        ("closed", "5454545454545454"),
                        ("tambourine", "..4...4...4...4."),
                    ),
                ),
                fills=(
                    (
                        ("kick", "9...9...9...9..."),
                        ("snare", "....9..........."),
                        ("tom_high", "........88......"),
                        ("tom_mid", "..........88...."),
                        ("tom_low", "............8888"),
                    ),
                ),
                crash=True,
            ),
            mix=TrackMix(level_lu=-1, reverb=0.5),
        ),
        BandPart(
            "bass",
            ("synth bass", "deep synth bass"),
            Figure(
                ("R.r.r.r.r.r.r.r.", "R.r.o.r.R.r.o.r.", "RrrrRrrrRrrrRrrr", "RrorRrorRrorRsoa"),
                base=92,
                legato=0.75,
            ),
            pitches=(31, 56),
            mix=TrackMix(level_lu=-5, reverb=0.08),
        ),
        BandPart(
            "pad",
            ("poly synth", "synth strings", "sweep pad", "synth brass"),
            Figure(("c---------------", "C-------c-------"), base=68, legato=1.0),
            pitches=(52, 79),
            mix=TrackMix(level_lu=-6, pan=-0.1, reverb=0.6),
            motion="pump",
        ),
        BandPart(
            "arpeggio",
            ("saw lead", "square lead", "crystal synth", "bell pad"),
            Figure(
                ("1.2.3.4.5.4.3.2.", "1.3.2.4.1.3.2.5.", "1234543212345432", "1353135313531453"),
                voices=5,
                base=68,
                legato=0.6,
            ),
            pitches=(60, 88),
            mix=TrackMix(level_lu=-8, pan=0.35, reverb=0.45),
            chance=0.8,
            enters=0.65,
        ),
        BandPart(
            "melody",
            ("saw lead", "square lead", "synth brass", "overdriven guitar"),
            Melody(("x-------x-------", "x---x-x-x---....", "x-x-x---x-x-x-x-"), base=88),
            pitches=(62, 84),
            mix=TrackMix(level_lu=-4, reverb=0.6),
            chance=0.75,
            enters=0.8,
        ),
    ),
    density=(0.2, 0.95),
    brightness=(0.4, 1.0),
    loose_ms=0.0,
)
