"""Audio files that listeners hand over, kept as clips for prompts and to go on from."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundstage.audio.clips import read_audio, read_clips
from soundstage.graph.format import Format

LONGEST_S = 120.0


@dataclass(frozen=True)
class Upload:
    """An audio file.

    Attributes:
        clips: float32 [clip, clip_sample], mono, for prompts.
        end: float32 [sample, channel] at the format's rate, for music that goes on from it.
        seconds: the whole file's length.
    """

    clips: np.ndarray
    end: np.ndarray
    seconds: float


class Uploads:
    """Files by name; the oldest goes when there are too many.

    Args:
        format: gives the clips' length and rate.
        most: how many are kept.
        end_samples: how much of a file's end is kept for music that goes on from it.
    """

    def __init__(self, format: Format, most: int, end_samples: int = 0) -> None:
        self._format, self._most, self._end_samples = format, most, end_samples
        self._files: OrderedDict[str, Upload] = OrderedDict()

    async def add(self, data: bytes, suffix: str = "") -> tuple[str, float]:
        """Reads a file and keeps it.

        Args:
            data: any audio file.
            suffix: of its name; tells formats apart that have no mark of their own.

        Returns:
            Its name here, which nobody can guess, and its length in seconds.

        Raises:
            InputError: it is no audio that can be used.
        """
        upload = await asyncio.to_thread(self._read, data, suffix)
        name = secrets.token_urlsafe(12)
        self._files[name] = upload
        while len(self._files) > self._most:
            self._files.popitem(last=False)
        return name, upload.seconds

    def get(self, name: str) -> Upload | None:
        """An upload; None = there is none of that name."""
        upload = self._files.get(name)
        if upload is not None:
            self._files.move_to_end(name)
        return upload

    def _read(self, data: bytes, suffix: str) -> Upload:
        with tempfile.TemporaryDirectory() as folder:
            plain = suffix.isascii() and suffix.isprintable()
            path = Path(folder) / f"upload{suffix if plain else ''}"[:40]
            path.write_bytes(data)
            clips = read_clips(path, self._format, LONGEST_S)
            rate_hz, channels = self._format.sample_rate_hz, self._format.channels
            if not self._end_samples:
                return Upload(clips.samples, np.zeros((0, channels), np.float32), clips.seconds)
            audio = read_audio(path, rate_hz, channels, LONGEST_S)
        # A copy: else the whole file would stay for the sake of its end.
        return Upload(clips.samples, audio[-self._end_samples :].copy(), clips.seconds)
