"""Country: a train beat, bass on root and fifth, steel guitar and fiddle."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

COUNTRY = Genre(
    name="country",
    tempo_bpm=(84, 136),
    progressions={
        "major": ("I|IV|I|V", "I|I|IV|V", "I|V|IV|I", "I|vi|IV|V"),
        "mixolydian": ("I|bVII|IV|I",),
    },
    parts=(
        BandPart(
            "drums",
            ("brushed drums", "drums", "room drums"),
            Drums(
                (
                    (("kick", "8.......8......."), ("snare", "....7.......7...")),
                    (
                        ("kick", "8.......8......."),
                        ("snare", "3343734333437343"),
                        ("pedal", "....5.......5..."),
                    ),
                    (
                        ("kick", "8.....d.8.....d."),
                        ("snare", "4454845444548454"),
                        ("closed", "..5...5...5...5."),
                    ),
                ),
                fills=((("kick", "8.......8......."), ("snare", "3343734377677777")),),
            ),
            mix=TrackMix(level_lu=-3, reverb=0.2),
        ),
        BandPart(
            "bass",
            ("finger bass", "upright bass", "picked bass"),
            Figure(
                ("R---....f---....", "R-----..f-----a-", "R---f---R---f-a-"), base=94, legato=0.85
            ),
            pitches=(28, 52),
            mix=TrackMix(level_lu=-3, reverb=0.12),
        ),
        BandPart(
            "strum",
            ("steel guitar",),
            Figure(
                ("....C.......C...", "c...C...c...C...", "c...C.c.c...C.cc"),
                base=84,
                legato=0.7,
                strum=0.015,
            ),
            pitches=(48, 74),
            mix=TrackMix(level_lu=-2, pan=-0.3, reverb=0.2),
        ),
        BandPart(
            "picking",
            ("banjo", "clean guitar"),
            Figure(
                ("1.3.2.3.1.3.2.3.", "1.3421341.342134", "1324132413241342"), base=76, legato=0.7
            ),
            pitches=(55, 79),
            mix=TrackMix(level_lu=-5, pan=0.35, reverb=0.2),
            chance=0.7,
            enters=0.5,
        ),
        BandPart(
            "melody",
            ("fiddle", "harmonica", "clean guitar", "steel guitar"),
            Melody(
                ("x---x-x-x-------", "x-x-x---x-x-x---", "x-x-x-x-x-x-x---"),
                base=86,
                pentatonic=True,
                thirds=True,
            ),
            pitches=(60, 84),
            mix=TrackMix(level_lu=-2, pan=0.1, reverb=0.35),
            chance=0.9,
            enters=0.6,
        ),
    ),
    density=(0.15, 0.95),
    brightness=(0.35, 0.9),
    loose_ms=7.0,
)
