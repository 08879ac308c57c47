"""The notes of a performance: from a MIDI file, or from keys, tick by tick."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from soundstage.errors import OutputError, UsageError
from soundstage.graph.format import Format
from soundstage.runners.sessions.notes import CURE, HeldNotes, note_blocks, read_midi

# Controllers of MIDI: the sustain pedal, and those that end all notes.
PEDAL, ALL_OFF = 64, (120, 123)
PEDAL_DOWN = 64
# Seconds between two looks at whether the instrument is still there.
LOOK_S = 1.0


class NoteSource(Protocol):
    """An open source of notes."""

    def take(self) -> tuple[np.ndarray, float | None]:
        """Returns the notes of the next tick; see `HeldNotes.take`."""
        ...


class NoteSourceSpec(Protocol):
    """A description of a source of notes, which opens it."""

    def check(self, format: Format) -> None:
        """Refuses a source that cannot be opened, as far as can be found out without opening it."""
        ...

    def open(
        self, format: Format, say: Callable[[str], None]
    ) -> AbstractContextManager[NoteSource]:
        """Opens the source; closes it after the block.

        Args:
            format: the music format.
            say: prints a line.
        """
        ...


class _Roll:
    """The notes of a file: one tick for each call."""

    def __init__(self, parts: Iterator[np.ndarray]) -> None:
        self._parts = parts

    def take(self) -> tuple[np.ndarray, None]:
        """Returns the notes of the next tick; no rows after the end of the file."""
        return next(self._parts), None


@dataclass(frozen=True)
class MidiFileSpec:
    """A MIDI file whose notes follow the clock of the stream.

    Attributes:
        path: a standard MIDI file.
    """

    path: Path

    def check(self, format: Format) -> None:
        """Refuses a file that cannot be read.

        Raises:
            Exception: as `runners.sessions.notes.read_midi`.
        """
        read_midi(self.path, format)

    @contextmanager
    def open(self, format: Format, say: Callable[[str], None]) -> Iterator[NoteSource]:
        """Reads the file."""
        yield _Roll(note_blocks(read_midi(self.path, format), format))


class KeysSpec:
    """Keys that a display presses, such as those of the computer."""

    def check(self, format: Format) -> None:
        """Refuses nothing."""

    @contextmanager
    def open(self, format: Format, say: Callable[[str], None]) -> Iterator[NoteSource]:
        """Holds no key."""
        yield HeldNotes(format)


@dataclass(frozen=True)
class MidiInputSpec:
    """A MIDI instrument: its keys, its sustain pedal, and "all notes off".

    If the instrument is unplugged, its notes end; when it comes back, it plays again.

    Attributes:
        name: a part of the instrument's name; "" = the first one.
    """

    name: str = ""

    def check(self, format: Format) -> None:
        """Refuses an instrument that is not there.

        Raises:
            UsageError: the extra `midi` is not installed.
            OutputError: there is no such instrument.
        """
        self._find(_mido())

    @contextmanager
    def open(self, format: Format, say: Callable[[str], None]) -> Iterator[NoteSource]:
        """Listens to the instrument until the block ends."""
        library, keys, ended = _mido(), HeldNotes(format), threading.Event()
        name = self._find(library)
        port = library.open_input(name, callback=lambda message: play_message(keys, message))

        def watch() -> None:
            nonlocal port
            there = True
            while not ended.wait(LOOK_S):
                was, there = there, name in library.get_input_names()
                if was and not there:
                    keys.panic()
                    say(f"{name}: unplugged; its notes have ended")
                if there and not was:
                    port.close()
                    port = library.open_input(
                        name, callback=lambda message: play_message(keys, message)
                    )
                    say(f"{name}: plays again")

        watcher = threading.Thread(target=watch, name="midi", daemon=True)
        watcher.start()
        try:
            yield keys
        finally:
            ended.set()
            watcher.join()
            port.close()

    def _find(self, library: ModuleType) -> str:
        names = instruments(library)
        found = [name for name in names if self.name.casefold() in name.casefold()]
        if found:
            return found[0]
        listed = ", ".join(names) or "none is connected"
        raise OutputError(f"no MIDI instrument has {self.name!r} in its name: {listed}")


def play_message(keys: HeldNotes, message: Any) -> None:
    """Plays a message of an instrument; velocities are not used.

    Args:
        keys: are pressed and released.
        message: as mido gives it.
    """
    if message.type == "note_on" and message.velocity:
        keys.press(message.note)
    elif message.type in ("note_on", "note_off"):
        keys.release(message.note)
    elif message.type == "control_change" and message.control == PEDAL:
        keys.pedal(message.value >= PEDAL_DOWN)
    elif message.type == "control_change" and message.control in ALL_OFF:
        keys.panic()


def instruments(library: ModuleType | None = None) -> list[str]:
    """Returns the names of the MIDI instruments that are connected.

    Raises:
        UsageError: the extra `midi` is not installed.
        OutputError: this system's MIDI cannot be reached.
    """
    library = _mido() if library is None else library
    try:
        return list(library.get_input_names())
    except ModuleNotFoundError as error:
        raise UsageError(
            f"MIDI keyboards need {error.name}, which is not installed: {CURE}; from Python 3.13 "
            "on, install a compiler and ALSA's headers (libasound2-dev) and run pip install "
            "python-rtmidi"
        ) from error
    # Each system's backend has errors of its own, such as a missing /dev/snd/seq.
    except Exception as error:
        raise OutputError(f"MIDI cannot be reached: {error}") from error


def _mido() -> ModuleType:
    try:
        import mido
    except ModuleNotFoundError as error:
        raise UsageError(f"MIDI needs {error.name}, which is not installed: {CURE}") from error
    return mido
