"""From a score to sound, by FluidSynth and a soundfont."""

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
# Goes into every recipe (see `manifest`): raise it when the same score would sound different.
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
# Some sounds of FluidR3 carry an offset that is louder than their notes, and nobody hears it.
HIGHPASS_HZ = 25.0
LOWPASS_BELOW = 0.45


class RenderError(Error):
    """FluidSynth or its soundfont is missing, or it did not do its work."""


def find_soundfont(chosen: Path | None = None) -> Path:
    """The soundfont to render with.

    Args:
        chosen: a file; None looks where Debian and others put the General MIDI soundfonts.

    Raises:
        RenderError: there is none; the message says how to get one.
    """
    if chosen is not None:
        if not chosen.is_file():
            raise RenderError(f"soundfont {chosen}: there is no such file")
        return chosen
    for path in SOUNDFONTS:
        if path.is_file():
            return path
    raise RenderError(
        "no General MIDI soundfont found; on Debian `apt install fluid-soundfont-gm` brings "
        "FluidR3_GM.sf2, or name another file with --soundfont"
    )


def find_fluidsynth() -> str:
    """The program's path.

    Raises:
        RenderError: it is not installed.
    """
    program = shutil.which("fluidsynth")
    if program is None:
        raise RenderError(
            "the program fluidsynth is not installed; on Debian "
            "`apt install fluidsynth fluid-soundfont-gm` brings it and its sounds"
        )
    return program


def synthesize(midi: bytes, soundfont: Path) -> np.ndarray:
    """Plays a MIDI file faster than real time.

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
            raise RenderError(f"fluidsynth made no sound with {soundfont}")
        return np.fromfile(target, "<f4").reshape(-1, 2).astype(np.float32)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())
        raise RenderError(f"fluidsynth failed with status {done.returncode}: {said[:300]}")


def brightened(audio: np.ndarray, rate_hz: int, brightness: float) -> np.ndarray:
    """Tilts the spectrum: half bright is as it was, darker pieces lose their top as well.

    What is too low to be heard goes in any case.

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
    """Plays every track alone and adds them, each as loud as the score wants it.

    The sounds of a soundfont differ by 20 dB at one volume; what counts is how loud they are
    heard, so it is measured.

    Args:
        score: what is played.
        samples: length wanted.
        soundfont: an .sf2 or .sf3 file.

    Returns:
        float64 [sample, 2]; its level is arbitrary.

    Raises:
        RenderError: FluidSynth is missing or failed.
    """
    mix = np.zeros((samples, 2))
    for track in score.tracks:
        alone = replace(score, tracks=(track,))
        audio = synthesize(midi_bytes(alone), soundfont)[:samples].astype(np.float64)
        level = loudness_lufs(audio, RATE_HZ)
        if np.isfinite(level):
            mix[: len(audio)] += audio * 10.0 ** ((MIX_LUFS + track.level_lu - level) / 20.0)
    return mix


def render(score: Score, brightness: float, piece_s: float, soundfont: Path) -> np.ndarray:
    """Makes the sound of a piece.

    Args:
        score: what is played; longer than `piece_s`, since the rest is cut off.
        brightness: 0 dark to 1 bright.
        piece_s: seconds wanted.
        soundfont: an .sf2 or .sf3 file.

    Returns:
        float32 [sample, 2] at `RATE_HZ`, exactly `piece_s` long, equally loud for all pieces.

    Raises:
        RenderError: FluidSynth is missing or failed.
    """
    samples = round(piece_s * RATE_HZ)
    audio = mixed(score, samples, soundfont)
    audio = levelled(brightened(audio, RATE_HZ, brightness), RATE_HZ)
    # Where the music is cut there would be a click.
    fade = np.linspace(1.0, 0.0, round(FADE_S * RATE_HZ))
    audio[-len(fade) :] *= fade[:, None]
    return audio.astype(np.float32)
