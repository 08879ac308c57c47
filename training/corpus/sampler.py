"""Drum kits made of samples, in place of the drums of a soundfont."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import soxr

from soundstage.training.corpus.composition.score import Note, Track
from soundstage.training.corpus.fluidsynth import RATE_HZ
from soundstage.training.corpus.instruments import DRUMS

SAMPLES = Path("/usr/share/sonic-pi/samples")
# The attack of a sample begins where it first reaches this share of its peak.
ATTACK_SHARE = 0.05
VELOCITY_POWER = 1.4
# Amplitude of each drum at full velocity, and its position from -1 left to 1 right.
PLACES = {
    "kick": (1.0, 0.0),
    "snare": (0.75, 0.0),
    "clap": (0.65, 0.05),
    "rim": (0.45, -0.15),
    "closed": (0.33, 0.25),
    "pedal": (0.3, 0.25),
    "open": (0.36, 0.25),
    "tom_low": (0.7, 0.35),
    "tom_mid": (0.65, 0.0),
    "tom_high": (0.65, -0.35),
    "crash": (0.5, -0.4),
    "ride": (0.28, -0.35),
    "bell": (0.28, -0.35),
    "cowbell": (0.35, 0.3),
}
ACOUSTIC = {
    "kick": "drum_bass_hard",
    "snare": "drum_snare_hard",
    "rim": "drum_snare_soft",
    "closed": "drum_cymbal_closed",
    "pedal": "drum_cymbal_pedal",
    "open": "drum_cymbal_open",
    "tom_low": "drum_tom_lo_hard",
    "tom_mid": "drum_tom_mid_hard",
    "tom_high": "drum_tom_hi_hard",
    "crash": "drum_splash_hard",
    "ride": "drum_cymbal_soft",
    "cowbell": "drum_cowbell",
}
HATS = {"closed": "drum_cymbal_closed", "pedal": "drum_cymbal_pedal", "open": "drum_cymbal_open"}
TOMS = {"tom_low": "elec_fuzz_tom", "cowbell": "drum_cowbell", "crash": "drum_splash_hard"}
ELECTRONIC = HATS | TOMS
# Each kit names samples of the package sonic-pi-samples whose licence is CC0.
KITS: Mapping[str, Mapping[str, str]] = {
    "studio": ACOUSTIC,
    "garage": ACOUSTIC | {"kick": "drum_heavy_kick", "snare": "sn_dolf"},
    "808": ELECTRONIC | {"kick": "bd_808", "snare": "elec_hi_snare", "clap": "perc_snap2"},
    "haus": ELECTRONIC | {"kick": "bd_haus", "snare": "elec_snare", "clap": "sn_dub"},
    "klub": ELECTRONIC | {"kick": "bd_klub", "snare": "sn_dub", "clap": "elec_hi_snare"},
    "tek": ELECTRONIC | {"kick": "bd_tek", "snare": "elec_mid_snare", "clap": "sn_dub"},
    "gas": ELECTRONIC | {"kick": "bd_gas", "snare": "sn_zome", "clap": "perc_snap"},
    "fat": ELECTRONIC | {"kick": "bd_fat", "snare": "elec_snare", "clap": "elec_hi_snare"},
    "pure": ELECTRONIC | {"kick": "bd_pure", "snare": "sn_dolf", "clap": "sn_dub"},
}
ACOUSTIC_KITS = ("studio", "garage")
ELECTRONIC_KITS = tuple(name for name in KITS if name not in ACOUSTIC_KITS)
NAMES = {key: name for name, key in DRUMS.items()}


@dataclass(frozen=True)
class Sampler:
    """Plays strokes with recorded samples.

    Attributes:
        folder: holds the samples as FLAC files.
    """

    folder: Path

    def split(self, track: Track, kit: str) -> tuple[Track, Track]:
        """Splits a drum track into the strokes that a kit plays and those that it lacks."""
        mine: list[Note] = []
        others: list[Note] = []
        for note in track.notes:
            (mine if NAMES[note.pitch] in KITS[kit] else others).append(note)
        return replace(track, notes=tuple(mine)), replace(track, notes=tuple(others))

    def render(self, notes: Sequence[Note], kit: str, tempo_bpm: float, samples: int) -> np.ndarray:
        """Renders strokes that the kit has, at an arbitrary level.

        Args:
            notes: strokes.
            kit: a name of `KITS`.
            tempo_bpm: beats a minute.
            samples: length of the result.

        Returns:
            float32 [sample, 2] at `RATE_HZ`.
        """
        audio = np.zeros((samples, 2), np.float32)
        for note in notes:
            name = NAMES[note.pitch]
            start = round(note.start * 60.0 / tempo_bpm * RATE_HZ)
            sound = _sample(self.folder, KITS[kit][name])[: max(0, samples - start)]
            level, place = PLACES[name]
            gain = level * (note.velocity / 127.0) ** VELOCITY_POWER
            angle = (place + 1.0) * np.pi / 4.0
            sides = np.array([np.cos(angle), np.sin(angle)]) * np.sqrt(2.0)
            audio[start : start + len(sound)] += sound * (gain * sides).astype(np.float32)
        return audio


@cache
def _sample(folder: Path, name: str) -> np.ndarray:
    """Reads a sample without the silence before it, float32 [sample, 2] at `RATE_HZ`, peak 1."""
    audio, rate_hz = soundfile.read(folder / f"{name}.flac", dtype="float32", always_2d=True)
    audio = np.broadcast_to(audio, (len(audio), 2)) if audio.shape[1] == 1 else audio[:, :2]
    peak = np.abs(audio).max()
    first = int(np.argmax(np.abs(audio).max(1) > ATTACK_SHARE * peak))
    resampled = soxr.resample(audio[first:] / peak, rate_hz, RATE_HZ, quality="HQ")
    return np.ascontiguousarray(resampled, np.float32)
