"""Soul and gospel: organ and piano chords, a melodic bass, backbeats with tambourine."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

SOUL = Genre(
    name="soul",
    tempo_bpm=(66, 112),
    progressions={
        "major": ("I|iii7|IV|V7", "I7|IV7|I7|V7", "Imaj7|vi7|ii7|V7", "I|I7|IV|iv"),
        "mixolydian": ("I7|IV|I7|bVII",),
    },
    parts=(
        BandPart(
            "drums",
            ("drums", "room drums"),
            Drums(
                (
                    (
                        ("kick", "8.......8......."),
                        ("snare", "....8.......8..."),
                        ("closed", "6.5.6.5.6.5.6.5."),
                    ),
                    (
                        ("kick", "8.....6.8......."),
                        ("snare", "....8.......8..."),
                        ("closed", "6.5.6.5.6.5.6.5."),
                        ("tambourine", "....7.......7..."),
                    ),
                    (
                        ("kick", "8..6..6.8.6....."),
                        ("snare", "....9..c....9..c"),
                        ("ride", "6.5.6.5.6.5.6.5."),
                        ("tambourine", "4.4.7.4.4.4.7.4."),
                    ),
                ),
                fills=((("kick", "8......."), ("snare", "....8...7.7.7777")),),
                crash=True,
            ),
            mix=TrackMix(level_lu=-2, reverb=0.25),
        ),
        BandPart(
            "bass",
            ("finger bass",),
            Figure(
                ("R-----r-f-----a-", "R--rt-f-R--rs-a-", "R.rt.tf.R.rs.fta"), base=94, legato=0.9
            ),
            pitches=(28, 54),
            mix=TrackMix(level_lu=-2, reverb=0.1),
        ),
        BandPart(
            "organ",
            ("drawbar organ", "rock organ"),
            Figure(
                ("c---------------", "c-------c-----c-", "c---..c-c---..c-"), base=74, legato=0.98
            ),
            pitches=(50, 76),
            mix=TrackMix(level_lu=-4, pan=0.3, reverb=0.35),
        ),
        BandPart(
            "chords",
            ("piano", "electric piano", "bright piano", "clean guitar"),
            Figure(
                ("C---c---C---c---", "c.c.C.c.c.c.C.c.", "C..cC.c.C..cC.cc"), base=80, legato=0.75
            ),
            pitches=(52, 77),
            mix=TrackMix(level_lu=-3, pan=-0.25, reverb=0.25),
        ),
        BandPart(
            "melody",
            ("choir", "tenor saxophone", "alto saxophone", "trumpet"),
            Melody(
                ("x---x---x-------", "x--x-x--x---....", "x-x-x-x-x---x-x-"),
                base=90,
                pentatonic=True,
                thirds=True,
            ),
            pitches=(58, 80),
            mix=TrackMix(level_lu=-2, reverb=0.45),
            chance=0.9,
            enters=0.6,
        ),
        BandPart(
            "brass",
            ("brass section",),
            Figure(
                ("........C--c....", "C--c............", "..C...C.....C.c."), base=88, legato=0.6
            ),
            pitches=(55, 77),
            mix=TrackMix(level_lu=-5, pan=0.2, reverb=0.35),
            chance=0.55,
            enters=0.8,
        ),
    ),
    density=(0.2, 0.9),
    brightness=(0.3, 0.85),
    loose_ms=8.0,
)
