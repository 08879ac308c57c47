"""Funk: sixteenths on one chord, a loud bass."""

from soundstage.training.corpus.composition.drums import Drums
from soundstage.training.corpus.composition.figure import Figure
from soundstage.training.corpus.composition.melody import Melody
from soundstage.training.corpus.composition.score import TrackMix
from soundstage.training.corpus.genre import BandPart, Genre

FUNK = Genre(
    name="funk",
    tempo_bpm=(88, 120),
    progressions={
        "dorian": ("i9|i9|IV9|IV9", "i7|i7|i7|IV7 v7", "i9"),
        "mixolydian": ("I9|I9|IV9|I9", "I9|I9|I9|bVII9 IV9"),
    },
    parts=(
        BandPart(
            "drums",
            ("drums", "room drums"),
            Drums(
                (
                    (
                        ("kick", "9.....7.......7."),
                        ("snare", "....9.......9..."),
                        ("closed", "6.5.6.5.6.5.6.5."),
                    ),
                    (
                        ("kick", "9.9.......9..9.."),
                        ("snare", "....9..3....9..."),
                        ("closed", "6.6.6.6.6.6.6.6."),
                    ),
                    (
                        ("kick", "9..7..7...6....."),
                        ("snare", "....9..3.3..9..3"),
                        ("closed", "6454645464546454"),
                    ),
                    (
                        ("kick", "9.7...7..6.7...."),
                        ("snare", "..3.9..3.3.39..3"),
                        ("closed", "74547454745474.."),
                        ("open", "..............7."),
                        ("cowbell", "5...5...5...5..."),
                    ),
                ),
                fills=(
                    (
                        ("kick", "9..7..7........."),
                        ("snare", "....9..3.5789.99"),
                        ("closed", "6.5.6.5......."),
                    ),
                    (
                        ("kick", "9..7....9......."),
                        ("snare", "....9..5........"),
                        ("tom_high", "........98......"),
                        ("tom_low", "..........8.9.9."),
                    ),
                ),
                crash=True,
            ),
            mix=TrackMix(level_lu=-1, reverb=0.15),
        ),
        BandPart(
            "bass",
            ("slap bass", "finger bass", "picked bass"),
            Figure(
                ("R-..r...o-..sr..", "R..r..o.r..sr.a.", "R.rro.sr..rR.sfa", "R.oRr.sorRo.s.ra"),
                base=96,
                legato=0.7,
            ),
            pitches=(28, 54),
            mix=TrackMix(level_lu=-4, reverb=0.05),
        ),
        BandPart(
            "guitar",
            ("clean guitar", "muted guitar"),
            Figure(
                ("..C...g.....C.g.", "g.Cg..cgg.Cg.gcg", "gcCgg.cggcCgggcg"),
                voices=3,
                base=78,
                legato=0.4,
                strum=0.012,
            ),
            pitches=(57, 79),
            mix=TrackMix(level_lu=-6, pan=0.4, reverb=0.15),
        ),
        BandPart(
            "keys",
            ("drawbar organ", "electric piano", "rock organ"),
            Figure(
                ("C-......c-......", "..C.....C-.c....", ".c.C..c..C.c..C."), base=74, legato=0.8
            ),
            pitches=(53, 77),
            mix=TrackMix(level_lu=-7, pan=-0.35, reverb=0.25),
            chance=0.75,
            enters=0.6,
        ),
        BandPart(
            "horns",
            ("brass section", "tenor saxophone", "trumpet"),
            Melody(
                ("x.x-............", "..x.x-..x.x-....", "x..x.xx-..x.x-.."),
                base=98,
                legato=0.7,
                pentatonic=True,
                thirds=True,
                rests=0.9,
            ),
            pitches=(58, 80),
            mix=TrackMix(level_lu=-3, pan=-0.1, reverb=0.3),
            chance=0.75,
            enters=0.8,
        ),
    ),
    density=(0.4, 1.0),
    brightness=(0.4, 0.95),
    swing=0.53,
    swing_unit=0.25,
    loose_ms=5.0,
)
