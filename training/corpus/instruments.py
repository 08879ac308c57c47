"""The General MIDI instruments that the composer writes for, and their ranges."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Instrument:
    """One sound of the soundfont.

    Attributes:
        program: General MIDI program from 0; for drums, the number of the kit.
        low: lowest pitch that sounds natural.
        high: highest pitch that sounds natural.
        bright: 0 dull to 1 piercing, for choosing among instruments.
        is_drums: whether it plays on the drum channel.
    """

    program: int
    low: int
    high: int
    bright: float
    is_drums: bool = False


INSTRUMENTS = {
    "piano": Instrument(0, 24, 100, 0.5),
    "bright piano": Instrument(1, 24, 100, 0.7),
    "electric piano": Instrument(4, 28, 96, 0.4),
    "digital piano": Instrument(5, 28, 96, 0.6),
    "harpsichord": Instrument(6, 36, 89, 0.8),
    "celesta": Instrument(8, 60, 103, 0.8),
    "music box": Instrument(10, 60, 100, 0.8),
    "vibraphone": Instrument(11, 53, 89, 0.5),
    "marimba": Instrument(12, 45, 96, 0.5),
    "drawbar organ": Instrument(16, 36, 96, 0.5),
    "rock organ": Instrument(18, 36, 96, 0.6),
    "accordion": Instrument(21, 48, 89, 0.7),
    "harmonica": Instrument(22, 60, 84, 0.7),
    "nylon guitar": Instrument(24, 40, 83, 0.4),
    "steel guitar": Instrument(25, 40, 83, 0.6),
    "jazz guitar": Instrument(26, 40, 83, 0.3),
    "clean guitar": Instrument(27, 40, 84, 0.5),
    "muted guitar": Instrument(28, 40, 84, 0.4),
    "overdriven guitar": Instrument(29, 40, 86, 0.7),
    "distorted guitar": Instrument(30, 40, 86, 0.8),
    "upright bass": Instrument(32, 28, 60, 0.3),
    "finger bass": Instrument(33, 28, 62, 0.3),
    "picked bass": Instrument(34, 28, 62, 0.5),
    "fretless bass": Instrument(35, 28, 62, 0.3),
    "slap bass": Instrument(36, 28, 62, 0.6),
    "synth bass": Instrument(38, 24, 62, 0.5),
    "deep synth bass": Instrument(39, 24, 62, 0.3),
    "violin": Instrument(40, 55, 96, 0.7),
    "viola": Instrument(41, 48, 84, 0.5),
    "cello": Instrument(42, 36, 76, 0.4),
    "double bass": Instrument(43, 28, 60, 0.2),
    "pizzicato strings": Instrument(45, 36, 96, 0.5),
    "harp": Instrument(46, 28, 100, 0.5),
    "timpani": Instrument(47, 36, 57, 0.2),
    "strings": Instrument(48, 36, 96, 0.5),
    "slow strings": Instrument(49, 36, 96, 0.4),
    "synth strings": Instrument(50, 36, 96, 0.5),
    "choir": Instrument(52, 48, 84, 0.4),
    "trumpet": Instrument(56, 54, 84, 0.8),
    "muted trumpet": Instrument(59, 54, 82, 0.7),
    "french horn": Instrument(60, 41, 77, 0.4),
    "brass section": Instrument(61, 45, 84, 0.8),
    "synth brass": Instrument(62, 36, 96, 0.7),
    "soprano saxophone": Instrument(64, 56, 87, 0.7),
    "alto saxophone": Instrument(65, 49, 80, 0.6),
    "tenor saxophone": Instrument(66, 44, 75, 0.5),
    "oboe": Instrument(68, 58, 89, 0.7),
    "clarinet": Instrument(71, 50, 89, 0.4),
    "flute": Instrument(73, 60, 96, 0.6),
    "pan flute": Instrument(75, 60, 96, 0.5),
    "square lead": Instrument(80, 36, 96, 0.8),
    "saw lead": Instrument(81, 36, 96, 0.9),
    "bell pad": Instrument(88, 36, 96, 0.6),
    "warm pad": Instrument(89, 36, 96, 0.2),
    "poly synth": Instrument(90, 36, 96, 0.7),
    "choir pad": Instrument(91, 36, 96, 0.4),
    "glass pad": Instrument(92, 36, 96, 0.5),
    "halo pad": Instrument(94, 36, 96, 0.4),
    "sweep pad": Instrument(95, 36, 96, 0.6),
    "crystal synth": Instrument(98, 48, 100, 0.8),
    "banjo": Instrument(105, 48, 84, 0.8),
    "fiddle": Instrument(110, 55, 93, 0.8),
    "drums": Instrument(0, 35, 81, 0.5, True),
    "room drums": Instrument(8, 35, 81, 0.5, True),
    "power drums": Instrument(16, 35, 81, 0.6, True),
    "electronic drums": Instrument(24, 35, 81, 0.6, True),
    "drum machine": Instrument(25, 35, 81, 0.5, True),
    "jazz drums": Instrument(32, 35, 81, 0.5, True),
    "brushed drums": Instrument(40, 35, 81, 0.3, True),
}

# Keys of the drum channel.
DRUMS = {
    "kick": 36,
    "rim": 37,
    "snare": 38,
    "clap": 39,
    "closed": 42,
    "pedal": 44,
    "open": 46,
    "tom_low": 45,
    "tom_mid": 47,
    "tom_high": 50,
    "crash": 49,
    "ride": 51,
    "bell": 53,
    "tambourine": 54,
    "cowbell": 56,
    "bongo_high": 60,
    "bongo_low": 61,
    "conga_mute": 62,
    "conga_high": 63,
    "conga_low": 64,
    "timbale": 65,
    "cabasa": 69,
    "shaker": 70,
    "claves": 75,
    "woodblock": 76,
}
