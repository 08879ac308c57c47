"""Ska: chords on every off-beat, a walking bass, horns, a quick backbeat."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

SKA = Genre(
    name="ska",
    tempo_bpm=(118, 164),
    progressions={
        "major": ("I|IV|V|IV", "I|vi|IV|V", "I|I|IV|V"),
        "minor": ("i|iv|V7|i", "i|bVII|bVI|V7"),
    },
    parts=(
        BandPart(
            "drums",
            ("drums", "room drums"),
            Drums(
                (
                    (
                        ("kick", "....7.......7..."),
                        ("rim", "....8.......8..."),
                        ("closed", "..6...6...6...6."),
                    ),
                    (
                        ("kick", "8.......8......."),
                        ("snare", "....9.......9..."),
                        ("closed", "4.7.4.7.4.7.4.7."),
                    ),
                    (
                        ("kick", "8...6...8...6.d."),
                        ("snare", "....9.......9..c"),
                        ("open", "..6...6...6...6."),
                        ("closed", "5...5...5...5..."),
                    ),
                ),
                fills=((("kick", "8......."), ("snare", "....9...7.777777")),),
                crash=True,
            ),
            mix=TrackMix(level_lu=-1, reverb=0.25),
        ),
        BandPart(
            "bass",
            ("finger bass", "picked bass", "upright bass"),
            Figure(
                ("R-..f-..R-..t-..", "R-t-f-t-R-t-f-a-", "R-r-t-t-f-f-s-a-"), base=96, legato=0.85
            ),
            pitches=(30, 54),
            mix=TrackMix(level_lu=-2, reverb=0.12),
        ),
        BandPart(
            "skank",
            ("clean guitar", "muted guitar"),
            Figure(
                ("..C...C...C...C.", "..C...C...C..cC."), voices=3, base=92, legato=0.45, strum=0.01
            ),
            pitches=(58, 79),
            mix=TrackMix(level_lu=-2, pan=0.3, reverb=0.2),
        ),
        BandPart(
            "organ",
            ("drawbar organ", "rock organ", "piano"),
            Figure(("..c...c...c...c.", "..c..cc...c..cc."), voices=4, base=76, legato=0.5),
            pitches=(53, 76),
            mix=TrackMix(level_lu=-6, pan=-0.3, reverb=0.3),
            chance=0.7,
        ),
        BandPart(
            "melody",
            ("brass section", "trumpet", "tenor saxophone", "alto saxophone"),
            Melody(
                ("x-x-..x-x---....", "x-x-x-..x-x-x---", "..x-x-x-x-x-x-x-"),
                base=94,
                legato=0.8,
                thirds=True,
            ),
            pitches=(58, 80),
            mix=TrackMix(level_lu=-2, pan=-0.1, reverb=0.3),
            chance=0.9,
            enters=0.6,
        ),
    ),
    density=(0.25, 0.95),
    brightness=(0.35, 0.9),
    loose_ms=6.0,
)
