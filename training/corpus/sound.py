"""The sound of a piece, drawn from its seed: soundfont, drum kit, room and effects."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundstage.training.corpus.composition.score import Score
from soundstage.training.corpus.fluidsynth import RenderError
from soundstage.training.corpus.instruments import INSTRUMENTS
from soundstage.training.corpus.plan import SOUND
from soundstage.training.corpus.sampler import ACOUSTIC_KITS, ELECTRONIC_KITS, KITS, SAMPLES

# Each soundfont by the places where distributions install it.
FLUID_R3 = (
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    Path("/usr/share/sounds/sf3/FluidR3_GM.sf3"),
    Path("/usr/share/soundfonts/FluidR3_GM.sf2"),
)
MUSESCORE = (
    Path("/usr/share/sounds/sf3/MuseScore_General_Full.sf3"),
    Path("/usr/share/sounds/sf3/MuseScore_General.sf3"),
    Path("/usr/share/sounds/sf2/MuseScore_General_Full.sf2"),
)
PACKAGES = {"fluid-soundfont-gm": FLUID_R3, "musescore-general-soundfont": MUSESCORE}
SAMPLES_PACKAGE = "sonic-pi-samples"

# General MIDI kits that stand for drum machines, and for acoustic drums.
MACHINE_PROGRAMS, ACOUSTIC_PROGRAMS = (24, 25), (0, 8, 16)
MACHINE_SAMPLES_SHARE, ACOUSTIC_SAMPLES_SHARE = 0.6, 0.25


@dataclass(frozen=True)
class SoundSources:
    """The files that sounds come from.

    Attributes:
        soundfonts: the files to choose from, at least one.
        samples: the folder of drum samples; None = drums come from the soundfonts.
    """

    soundfonts: tuple[Path, ...]
    samples: Path | None

    def __str__(self) -> str:
        names = [font.name for font in self.soundfonts]
        return " ".join([*names, SAMPLES_PACKAGE] if self.samples else names)


@dataclass(frozen=True)
class Sound:
    """How a piece sounds.

    Attributes:
        soundfont: number of the soundfont in `SoundSources.soundfonts`.
        kit: a name of `sampler.KITS`; "" = the soundfont's drums.
        room_s: reverberation time in seconds.
        damping: of the room, 0 bright to 1 dull.
        room_level: level of the reverberation, 1 = as loud as a dry track with full reverb.
        echo_beats: time between echoes in beats; 0 = no echoes.
        chorus: level of the chorus of chords and pads; 0 = none.
        drive_db: distortion of drums and bass; 0 = none.
        sweep_bars: period of the filter of pads, arpeggios and chords; 0 = none.
        duck: how far the kick ducks all that is not drums, 0 to 1.
        width: stereo width, 1 = unchanged.
    """

    soundfont: int
    kit: str
    room_s: float
    damping: float
    room_level: float
    echo_beats: float
    chorus: float
    drive_db: float
    sweep_bars: int
    duck: float
    width: float


def draw_sound(seed: int, score: Score, sources: SoundSources) -> Sound:
    """Draws the sound of a piece from its seed."""
    rng = np.random.default_rng([seed, SOUND])
    programs = {
        INSTRUMENTS[track.instrument].program
        for track in score.tracks
        if INSTRUMENTS[track.instrument].is_drums
    }
    machine = bool(programs & set(MACHINE_PROGRAMS))
    chances = rng.random(8)
    kits = ELECTRONIC_KITS if machine else ACOUSTIC_KITS
    share = MACHINE_SAMPLES_SHARE if machine else ACOUSTIC_SAMPLES_SHARE
    sampled = machine or bool(programs & set(ACOUSTIC_PROGRAMS))
    kit = kits[int(rng.integers(len(kits)))]
    return Sound(
        soundfont=int(rng.integers(len(sources.soundfonts))),
        kit=kit if sources.samples and sampled and chances[0] < share else "",
        room_s=float(np.exp(rng.uniform(np.log(0.35), np.log(2.6)))),
        damping=float(rng.uniform(0.2, 0.8)),
        room_level=float(rng.uniform(0.35, 0.9)),
        echo_beats=float(rng.choice((0.5, 0.75, 1.0))) if chances[1] < 0.35 else 0.0,
        chorus=float(rng.uniform(0.3, 0.8)) if chances[2] < 0.5 else 0.0,
        drive_db=float(rng.uniform(2.0, 12.0)) if chances[3] < 0.3 else 0.0,
        sweep_bars=int(rng.choice((4, 8, 16))) if machine and chances[4] < 0.3 else 0,
        duck=float(rng.uniform(0.25, 0.75)) if machine and chances[5] < 0.45 else 0.0,
        width=float(rng.uniform(0.8, 1.5)),
    )


def find_sources(chosen: Path | None = None) -> SoundSources:
    """Finds the soundfonts and the drum samples.

    Args:
        chosen: a soundfont to use for all pieces, with its own drums; None = search both
            soundfonts and the drum samples where Debian installs them.

    Raises:
        RenderError: something is missing; the message says what to install.
    """
    if chosen is not None:
        if not chosen.is_file():
            raise RenderError(f"soundfont {chosen}: no such file")
        return SoundSources((chosen,), None)
    found = {
        package: next((path for path in paths if path.is_file()), None)
        for package, paths in PACKAGES.items()
    }
    missing = [package for package, path in found.items() if path is None]
    names = {name for kit in KITS.values() for name in kit.values()}
    if not all((SAMPLES / f"{name}.flac").is_file() for name in names):
        missing.append(SAMPLES_PACKAGE)
    if missing:
        raise RenderError(
            f"sounds are missing: run `apt install {' '.join(missing)}` (Debian), or give a "
            "General MIDI soundfont with --soundfont"
        )
    return SoundSources(tuple(path for path in found.values() if path is not None), SAMPLES)
