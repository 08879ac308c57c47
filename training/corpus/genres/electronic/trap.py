"""Trap: half-time snare, rolling hi-hats, long low bass notes, sparse bells."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

TRAP = Genre(
    name="trap",
    tempo_bpm=(128, 160),
    progressions={
        "minor": ("i|i|bVI|bVI", "i|bVI|i|v", "i|i|i|bVII", "bVI|bVII|i|i"),
        "phrygian": ("i|bII|i|i", "i|i|bII|bII"),
    },
    parts=(
        BandPart(
            "drums",
            ("drum machine", "electronic drums"),
            Drums(
                (
                    (
                        ("kick", "9.....7........."),
                        ("snare", "........9......."),
                        ("closed", "6.6.6.6.6.6.6.6."),
                    ),
                    (
                        ("kick", "9.........7..7..|9......7..7....."),
                        ("clap", "........9......."),
                        (
                            "closed",
                            "6...5...6...5...6...5...6.5.6666|6...5...6...5...655565556...5...",
                        ),
                        ("open", "..............d."),
                    ),
                    (
                        ("kick", "9..7......7..7..|9..7...7..7....7"),
                        ("clap", "........9......."),
                        ("snare", "........8......."),
                        (
                            "closed",
                            "6.5.6.5.6.5.66666.5.6.5.65656666|6.5.6.5.666666666.5.6.5.6.5.6666",
                        ),
                        ("rim", "...e..d......e.."),
                        ("open", "......6........."),
                    ),
                ),
                fills=((("kick", "9......."), ("snare", "........9...6.6.7.7.7777")),),
            ),
            mix=TrackMix(level_lu=-1, reverb=0.12),
        ),
        BandPart(
            "bass",
            ("deep synth bass", "synth bass"),
            Figure(
                ("R-------........", "R-----r---....r-", "R--r......r--r--"), base=104, legato=1.0
            ),
            pitches=(26, 45),
            mix=TrackMix(level_lu=-1, reverb=0.02),
        ),
        BandPart(
            "bells",
            ("music box", "celesta", "crystal synth", "piano", "vibraphone"),
            Figure(
                ("3---2---1-------", "3-2-1---4-3-2---", "3-.2-.1-3-.2-.4-"),
                voices=5,
                base=70,
                legato=1.2,
            ),
            pitches=(60, 90),
            mix=TrackMix(level_lu=-5, pan=0.2, reverb=0.6),
        ),
        BandPart(
            "pad",
            ("choir pad", "warm pad", "slow strings", "choir"),
            Figure(("c---------------",), voices=3, base=60, legato=1.05),
            pitches=(48, 72),
            mix=TrackMix(level_lu=-9, pan=-0.2, reverb=0.7),
            chance=0.6,
        ),
        BandPart(
            "melody",
            ("flute", "square lead", "pan flute", "saw lead"),
            Melody(
                ("x---x---........", "x--x--x-........", "x-x-x---..x-x---"), base=78, rests=0.9
            ),
            pitches=(62, 84),
            mix=TrackMix(level_lu=-6, pan=-0.15, reverb=0.6),
            chance=0.5,
            enters=0.8,
        ),
    ),
    density=(0.1, 0.85),
    brightness=(0.1, 0.75),
    loose_ms=1.0,
)
