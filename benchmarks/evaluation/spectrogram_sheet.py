"""Spectrograms of several audio files in one small picture."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundstage.audio.reader import open_audio
from soundstage.audio.spectrogram import LOWEST_HZ, Picture, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS_A_ROW = 2
# Few, large cells and few shades: an overview that compresses well.
COLUMNS, BANDS, SHADES = 120, 48, 24
DYNAMIC_RANGE_DB = 72.0
TICKS_KHZ = (0.1, 1, 10)


def draw_sheet(paths: Mapping[str, Path]) -> bytes:
    """Draws spectrograms in rows of two, as a PNG.

    Args:
        paths: audio files by title.

    Raises:
        InputError: a file cannot be read.
        ModuleNotFoundError: matplotlib, of the extra `plot`, is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(paths) // PANELS_A_ROW)
    figure = Figure(figsize=(5 * PANELS_A_ROW, 1.7 * rows), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, PANELS_A_ROW, squeeze=False).ravel()
    for axes, (title, path) in zip(panels, paths.items(), strict=False):
        with open_audio(path) as source:
            _draw(axes, picture(source, COLUMNS, BANDS), title)
    for axes in panels[len(paths) :]:
        axes.set_visible(False)
    encoded = io.BytesIO()
    figure.savefig(encoded, format="png", metadata={"Software": "soundstage"})
    return encoded.getvalue()


def _draw(axes: "Axes", reduced: Picture, title: str) -> None:
    lowest, highest = np.log10(LOWEST_HZ), np.log10(reduced.highest_hz)
    loudest = float(reduced.level_db.max())
    share = np.clip(1 + (reduced.level_db - loudest) / DYNAMIC_RANGE_DB, 0, 1)
    axes.imshow(
        np.rint(share * SHADES) / SHADES,
        origin="lower",
        aspect="auto",
        extent=(0.0, reduced.seconds, float(lowest), float(highest)),
        cmap="magma",
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )
    axes.set_yticks(
        [float(np.log10(1000 * khz)) for khz in TICKS_KHZ], [f"{k:g}" for k in TICKS_KHZ]
    )
    axes.set_title(title, loc="left", fontsize=9, parse_math=False)
    axes.tick_params(labelsize=7)
