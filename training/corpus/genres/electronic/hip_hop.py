"""Hip hop: a heavy swung boom-bap beat, a deep bass and a short loop of chords."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

HIP_HOP = Genre(
    name="hip_hop",
    tempo_bpm=(80, 102),
    progressions={
        "minor": ("i7|i7|iv7|iv7", "i7|bVImaj7|i7|bVImaj7", "i7|v7|i7|v7"),
        "dorian": ("i7|IV7|i7|IV7", "i9|i9|IV9|IV9"),
    },
    parts=(
        BandPart(
            "drums",
            ("drum machine", "drums", "electronic drums"),
            Drums(
                (
                    (
                        ("kick", "9.........9....."),
                        ("snare", "....9.......9..."),
                        ("closed", "6...6...6...6..."),
                    ),
                    (
                        ("kick", "9......79.7....."),
                        ("snare", "....9.......9..."),
                        ("closed", "6.5.6.5.6.5.6.5."),
                    ),
                    (
                        ("kick", "9..7...7..9..7.."),
                        ("snare", "....9..c....9..b"),
                        ("closed", "6.556.5.6.556.5."),
                        ("open", "..............6."),
                    ),
                ),
                fills=((("kick", "9......79......."), ("snare", "....9.......9.88")),),
            ),
            mix=TrackMix(level_lu=0, reverb=0.1),
        ),
        BandPart(
            "bass",
            ("deep synth bass", "finger bass", "upright bass"),
            Figure(
                ("R-----....r-....", "R---..r-r---..f-", "R--r..r-s-r-f-r-"), base=100, legato=0.9
            ),
            pitches=(28, 50),
            mix=TrackMix(level_lu=-1, reverb=0.05),
        ),
        BandPart(
            "chords",
            ("electric piano", "piano", "vibraphone", "jazz guitar", "strings"),
            Figure(
                ("C-------........", "C---..c-........", "C-..c...C-....c."), base=72, legato=0.9
            ),
            pitches=(52, 76),
            mix=TrackMix(level_lu=-5, pan=-0.15, reverb=0.3),
        ),
        BandPart(
            "stabs",
            ("brass section", "strings", "choir", "drawbar organ"),
            Figure(
                ("C...............|................", "......C...C....."),
                voices=3,
                base=80,
                legato=0.4,
            ),
            pitches=(55, 77),
            mix=TrackMix(level_lu=-7, pan=0.25, reverb=0.3),
            chance=0.5,
            enters=0.75,
        ),
        BandPart(
            "melody",
            ("flute", "muted trumpet", "vibraphone", "square lead", "alto saxophone"),
            Melody(
                ("x---x---........", "x--x--x-........", "x-x--x-x-x---..."),
                base=76,
                pentatonic=True,
                rests=0.9,
            ),
            pitches=(60, 84),
            mix=TrackMix(level_lu=-5, pan=0.15, reverb=0.4),
            chance=0.55,
            enters=0.75,
        ),
    ),
    density=(0.15, 0.85),
    brightness=(0.15, 0.7),
    swing=0.56,
    swing_unit=0.25,
    loose_ms=5.0,
)
