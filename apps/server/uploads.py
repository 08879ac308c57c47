"""Audio files that clients upload: clips for prompts, and music to go on from."""

from __future__ import annotations

import asyncio
import math
import secrets
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundstage.audio.clips import read_audio, read_clips
from soundstage.audio.reader import open_audio
from soundstage.errors import InputError
from soundstage.files import reporting
from soundstage.graph.format import Format

LONGEST_S = 120.0
# 120 s of two channels at 192 kHz; a small file may claim more, and take long to decode.
MOST_VALUES = 46_080_000
# What an error calls the file.
NAME_IN_ERRORS = "the upload"
TEMPORARY = "a temporary file of the server"


@dataclass(frozen=True)
class Upload:
    """An audio file.

    Attributes:
        clips: for prompts: float32 [clip, clip_sample], mono.
        end: for music that goes on from the file: float32 [sample, channel] at the format's rate.
        seconds: the length of the whole file.
    """

    clips: np.ndarray
    end: np.ndarray
    seconds: float


class Uploads:
    """The uploaded files, by name.

    Args:
        format: gives the clips' length and rate.
        max_files: how many files are kept; another one replaces the oldest.
        end_samples: how much of a file's end is kept for music that goes on from it.
        max_bytes: the most bytes of decoded audio that are kept; likewise, but one file always is.
    """

    def __init__(
        self,
        format: Format,
        max_files: int,
        end_samples: int = 0,
        max_bytes: float = math.inf,
    ) -> None:
        self._format, self._max_files, self._end_samples = format, max_files, end_samples
        self._max_bytes = max_bytes
        self._files: OrderedDict[str, Upload] = OrderedDict()
        # One file is read at a time: several would take much memory at once.
        self._lock = asyncio.Lock()

    async def add(self, data: bytes, suffix: str = "") -> tuple[str, float]:
        """Reads a file and keeps it.

        Args:
            data: the bytes of an audio file.
            suffix: the suffix of its name, for formats that its bytes do not tell.

        Returns:
            A name for it, which is hard to guess, and its length in seconds.

        Raises:
            InputError: it is not audio, or cannot be used.
            OutputError: the server's disk is full.
        """
        async with self._lock:
            upload = await asyncio.to_thread(self._read, data, suffix)
        name = secrets.token_urlsafe(12)
        self._files[name] = upload
        while len(self._files) > self._max_files or self._too_many_bytes:
            self._files.popitem(last=False)
        return name, upload.seconds

    def get(self, name: str) -> Upload | None:
        """Returns an upload; None = no upload has that name."""
        upload = self._files.get(name)
        if upload is not None:
            self._files.move_to_end(name)
        return upload

    @property
    def _too_many_bytes(self) -> bool:
        sizes = [upload.clips.nbytes + upload.end.nbytes for upload in self._files.values()]
        return len(sizes) > 1 and sum(sizes) > self._max_bytes

    def _read(self, data: bytes, suffix: str) -> Upload:
        with reporting(TEMPORARY), tempfile.TemporaryDirectory() as folder:
            plain = suffix.isascii() and suffix.isprintable()
            path = Path(folder) / f"upload{suffix if plain else ''}"[:40]
            path.write_bytes(data)
            try:
                return self._read_file(path)
            except InputError as error:
                # A client must not learn where files lie on this machine.
                raise InputError(str(error).replace(str(path), NAME_IN_ERRORS)) from None

    def _read_file(self, path: Path) -> Upload:
        with open_audio(path) as file:
            values = file.samples * file.channels
        if values > MOST_VALUES:
            raise InputError(
                f"{path}: holds {values} samples in all channels, more than {MOST_VALUES}: mix it "
                "to two channels, or resample it to 48 kHz"
            )
        clips = read_clips(path, self._format, LONGEST_S)
        rate_hz, channels = self._format.sample_rate_hz, self._format.channels
        if not self._end_samples:
            return Upload(clips.samples, np.zeros((0, channels), np.float32), clips.seconds)
        audio = read_audio(path, rate_hz, channels, LONGEST_S)
        # A copy: a view would keep the whole file in memory.
        return Upload(clips.samples, audio[-self._end_samples :].copy(), clips.seconds)
