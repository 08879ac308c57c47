"""Notes for running music: from a MIDI file, tick by tick, or from keys that are held.

A pipeline that hears notes has a control for them (`notes_control`): a row of MIDI pitches for each
frame of a tick.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from soundstage.errors import Error, InputError, UsageError
from soundstage.graph.format import Format
from soundstage.graph.plan import Graph

KIND = "asked notes"
PITCHES = 128
# States of a pitch, as in `stages.magenta_rt2`: off, sounding on, begins, sounds or begins.
OFF, ON, BEGINS, HELD = 0, 1, 2, 3
# MIDI's channel of drums, counted from 0; its pitches are drums and not notes.
DRUM_CHANNEL = 9
LONGEST_S = 24 * 3600.0
CURE = "in soundstage's source folder, run pip install '.[midi]'"


class NoNotes(Error):
    """A pipeline has no control for notes."""

    exit_code: ClassVar[int] = 4


def notes_control(graph: Graph) -> str:
    """Returns the name of the control for notes, int32 [note_frame, pitch].

    Raises:
        NoNotes: the pipeline has no such control.
    """
    for name, control in graph.controls.items():
        if control.port.kind == KIND:
            return name
    raise NoNotes(
        f"pipeline {graph.name} hears no notes: it has no control for them; use one that has, such "
        "as the presets whose name begins with mrt2"
    )


def released(graph: Graph) -> dict[str, np.ndarray]:
    """Returns the controls of no notes; none in a pipeline that hears none."""
    nothing = np.zeros((0, PITCHES), np.int32)
    return {name: nothing for name, control in graph.controls.items() if control.port.kind == KIND}


def read_midi(path: Path, format: Format) -> np.ndarray:
    """Reads the notes of a MIDI file, in the time of its own tempo.

    Channel 10, the drums, is left out: a pipeline plays drums by itself. Velocities are not used.
    A note that is never ended lasts to the end of the file.

    Args:
        path: a standard MIDI file of any type.
        format: the music format; has the frames of a second.

    Returns:
        int32 [frame, pitch], 0 = off, 1 = sounding on, 2 = begins in this frame.

    Raises:
        UsageError: the extra `midi` is not installed.
        InputError: the file cannot be read, is no MIDI file, has no notes or is longer than a day.
    """
    try:
        import mido
    except ModuleNotFoundError as error:
        raise UsageError(f"MIDI needs {error.name}, which is not installed: {CURE}") from error
    try:
        messages = list(mido.MidiFile(path, clip=True))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or 'is no MIDI file, or broken off'}") from error
    # Whatever else the library raises about bytes that are no MIDI.
    except (EOFError, ValueError, LookupError, TypeError, mido.KeySignatureError) as error:
        reason = f": {error}" if str(error) else "; it ends too soon"
        raise InputError(f"{path}: is no MIDI file, or damaged{reason}") from error
    notes, end_s = _notes(messages)
    if not notes:
        raise InputError(f"{path}: has no notes outside the channel of the drums")
    if end_s > LONGEST_S:
        raise InputError(f"{path}: lasts {end_s:.0f} s, more than a day; cut it")
    return _roll(notes, end_s, format.frame_rate_hz)


def _notes(messages: list) -> tuple[list[tuple[int, float, float]], float]:
    """Returns pitch, start and end in seconds of each note, and the end of the last one."""
    sounding: dict[tuple[int, int], float] = {}
    notes, now_s = [], 0.0
    for message in messages:
        now_s += message.time
        if message.type not in ("note_on", "note_off") or message.channel == DRUM_CHANNEL:
            continue
        key = (message.channel, message.note)
        if key in sounding:
            notes.append((message.note, sounding.pop(key), now_s))
        if message.type == "note_on" and message.velocity:
            sounding[key] = now_s
    notes += [(pitch, start_s, now_s) for (_, pitch), start_s in sounding.items()]
    return notes, max((end_s for _, _, end_s in notes), default=0.0)


def _roll(notes: list[tuple[int, float, float]], end_s: float, rate_hz: float) -> np.ndarray:
    roll = np.zeros((max(1, round(end_s * rate_hz)), PITCHES), np.int32)
    begins = []
    for pitch, start_s, stop_s in notes:
        first = min(round(start_s * rate_hz), len(roll) - 1)
        roll[first : max(round(stop_s * rate_hz), first + 1), pitch] = ON
        begins.append((first, pitch))
    for frame, pitch in begins:  # last, so that a longer note does not hide a beginning
        roll[frame, pitch] = BEGINS
    return roll


def note_blocks(roll: np.ndarray, format: Format) -> Iterator[np.ndarray]:
    """Cuts a roll into blocks of a tick's frames; no rows, and so no request, after its end.

    Yields:
        int32 [frame, pitch], without end.
    """
    frames = format.dims["frame"]
    for start in range(0, len(roll), frames):
        block = roll[start : start + frames]
        missing = np.full((frames - len(block), PITCHES), -1, np.int32)
        yield np.concatenate([block, missing])
    while True:
        yield roll[:0]


class HeldNotes:
    """The keys of an instrument: pressed and released on one thread, taken tick by tick on another.

    While a key is held, only held keys sound. While none is held, the model decides.

    Args:
        format: the music format; has the frames of a tick.
    """

    def __init__(self, format: Format) -> None:
        self._frames = format.dims["frame"]
        self._held: set[int] = set()
        self._sustained: set[int] = set()  # released while the pedal is down
        self._pedal = False
        self._struck: set[int] = set()  # pressed since the last tick
        self._before: set[int] = set()  # that sounded in the last frame taken
        self._pressed_s: float | None = None
        self._lock = threading.Lock()

    @property
    def held(self) -> frozenset[int]:
        """The pitches that are held now."""
        with self._lock:
            return frozenset(self._held)

    def press(self, pitch: int) -> None:
        """Begins a note, which sounds for a frame at least; ignores pitches outside 0 to 127."""
        if 0 <= pitch < PITCHES:
            with self._lock:
                self._held.add(pitch)
                self._struck.add(pitch)
                self._sustained.discard(pitch)
                if self._pressed_s is None:
                    self._pressed_s = time.perf_counter()

    def release(self, pitch: int) -> None:
        """Ends a note, with the pedal down once it is up; does nothing if it is not held."""
        with self._lock:
            if self._pedal and pitch in self._held:
                self._sustained.add(pitch)
            else:
                self._held.discard(pitch)

    def pedal(self, down: bool) -> None:
        """Moves the sustain pedal."""
        with self._lock:
            self._pedal = down
            if not down:
                self._held -= self._sustained
                self._sustained.clear()

    def panic(self) -> None:
        """Ends all notes."""
        with self._lock:
            self._pedal = False
            for pitches in (self._held, self._struck, self._sustained):
                pitches.clear()

    def take(self) -> tuple[np.ndarray, float | None]:
        """Returns the rows of the next tick.

        Returns:
            int32 [frame, pitch], no rows if no key is held or was struck; and the moment
            (`time.perf_counter`) of the first key pressed since the last tick, None = none was.
        """
        with self._lock:
            held, struck, before = set(self._held), set(self._struck), set(self._before)
            pressed_s, self._pressed_s = self._pressed_s, None
            self._struck.clear()
            self._before = held | (struck if self._frames == 1 else set())
        if not held and not struck:
            return np.zeros((0, PITCHES), np.int32), pressed_s
        rows = np.zeros((self._frames, PITCHES), np.int32)
        rows[:, sorted(held)] = HELD
        rows[0, sorted(struck)] = HELD
        rows[0, sorted(struck & before)] = BEGINS  # struck again while it sounds
        if not held:
            rows[1:] = -1
        return rows, pressed_s
