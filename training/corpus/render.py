"""Rendering of scores to audio, by FluidSynth and a soundfont."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from soundstage.errors import Error
from soundstage.training.corpus.composition.score import Score
from soundstage.training.corpus.loudness import levelled, loudness_lufs
from soundstage.training.corpus.midi import midi_bytes

RATE_HZ = 48_000
# Part of every recipe (see `manifest`): raise it when the same score would sound different.
RENDER_VERSION = 2

SOUNDFONTS = (
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    Path("/usr/share/sounds/sf3/FluidR3_GM.sf3"),
    Path("/usr/share/soundfonts/FluidR3_GM.sf2"),
    Path("/usr/share/sounds/sf2/default-GM.sf2"),
    Path("/usr/share/sounds/sf3/default-GM.sf3"),
)
SETTINGS = {
    "synth.chorus.active": "1",
    "synth.chorus.level": "0.6",
    "synth.reverb.active": "1",
    "synth.reverb.room-size": "0.62",
    "synth.reverb.damp": "0.35",
    "synth.reverb.width": "0.9",
    "synth.reverb.level": "0.7",
    "synth.polyphony": "512",
    "synth.dynamic-sample-loading": "1",
}
GAIN = "0.3"
MIX_LUFS = -20.0
FADE_S = 0.02

# The tilt of the spectrum from the darkest to the brightest piece, and the darkest low-pass.
TILT_DB_PER_OCTAVE = 1.6
TILT_AROUND_HZ = 800.0
TILT_LIMIT_DB = 7.0
LOWPASS_HZ = 2_500.0
# Some sounds of FluidR3 have an inaudible DC offset that is larger than their notes.
HIGHPASS_HZ = 25.0
LOWPASS_BELOW = 0.45


class RenderError(Error):
    """FluidSynth or its soundfont is missing, or FluidSynth failed."""


def find_soundfont(chosen: Path | None = None) -> Path:
    """Finds the soundfont to render with.

    Args:
        chosen: a file; None = search the folders where distributions install General MIDI
            soundfonts.

    Raises:
        RenderError: there is none; the message says how to install one.
    """
    if chosen is not None:
        if not chosen.is_file():
            raise RenderError(f"soundfont {chosen}: no such file")
        return chosen
    for path in SOUNDFONTS:
        if path.is_file():
            return path
    raise RenderError(
        "no General MIDI soundfont found: run `apt install fluid-soundfont-gm` (Debian), or give "
        "a file with --soundfont"
    )


def find_fluidsynth() -> str:
    """Returns the path of FluidSynth's program.

    Raises:
        RenderError: it is not installed.
    """
    program = shutil.which("fluidsynth")
    if program is None:
        raise RenderError(
            "the program fluidsynth is not installed: run "
            "`apt install fluidsynth fluid-soundfont-gm` (Debian)"
        )
    return program


def synthesize(midi: bytes, soundfont: Path) -> np.ndarray:
    """Renders a MIDI file with FluidSynth.

    Args:
        midi: a Standard MIDI File.
        soundfont: an .sf2 or .sf3 file.

    Returns:
        float32 [sample, 2] at `RATE_HZ`.

    Raises:
        RenderError: FluidSynth is missing or failed.
    """
    program = find_fluidsynth()
    with tempfile.TemporaryDirectory(prefix="corpus-") as folder:
        source, target = Path(folder, "piece.mid"), Path(folder, "piece.raw")
        source.write_bytes(midi)
        command = [program, "-n", "-i", "-q", "-r", str(RATE_HZ), "-g", GAIN]
        command += [word for name, value in SETTINGS.items() for word in ("-o", f"{name}={value}")]
        command += ["-T", "raw", "-O", "float", "-E", "little", "-F", str(target)]
        _run([*command, str(soundfont), str(source)])
        if not target.is_file():
            raise RenderError(f"fluidsynth wrote no audio with {soundfont}")
        return np.fromfile(target, "<f4").reshape(-1, 2).astype(np.float32)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        message = " ".join((done.stderr or done.stdout).split())
        raise RenderError(f"fluidsynth failed with status {done.returncode}: {message[:300]}")


def brightened(audio: np.ndarray, rate_hz: int, brightness: float) -> np.ndarray:
    """Tilts the spectrum by brightness, and removes frequencies below `HIGHPASS_HZ`.

    Brightness 0.5 leaves the tilt unchanged; below `LOWPASS_BELOW` a low-pass is added.

    Args:
        audio: float [sample, channel].
        rate_hz: samples a second.
        brightness: 0 dark to 1 bright.
    """
    frequency_hz = np.maximum(np.fft.rfftfreq(len(audio), 1.0 / rate_hz), 1.0)
    slope = TILT_DB_PER_OCTAVE * (2.0 * brightness - 1.0)
    tilt_db = slope * np.log2(frequency_hz / TILT_AROUND_HZ)
    gain = 10.0 ** (np.clip(tilt_db, -TILT_LIMIT_DB, TILT_LIMIT_DB) / 20.0)
    gain = gain / np.sqrt(1.0 + (HIGHPASS_HZ / frequency_hz) ** 4)
    if brightness < LOWPASS_BELOW:
        corner_hz = LOWPASS_HZ * 2.0 ** (brightness / LOWPASS_BELOW * 3.0)
        gain = gain / np.sqrt(1.0 + (frequency_hz / corner_hz) ** 4)
    return np.fft.irfft(np.fft.rfft(audio, axis=0) * gain[:, None], n=len(audio), axis=0)


def mixed(score: Score, samples: int, soundfont: Path) -> np.ndarray:
    """Renders every track alone, and adds the tracks at the score's loudness levels.

    The sounds of a soundfont differ by 20 dB at equal volume, so the loudness of each track is
    measured.

    Args:
        score: the piece.
        samples: length of the mix.
        soundfont: an .sf2 or .sf3 file.

    Returns:
        float64 [sample, 2]; the level of the mix is arbitrary.

    Raises:
        RenderError: FluidSynth is missing or failed.
    """
    mix = np.zeros((samples, 2))
    for track in score.tracks:
        alone = replace(score, tracks=(track,))
        audio = synthesize(midi_bytes(alone), soundfont)[:samples].astype(np.float64)
        level = loudness_lufs(audio, RATE_HZ)
        if np.isfinite(level):
            mix[: len(audio)] += audio * 10.0 ** ((MIX_LUFS + track.mix.level_lu - level) / 20.0)
    return mix


def render(score: Score, brightness: float, piece_s: float, soundfont: Path) -> np.ndarray:
    """Renders a piece, cut to `piece_s` seconds.

    Args:
        score: the piece, at least `piece_s` long.
        brightness: 0 dark to 1 bright.
        piece_s: seconds of audio.
        soundfont: an .sf2 or .sf3 file.

    Returns:
        float32 [sample, 2] at `RATE_HZ`, exactly `piece_s` long, equally loud for all pieces.

    Raises:
        RenderError: FluidSynth is missing or failed.
    """
    samples = round(piece_s * RATE_HZ)
    audio = mixed(score, samples, soundfont)
    audio = levelled(brightened(audio, RATE_HZ, brightness), RATE_HZ)
    # The cut would click without a fade.
    fade = np.linspace(1.0, 0.0, round(FADE_S * RATE_HZ))
    audio[-len(fade) :] *= fade[:, None]
    return audio.astype(np.float32)
