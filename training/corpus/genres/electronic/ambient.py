"""Ambient: slowly swelling chords, a drone, single bells; no beat."""

from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

AMBIENT = Genre(
    name="ambient",
    tempo_bpm=(50, 88),
    progressions={
        "lydian": ("Imaj9|Imaj9|II|II", "Imaj7|Imaj7|vi9|II"),
        "major": ("Imaj9|Imaj9|IVmaj9|IVmaj9", "Imaj7|iii7|IVmaj9|IVmaj9", "vi9|vi9|IVmaj7|Iadd9"),
        "dorian": ("i9|i9|IV|IV", "i9|bVIImaj7|IV|i9"),
    },
    parts=(
        BandPart(
            "pad",
            ("warm pad", "halo pad", "choir pad", "glass pad", "sweep pad", "slow strings"),
            Figure(("c---------------",), voices=5, base=72, legato=1.15),
            pitches=(43, 76),
            mix=TrackMix(level_lu=-2, reverb=0.9),
            motion="swell",
        ),
        BandPart(
            "drone",
            ("deep synth bass", "double bass", "warm pad"),
            Figure(("r---------------", "r---------f-----"), base=66, legato=1.1),
            pitches=(29, 53),
            mix=TrackMix(level_lu=-10, reverb=0.6),
        ),
        BandPart(
            "bells",
            ("celesta", "crystal synth", "music box", "vibraphone", "piano", "harp"),
            Figure(
                ("6-------........", "....5-------3---", "6---....4---2---", "2-4-6---5-3-1---"),
                voices=6,
                base=58,
                legato=1.8,
            ),
            pitches=(60, 94),
            mix=TrackMix(level_lu=-6, pan=0.3, reverb=1.0),
            chance=0.8,
            enters=0.5,
        ),
        BandPart(
            "melody",
            ("pan flute", "flute", "choir", "cello", "glass pad"),
            Melody(
                ("x---------------", "x-------x-------", "x-----x---x-----"), base=64, rests=0.9
            ),
            pitches=(60, 81),
            mix=TrackMix(level_lu=-4, pan=-0.2, reverb=0.9),
            chance=0.5,
            enters=0.65,
        ),
    ),
    density=(0.0, 0.55),
    brightness=(0.05, 0.6),
    loose_ms=12.0,
    form=(("A", 0.6), ("A", 0.8), ("B", 1.0), ("A", 0.7)),
)
