"""Metal: distorted power chords in sixteenths over double bass drums."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

METAL = Genre(
    name="metal",
    tempo_bpm=(120, 190),
    progressions={
        "phrygian": ("i5|i5|bII5|i5", "i5|bII5|bIII5|bII5"),
        "minor": ("i5|bVI5|bVII5|i5", "i5|i5|bIII5|iv5", "i5|bVI5|bIII5|bVII5"),
    },
    parts=(
        BandPart(
            "drums",
            ("power drums", "drums"),
            Drums(
                (
                    (
                        ("kick", "9.......9......."),
                        ("snare", "....9.......9..."),
                        ("closed", "7...7...7...7..."),
                    ),
                    (
                        ("kick", "9.999.999.999.99"),
                        ("snare", "....9.......9..."),
                        ("ride", "7...7...7...7..."),
                    ),
                    (
                        ("kick", "9999999999999999"),
                        ("snare", "....9.......9..."),
                        ("crash", "7...5...6...5..."),
                    ),
                    (
                        ("kick", "9.9.9.9.9.9.9.9."),
                        ("snare", ".9.9.9.9.9.9.9.9"),
                        ("ride", "7.7.7.7.7.7.7.7."),
                    ),
                ),
                fills=(
                    (
                        ("kick", "9999999999999999"),
                        ("tom_high", "9999............"),
                        ("tom_mid", "....9999........"),
                        ("tom_low", "........99999999"),
                    ),
                    (("kick", "9.9.9.9.9.9.9.9."), ("snare", "9.9.9999........")),
                ),
                crash=True,
            ),
            mix=TrackMix(level_lu=0, reverb=0.25),
        ),
        BandPart(
            "bass",
            ("picked bass", "finger bass"),
            Figure(
                ("R---r---r---r---", "R.rrr.rrr.rrr.rr", "RrrrRrrrRrrrRrrr"), base=104, legato=0.8
            ),
            pitches=(26, 48),
            mix=TrackMix(level_lu=-3, reverb=0.08),
        ),
        BandPart(
            "chords",
            ("distorted guitar",),
            Figure(
                ("C-------C-------", "C.ggc.ggC.ggC---", "C.gggggcC.gggggc", "CgggCgggCgggCggg"),
                voices=3,
                base=104,
                legato=0.85,
                power=True,
            ),
            pitches=(40, 60),
            mix=TrackMix(level_lu=0, pan=-0.45, reverb=0.15),
        ),
        BandPart(
            "riff",
            ("distorted guitar", "overdriven guitar"),
            Figure(
                ("R-------R-------", "R.rrt.rrR.rrf.rr", "RrorRrtrRrorRrfr"), base=98, legato=0.8
            ),
            pitches=(40, 62),
            mix=TrackMix(level_lu=-2, pan=0.45, reverb=0.15),
        ),
        BandPart(
            "melody",
            ("overdriven guitar", "distorted guitar"),
            Melody(
                ("x---x---x---x---", "x-x-x-x-x-x-x-x-", "xxxxx-x-xxxxx---"), base=96, legato=0.95
            ),
            pitches=(62, 86),
            mix=TrackMix(level_lu=-2, reverb=0.4),
            chance=0.7,
            enters=0.8,
        ),
    ),
    density=(0.3, 1.0),
    brightness=(0.35, 0.95),
    loose_ms=3.0,
)
