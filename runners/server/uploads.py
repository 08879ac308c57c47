"""Audio files that listeners hand over, kept as clips for prompts."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections import OrderedDict
from pathlib import Path

import numpy as np

from graph.format import Format
from runners.audio_in import read_clips

LONGEST_S = 120.0


class Uploads:
    """Clips by name; the oldest goes when there are too many.

    Args:
        format: gives the clips' length and rate.
        most: how many are kept.
    """

    def __init__(self, format: Format, most: int) -> None:
        self._format, self._most = format, most
        self._clips: OrderedDict[str, np.ndarray] = OrderedDict()

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
        clips = await asyncio.to_thread(self._read, data, suffix)
        name = secrets.token_urlsafe(12)
        self._clips[name] = clips[0]
        while len(self._clips) > self._most:
            self._clips.popitem(last=False)
        return name, clips[1]

    def get(self, name: str) -> np.ndarray | None:
        """The clips of an upload, float32 [clip, clip_sample]; None = there is none."""
        clips = self._clips.get(name)
        if clips is not None:
            self._clips.move_to_end(name)
        return clips

    def _read(self, data: bytes, suffix: str) -> tuple[np.ndarray, float]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"upload{suffix if suffix.isascii() else ''}"[:40]
            path.write_bytes(data)
            clips = read_clips(path, self._format, LONGEST_S)
        return clips.samples, clips.seconds
