"""A performance into a program that plays it, into a pipe, or into a file."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

from soundstage.apps.player.sink import Paced
from soundstage.audio.standard_output import Pipe, ReaderGone
from soundstage.audio.wav import WavEncoder
from soundstage.audio.writer import STANDARD_OUTPUT, AudioWriter, check_writer, open_writer
from soundstage.errors import OutputError

# What a player may take to play what it holds.
PATIENCE_S = 10.0


@dataclass(frozen=True)
class PlayerCommand:
    """A program that reads WAV from its standard input and plays it.

    Attributes:
        command: the program and its options, as a shell has them.
    """

    command: str

    @property
    def words(self) -> list[str]:
        """The program and its arguments.

        Raises:
            OutputError: the command has an open quote, or says nothing.
        """
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise OutputError(f"--to {self.command!r}: {error}") from error
        if not words:
            raise OutputError("--to: names no program")
        return words

    def check(self, sample_rate_hz: int, channels: int) -> None:
        """Refuses a program that is not there.

        Raises:
            OutputError: there is no such program.
        """
        program = self.words[0]
        if shutil.which(program) is None:
            raise OutputError(f"--to: there is no program {program!r}")

    @contextmanager
    def open(self, sample_rate_hz: int, channels: int) -> Iterator[Paced]:
        """Starts the program; behind the block it is given the time to play what it holds.

        Raises:
            OutputError: it cannot be started, or ended with a fault.
        """
        with tempfile.TemporaryFile() as said:
            try:
                # A session of its own: Ctrl-C is for us, who then end the music properly.
                player = subprocess.Popen(
                    self.words,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
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
                        player.kill()  # it takes nothing any more, and would keep us for ever
            except BaseException:
                player.terminate()
                raise
            finally:
                self._end(player)
            self._refuse_failure(player, said)

    def _sink(self, pipe: IO[bytes], rate_hz: int, channels: int) -> Paced:
        name = self.words[0]
        try:
            encoder = WavEncoder(Pipe(cast(BinaryIO, pipe)), rate_hz, channels, "pcm16", {}, None)
        except ReaderGone as error:
            raise OutputError(f"--to: {name} ended before any music") from error
        return Paced(name, AudioWriter(name, encoder, channels, "pcm16").write, rate_hz, channels)

    def _end(self, player: subprocess.Popen[bytes]) -> None:
        assert player.stdin is not None
        with suppress(BrokenPipeError):
            player.stdin.close()
        try:
            player.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            player.kill()
            player.wait()

    def _refuse_failure(self, player: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        if player.returncode == 0:
            return
        said.seek(0)
        lines = said.read()[-2000:].decode("utf-8", "replace").strip().splitlines()
        reason = f": {lines[-1]}" if lines else ""
        raise OutputError(f"{self.words[0]} ended with status {player.returncode}{reason}")


@dataclass(frozen=True)
class FileOutput:
    """A file, or standard output, that gets the performance in real time.

    Attributes:
        path: a .wav, .flac, .ogg or .mp3 file, or "-" for WAV on standard output.
    """

    path: str

    def check(self, sample_rate_hz: int, channels: int) -> None:
        """Refuses what cannot be written.

        Raises:
            OutputError: as `audio.writer.open_writer`.
        """
        check_writer(self.path, sample_rate_hz, channels)

    @contextmanager
    def open(self, sample_rate_hz: int, channels: int) -> Iterator[Paced]:
        """Opens it; a file appears when the block ends.

        Raises:
            OutputError: as `audio.writer.open_writer`.
        """
        name = "standard output" if self.path == STANDARD_OUTPUT else self.path
        with open_writer(self.path, sample_rate_hz, channels) as writer:
            sink = Paced(name, writer.write, sample_rate_hz, channels)
            try:
                yield sink
            finally:
                sink.close()
