"""Orchestral film music: moving strings, brass at the peaks."""

from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

ORCHESTRAL = Genre(
    name="orchestral",
    tempo_bpm=(68, 150),
    progressions={
        "minor": ("i|bVI|bIII|bVII", "i|i|bVI|bVI|iv|iv|V|V", "i|bVII|bVI|V"),
        "lydian": ("I|II|I|II", "I|I|II|vi"),
        "major": ("I|V|vi|IV", "I|iii|IV|V"),
    },
    parts=(
        BandPart(
            "strings",
            ("strings", "slow strings"),
            Figure(("c---------------", "c-------c-------"), base=76, legato=1.03),
            pitches=(48, 79),
            mix=TrackMix(level_lu=-4, pan=-0.1, reverb=0.75),
            motion="swell",
        ),
        BandPart(
            "low strings",
            ("strings", "cello"),
            Figure(
                ("r-------r-------", "R-r-r-r-R-r-r-r-", "R-rrr-rrR-rrr-rr", "RrrrRrrrRrrrRrrr"),
                base=86,
                legato=0.8,
            ),
            pitches=(36, 55),
            mix=TrackMix(level_lu=-7, pan=0.3, reverb=0.6),
        ),
        BandPart(
            "ostinato",
            ("pizzicato strings", "violin", "harp", "strings"),
            Figure(
                ("1---3---2---3---", "1-3-2-3-1-3-2-3-", "1-324-231-324-23", "1323132313231323"),
                base=74,
                legato=0.6,
            ),
            pitches=(57, 81),
            mix=TrackMix(level_lu=-7, pan=-0.35, reverb=0.6),
            chance=0.8,
        ),
        BandPart(
            "melody",
            ("french horn", "trumpet", "oboe", "flute", "choir", "violin", "clarinet"),
            Melody(
                ("x-------x-------", "x-----x-x-------", "x---x---x-x-x---"),
                base=94,
                legato=1.0,
                rests=0.3,
            ),
            pitches=(60, 79),
            mix=TrackMix(level_lu=-3, pan=0.15, reverb=0.7),
            enters=0.7,
        ),
        BandPart(
            "brass",
            ("brass section", "french horn"),
            Figure(("C---------------", "C-----c-c-------"), voices=3, base=92, legato=0.9),
            pitches=(48, 69),
            mix=TrackMix(level_lu=-7, pan=0.25, reverb=0.7),
            chance=0.7,
            enters=0.95,
        ),
        BandPart(
            "timpani",
            ("timpani",),
            Figure(("R-..............|R-..........rrrr", "R---....r.r.R---"), base=92, legato=1.0),
            pitches=(38, 55),
            mix=TrackMix(level_lu=-5, pan=0.2, reverb=0.7),
            chance=0.7,
            enters=0.9,
        ),
    ),
    density=(0.1, 0.95),
    brightness=(0.25, 0.85),
    loose_ms=10.0,
    form=(("A", 0.7), ("A", 0.9), ("B", 1.0), ("A", 0.75), ("B", 1.0)),
)
