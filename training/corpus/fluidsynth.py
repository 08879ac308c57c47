"""FluidSynth's library: renders tracks with a soundfont, note by note."""

import ctypes
import ctypes.util
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np

from soundstage.errors import Error
from soundstage.training.corpus.composition.score import DRUM_CHANNEL, Track
from soundstage.training.corpus.instruments import INSTRUMENTS

RATE_HZ = 48_000
# FluidSynth starts and ends notes at multiples of this many samples.
BLOCK = 64
VOLUME, PAN = 7, 10
# The mixer sets the loudness of tracks: the sounds of a soundfont are not equally loud.
FULL_VOLUME = 100
GAIN = 0.3
# The mixer adds reverberation and chorus, so that all tracks of a piece share one room.
SETTINGS = {
    b"synth.reverb.active": 0,
    b"synth.chorus.active": 0,
    b"synth.polyphony": 256,
    b"synth.dynamic-sample-loading": 1,
}
FAILED = -1


class RenderError(Error):
    """FluidSynth, a soundfont or the drum samples are missing, or FluidSynth failed."""


@cache
def _library() -> ctypes.CDLL:
    """Loads the library.

    Raises:
        RenderError: it is not installed.
    """
    found = ctypes.util.find_library("fluidsynth")
    if found is None:
        raise RenderError(
            "the library of FluidSynth is not installed: run "
            "`apt install libfluidsynth3 fluid-soundfont-gm musescore-general-soundfont "
            "sonic-pi-samples` (Debian)"
        )
    library = ctypes.CDLL(found)
    for name in ("new_fluid_settings", "new_fluid_synth", "fluid_synth_get_sfont"):
        getattr(library, name).restype = ctypes.c_void_p
    # Its warnings are about parts of soundfonts that it does not know.
    for level in range(5):
        library.fluid_set_log_function(level, None, None)
    return library


def find_fluidsynth() -> None:
    """Checks that FluidSynth's library is installed.

    Raises:
        RenderError: it is not installed.
    """
    _library()


class Synthesizer:
    """Renders tracks with one soundfont; usable by one thread at a time.

    Args:
        soundfont: an .sf2 or .sf3 file.

    Raises:
        RenderError: FluidSynth is missing or cannot read the soundfont.
    """

    def __init__(self, soundfont: Path) -> None:
        self._library = _library()
        self._settings = ctypes.c_void_p(self._library.new_fluid_settings())
        for name, value in SETTINGS.items():
            self._library.fluid_settings_setint(self._settings, name, value)
        for name, number in ((b"synth.sample-rate", RATE_HZ), (b"synth.gain", GAIN)):
            self._library.fluid_settings_setnum(self._settings, name, ctypes.c_double(number))
        # Keeps the soundfont; each track has a synthesizer of its own, because a reset leaves the
        # ends of earlier notes behind.
        self._keeper = self._synth()
        if self._library.fluid_synth_sfload(self._keeper, bytes(soundfont), 1) == FAILED:
            self.close()
            raise RenderError(f"soundfont {soundfont}: FluidSynth cannot read it")
        self._font = ctypes.c_void_p(self._library.fluid_synth_get_sfont(self._keeper, 0))

    def close(self) -> None:
        """Frees the soundfont's memory; the synthesizer cannot be used afterwards."""
        self._library.delete_fluid_synth(self._keeper)
        self._library.delete_fluid_settings(self._settings)

    def render(self, track: Track, tempo_bpm: float, samples: int) -> np.ndarray:
        """Renders one track without reverberation, at an arbitrary level.

        Equal calls give equal samples, whatever was rendered between them.

        Args:
            track: the notes of one instrument.
            tempo_bpm: beats a minute.
            samples: length of the result.

        Returns:
            float32 [sample, 2] at `RATE_HZ`.
        """
        instrument = INSTRUMENTS[track.instrument]
        channel = DRUM_CHANNEL if instrument.is_drums else 0
        call = self._library
        synth = self._synth()
        call.fluid_synth_add_sfont(synth, self._font)
        call.fluid_synth_program_change(synth, channel, instrument.program)
        call.fluid_synth_cc(synth, channel, VOLUME, FULL_VOLUME)
        call.fluid_synth_cc(synth, channel, PAN, round(63.5 + 63.5 * track.mix.pan))
        audio = np.zeros((-(-samples // BLOCK) * BLOCK, 2), np.float32)
        done = 0
        for at, function, values in _events(track, 60.0 / tempo_bpm * RATE_HZ):
            if at >= len(audio):
                break
            _write(synth, audio, done, at)
            done = at
            getattr(call, function)(synth, channel, *values)
        _write(synth, audio, done, len(audio))
        call.fluid_synth_remove_sfont(synth, self._font)
        call.delete_fluid_synth(synth)
        return audio[:samples]

    def _synth(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(self._library.new_fluid_synth(self._settings))


def _write(synth: ctypes.c_void_p, audio: np.ndarray, start: int, end: int) -> None:
    if end <= start:
        return
    left = audio[start:end].ctypes.data_as(ctypes.c_void_p)
    _library().fluid_synth_write_float(synth, end - start, left, 0, 2, left, 1, 2)


def _events(track: Track, beat_samples: float) -> Iterable[tuple[int, str, tuple[int, ...]]]:
    """Lists (sample, function, arguments) in order; at one sample notes end before others start."""
    events: list[tuple[int, int, str, tuple[int, ...]]] = [
        (_block(control.beat * beat_samples), 0, "fluid_synth_cc", (control.number, control.value))
        for control in track.controls
    ]
    for note in track.notes:
        start = _block(note.start * beat_samples)
        end = max(start + BLOCK, _block((note.start + note.length) * beat_samples))
        events.append((start, 2, "fluid_synth_noteon", (note.pitch, note.velocity)))
        events.append((end, 1, "fluid_synth_noteoff", (note.pitch,)))
    return [(at, function, values) for at, _, function, values in sorted(events)]


def _block(sample: float) -> int:
    return round(sample / BLOCK) * BLOCK
