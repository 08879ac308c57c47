"""Draws the waveform and the spectrogram of an audio file."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundstage.audio.inspection import Inspection, inspect
from soundstage.audio.reader import open_audio
from soundstage.audio.spectrogram import LOWEST_HZ, Picture, picture
from soundstage.errors import OutputError
from soundstage.files import replacing, reporting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

DYNAMIC_RANGE_DB = 80.0

_INK = "#2b2d42"
_WAVE = "#3d5a98"
_TICKS_KHZ = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)


def plot(path: Path | str, png: Path | str) -> None:
    """Draws the waveform and the spectrogram of `path` into the PNG file `png`.

    Time runs in seconds, frequency in kHz on a logarithmic scale, level in dB. Memory does not
    grow with the length of the audio.

    Raises:
        InputError: the audio cannot be read.
        OutputError: the PNG cannot be written, or matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise OutputError(
            "plots need matplotlib, which is missing: in soundstage's source folder, run "
            "pip install '.[plot]'"
        ) from error
    with replacing(png) as stream:
        facts = inspect(path)
        with open_audio(path) as source:
            reduced = picture(source)
        figure = Figure(figsize=(12, 6.6), dpi=150, facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        _draw(figure, reduced, facts)
        encoded = io.BytesIO()
        with warnings.catch_warnings():
            # A prompt may have letters that no installed font has: the title shows a box instead.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            figure.savefig(encoded, format="png", metadata={"Software": "soundstage"})
        with reporting(png):
            stream.write(encoded.getvalue())


def _draw(figure: Figure, reduced: Picture, facts: Inspection) -> None:
    waves = reduced.low.shape[1] if reduced.low.shape[1] <= 2 else 1
    grid = figure.add_gridspec(
        waves + 1, 2, height_ratios=[0.8 if waves == 2 else 1.2] * waves + [4], width_ratios=[70, 1]
    )
    spectrum = figure.add_subplot(grid[waves, 0])
    for row in range(waves):
        axes = figure.add_subplot(grid[row, 0], sharex=spectrum)
        shown = slice(row, row + 1) if waves == reduced.low.shape[1] else slice(None)
        label = ("left", "right")[row] if waves == 2 else ""
        _wave(axes, reduced, shown, label)
    image = _spectrum(spectrum, reduced)
    bar = figure.colorbar(image, cax=figure.add_subplot(grid[waves, 1]))
    bar.set_label("dB, 0 = full-scale sine", color=_INK)
    bar.outline.set_visible(False)
    title = facts.provenance.title if facts.provenance else facts.name
    figure.suptitle(
        title if len(title) <= 110 else title[:107] + "...",
        x=0.01,
        ha="left",
        fontsize=14,
        color=_INK,
        parse_math=False,
    )
    figure.axes[1].set_title(
        _details(facts), loc="left", fontsize=9, color="#6c6f7f", parse_math=False
    )


def _details(facts: Inspection) -> str:
    parts = [
        facts.name,
        f"{facts.seconds:.1f} s",
        f"{facts.sample_rate_hz / 1000:g} kHz",
        f"peak {facts.peak_dbfs:.1f} dBFS",
        f"RMS {facts.rms_dbfs:.1f} dBFS",
    ]
    if facts.clipped_samples:
        parts.append(f"{facts.clipped_samples} clipped samples")
    return "   \N{MIDDLE DOT}   ".join(parts)


def _wave(axes: Axes, reduced: Picture, channels: slice, label: str) -> None:
    low = reduced.low[:, channels].min(axis=1)
    high = reduced.high[:, channels].max(axis=1)
    times = (np.arange(len(low)) + 0.5) * reduced.seconds / len(low)
    # A minimal height, so that quiet passages show as a line.
    axes.fill_between(times, low - 0.004, high + 0.004, color=_WAVE, linewidth=0)
    axes.set_ylim(-1.02, 1.02)
    axes.set_yticks([-1, 0, 1])
    axes.set_ylabel(label, color=_INK)
    axes.grid(axis="x", color="#e6e8ef", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelbottom=False, bottom=False, colors=_INK)
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def _spectrum(axes: Axes, reduced: Picture) -> AxesImage:
    lowest, highest = np.log10(LOWEST_HZ), np.log10(reduced.highest_hz)
    loudest = float(reduced.level_db.max())
    image = axes.imshow(
        reduced.level_db,
        origin="lower",
        aspect="auto",
        extent=(0.0, reduced.seconds, float(lowest), float(highest)),
        cmap="magma",
        vmin=loudest - DYNAMIC_RANGE_DB,
        vmax=loudest,
        interpolation="bilinear",
    )
    ticks = [khz for khz in _TICKS_KHZ if LOWEST_HZ <= 1000 * khz <= reduced.highest_hz]
    axes.set_yticks([float(np.log10(1000 * khz)) for khz in ticks], [f"{khz:g}" for khz in ticks])
    axes.set_ylabel("frequency (kHz)", color=_INK)
    axes.set_xlabel("time (s)", color=_INK)
    axes.set_xlim(0, reduced.seconds)
    axes.tick_params(colors=_INK)
    axes.spines[:].set_visible(False)
    return image
