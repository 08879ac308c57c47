"""Celtic: jigs of running triplets for fiddle, flute and harp, over a frame drum."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

CELTIC = Genre(
    name="celtic",
    tempo_bpm=(96, 132),
    progressions={
        "dorian": ("i|bVII|i|bVII", "i|i|bVII|bVII", "i|bVII|bIII|bVII"),
        "mixolydian": ("I|bVII|I|bVII", "I|I|IV|bVII"),
        "major": ("I|IV|V|I", "I|I|IV|V"),
    },
    parts=(
        BandPart(
            "melody",
            ("fiddle", "flute", "pan flute", "accordion"),
            Melody(
                ("x--x-xx--x--", "x-xx-xx-xx--", "xxxxxxxxxx--"), base=92, legato=0.85, rests=0.0
            ),
            pitches=(62, 86),
            mix=TrackMix(level_lu=0, pan=0.1, reverb=0.35),
        ),
        BandPart(
            "strum",
            ("steel guitar", "nylon guitar", "harp"),
            Figure(
                ("C-----C-----", "C--c-cC--c-c", "C-cc-cC-cc-c"), base=78, legato=0.85, strum=0.012
            ),
            pitches=(48, 74),
            mix=TrackMix(level_lu=-3, pan=-0.3, reverb=0.25),
        ),
        BandPart(
            "bass",
            ("upright bass", "cello"),
            Figure(("r-----r-----", "r-----f-----", "r--r--f--f--"), base=82, legato=0.9),
            pitches=(36, 55),
            mix=TrackMix(level_lu=-6, reverb=0.2),
            chance=0.8,
        ),
        BandPart(
            "arpeggio",
            ("harp", "banjo"),
            Figure(("1--2--3--2--", "1-23-21-23-2", "123432123432"), voices=5, base=70, legato=1.0),
            pitches=(55, 84),
            mix=TrackMix(level_lu=-6, pan=0.35, reverb=0.4),
            chance=0.6,
            enters=0.5,
        ),
        BandPart(
            "drums",
            ("drums", "room drums"),
            Drums(
                (
                    (("tom_low", "9.....9....."),),
                    (("tom_low", "9..7..9..7.."), ("tom_mid", "..4..4..4..4")),
                    (
                        ("tom_low", "9.58.59.58.5"),
                        ("tom_mid", ".4..4..4..4."),
                        ("tambourine", "...6.....6.."),
                    ),
                ),
            ),
            mix=TrackMix(level_lu=-1, reverb=0.2),
        ),
    ),
    density=(0.2, 0.95),
    brightness=(0.4, 0.9),
    loose_ms=6.0,
)
