"""Destinations of a performance: a player program, standard output, or a file."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from soundstage.apps.player.cues import cue_file, write_cues
from soundstage.apps.player.sink import Paced
from soundstage.audio.standard_output import Pipe, ReaderGone
from soundstage.audio.wav import WavEncoder
from soundstage.audio.writer import STANDARD_OUTPUT, AudioWriter, check_writer, open_writer
from soundstage.errors import OutputError
from soundstage.files import check_writable

# Seconds that a player has to play the audio it holds.
PATIENCE_S = 10.0


@dataclass(frozen=True)
class PlayerCommand:
    """A program that reads WAV from its standard input and plays it.

    Attributes:
        command: the program and its options, quoted as for a shell.
    """

    command: str

    @property
    def words(self) -> list[str]:
        """The program and its arguments.

        Raises:
            OutputError: the command has an open quote, or is empty.
        """
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise OutputError(f"--to {self.command!r}: {error}") from error
        if not words:
            raise OutputError("--to is empty: name a program, such as 'aplay -q'")
        return words

    def check(self, sample_rate_hz: int, channels: int) -> None:
        """Refuses a program that does not exist.

        Raises:
            OutputError: there is no such program.
        """
        program = self.words[0]
        if shutil.which(program) is None:
            raise OutputError(f"--to {self.command!r}: there is no program {program!r}")

    @contextmanager
    def open(self, sample_rate_hz: int, channels: int) -> Iterator[Paced]:
        """Starts the program; after the block it has 10 s to play the audio it holds.

        Raises:
            OutputError: the program cannot be started, or ended with an error.
        """
        with tempfile.TemporaryFile() as messages:
            try:
                # In a session of its own, Ctrl-C does not reach it, and the music can fade out.
                player = subprocess.Popen(
                    self.words,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=messages,
                    start_new_session=True,
                )
            except OSError as error:
                raise OutputError(f"--to {self.command!r}: {error.strerror}") from error
            assert player.stdin is not None
            try:
                sink = self._sink(player.stdin, sample_rate_hz, channels)
                try:
                    yield sink
                finally:
                    sink.close()
                    if not sink.over:
                        player.kill()  # it has stopped reading, and would never end
            except BaseException:
                player.terminate()
                raise
            finally:
                self._end(player)
            self._check_status(player, messages)

    def _sink(self, pipe: IO[bytes], rate_hz: int, channels: int) -> Paced:
        name = self.words[0]
        try:
            encoder = WavEncoder(Pipe(cast(BinaryIO, pipe)), rate_hz, channels, "PCM_16", {}, None)
        except ReaderGone as error:
            raise OutputError(f"--to: {name} ended before any music") from error
        return Paced(name, AudioWriter(name, encoder, channels, "PCM_16").write, rate_hz, channels)

    def _end(self, player: subprocess.Popen[bytes]) -> None:
        assert player.stdin is not None
        with suppress(BrokenPipeError):
            player.stdin.close()
        try:
            player.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            player.kill()
            player.wait()

    def _check_status(self, player: subprocess.Popen[bytes], messages: IO[bytes]) -> None:
        if player.returncode == 0:
            return
        messages.seek(0)
        lines = messages.read()[-2000:].decode("utf-8", "replace").strip().splitlines()
        reason = f": {lines[-1]}" if lines else ""
        raise OutputError(f"--to: {self.words[0]} ended with status {player.returncode}{reason}")


@dataclass(frozen=True)
class FileOutput:
    """A file, or standard output, that is written in real time.

    Attributes:
        path: a .wav, .flac, .ogg or .mp3 file, or "-" for WAV on standard output.
        keep: called with a line about the file if it cannot become complete.
        subtype: how samples are stored, see `audio.writer.SUBTYPES`; None = the format's default.
        cues: whether the moments of steering are written to a JSON file, too; a WAV has them as cue
            points.
    """

    path: str
    keep: Callable[[str], object]
    subtype: str | None = None
    cues: bool = False

    @property
    def cue_file(self) -> Path | None:
        """The JSON file of the moments of steering; None = none is written."""
        return cue_file(self.path) if self.cues else None

    def check(self, sample_rate_hz: int, channels: int) -> None:
        """Refuses a path that cannot be written.

        Raises:
            OutputError: as `audio.writer.open_writer`.
        """
        check_writer(self.path, sample_rate_hz, channels, subtype=self.subtype)
        if self.cue_file is not None:
            check_writable(self.cue_file)

    @contextmanager
    def open(self, sample_rate_hz: int, channels: int) -> Iterator[Paced]:
        """Opens the file, which appears when the block ends, or standard output.

        Raises:
            OutputError: as `audio.writer.open_writer`.
        """
        name = "standard output" if self.path == STANDARD_OUTPUT else self.path
        with open_writer(
            self.path, sample_rate_hz, channels, subtype=self.subtype, keep=self.keep
        ) as writer:
            sink = Paced(name, writer.write, sample_rate_hz, channels)
            try:
                yield sink
            finally:
                sink.close()
            if isinstance(sink.error, OutputError):
                raise sink.error  # the file is not complete
            writer.cues = tuple(sink.cues)
        if self.cues:
            write_cues(self.path, writer.cues, writer.samples, sample_rate_hz)
