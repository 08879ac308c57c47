"""Draws a thumbnail of audio: its waveform as SVG, its spectrogram as PNG."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np

from soundstage.audio.png import encode_png
from soundstage.audio.source import AudioSource
from soundstage.audio.spectrogram import SILENCE_DB, picture

WIDTH = 320
HEIGHT = 80
WAVE_HEIGHT = 40
DYNAMIC_RANGE_DB = 72.0

# Near black over violet and coral to a warm white: louder is brighter, also to the colour-blind.
_ANCHORS = np.array(
    [[12, 14, 30], [48, 28, 92], [122, 38, 116], [204, 68, 96], [246, 140, 82], [254, 226, 174]]
)
_COLOURS = 48


@dataclass(frozen=True)
class Thumbnail:
    """Two pictures of audio, with the same time axis.

    Attributes:
        spectrogram: a PNG as a data URI, at most `WIDTH` x `HEIGHT` pixels.
        waveform: the path data of an SVG of `WIDTH` x `WAVE_HEIGHT`.
    """

    spectrogram: str
    waveform: str


def thumbnail(source: AudioSource) -> Thumbnail:
    """Draws the thumbnail of a source, which is read to its end.

    Raises:
        InputError: the file is damaged or cut short.
    """
    reduced = picture(source, WIDTH, HEIGHT)
    level_db = reduced.level_db[::-1]  # [band, time], the highest on top
    loudest = max(float(level_db.max()), SILENCE_DB + DYNAMIC_RANGE_DB)
    share = np.clip(1 + (level_db - loudest) / DYNAMIC_RANGE_DB, 0, 1)
    indices = np.rint(share * (_COLOURS - 1)).astype(np.uint8)
    png = base64.b64encode(encode_png(indices, _palette())).decode()
    outline = _outline(reduced.low.min(axis=1), reduced.high.max(axis=1))
    return Thumbnail(f"data:image/png;base64,{png}", outline)


def _palette() -> np.ndarray:
    """Returns uint8 [colour, 3], linear between the anchors."""
    position = np.linspace(0, len(_ANCHORS) - 1, _COLOURS)
    known = np.arange(len(_ANCHORS))
    channels = [np.interp(position, known, _ANCHORS[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def _outline(low: np.ndarray, high: np.ndarray) -> str:
    """Returns the waveform as one closed path, at least 2 % of the height thick."""
    middle = WAVE_HEIGHT / 2
    x = np.linspace(0, WIDTH, len(low))
    top = middle - np.clip(high, 0.02, 1) * middle
    bottom = middle - np.clip(low, -1, -0.02) * middle
    forward = [f"{a:.0f} {b:.3g}" for a, b in zip(x, top, strict=True)]
    back = [f"{a:.0f} {b:.3g}" for a, b in zip(x[::-1], bottom[::-1], strict=True)]
    return "M" + "L".join([*forward, *back]) + "Z"
