"""Techno: one chord, a rolling bass, sixteenths that change little."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

TECHNO = Genre(
    name="techno",
    tempo_bpm=(122, 146),
    progressions={
        "phrygian": ("i5", "i5|i5|i5|bII5"),
        "minor": ("i5", "i5|i5|i5|bVII5", "i5|i5|bVI5|bVI5"),
    },
    parts=(
        BandPart(
            "drums",
            ("electronic drums", "drum machine"),
            Drums(
                (
                    (("kick", "9...9...9...9..."), ("closed", "..5...5...5...5.")),
                    (("kick", "9...9...9...9..."), ("open", "..7...7...7...7.")),
                    (
                        ("kick", "9...9...9...9..."),
                        ("closed", "..6...6...6...6."),
                        ("rim", "...6..6...6..6.."),
                        ("clap", "....7.......7..."),
                    ),
                    (
                        ("kick", "9...9...9...9..."),
                        ("closed", "2252225222522252"),
                        ("clap", "....6.......6..."),
                        ("tom_low", "...d..d....d..d."),
                    ),
                    (
                        ("kick", "9...9...9...9.c."),
                        ("closed", "4373437343734373"),
                        ("ride", "..5...5...5...5."),
                        ("rim", "..5..5..5..5..5."),
                        ("tom_low", "...4..5....4..5."),
                        ("clap", "....7.......7..."),
                    ),
                ),
                fills=(
                    (
                        ("kick", "9...9...9......."),
                        ("closed", "4373437343734373"),
                        ("tom_low", "........6.66.666"),
                    ),
                ),
            ),
            mix=TrackMix(level_lu=0, reverb=0.1),
        ),
        BandPart(
            "bass",
            ("synth bass", "deep synth bass"),
            Figure(
                (".rrr.rrr.rrr.rrr", "..rr..rr..rr..ro", ".rRr.rRo.rRr.rfr", "rrRrrrRorrRrrsRo"),
                base=88,
                legato=0.7,
            ),
            pitches=(28, 52),
            mix=TrackMix(level_lu=-5, reverb=0.05),
        ),
        BandPart(
            "arpeggio",
            ("saw lead", "square lead", "poly synth", "crystal synth"),
            Figure(
                ("..1.....2..1....", "1..2..1..2..1.3.", "1.2.13.21.2.3.12", "1213121412131513"),
                voices=5,
                base=72,
                legato=0.5,
            ),
            pitches=(48, 76),
            mix=TrackMix(level_lu=-7, pan=0.25, reverb=0.35),
            enters=0.7,
        ),
        BandPart(
            "stabs",
            ("synth brass", "poly synth", "synth strings"),
            Figure(
                ("...C............", "...C......c.....", "..C..c..C..c..C."),
                voices=3,
                base=78,
                legato=0.5,
                echoes=2,
            ),
            pitches=(50, 72),
            mix=TrackMix(level_lu=-8, pan=-0.25, reverb=0.7),
            chance=0.65,
            enters=0.8,
        ),
        BandPart(
            "pad",
            ("sweep pad", "halo pad", "choir pad"),
            Figure(("c---------------",), voices=3, base=58),
            pitches=(50, 74),
            mix=TrackMix(level_lu=-10, reverb=0.8),
            chance=0.45,
            motion="pump",
        ),
    ),
    density=(0.3, 1.0),
    brightness=(0.25, 0.85),
    loose_ms=0.0,
    form=(("A", 0.7), ("A", 0.85), ("B", 1.0), ("A", 0.75), ("B", 1.0)),
)
