"""Draws the mixing desk's faders, meters and gauges as styled text of a given width."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from soundstage.apps.player.faders import FaderRow
from soundstage.apps.player.performer import ChunkReport
from soundstage.graph.legible import legible

SILENT_DB = -60.0
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(share: float, width: int) -> str:
    """Returns a bar of `width` characters, filled to a share of 0 to 1, to an eighth of one."""
    eighths = round(min(max(share, 0.0), 1.0) * 8 * width)
    full, part = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(width)


def decibels(peak: float) -> float:
    """Returns a peak in dBFS, at least -60."""
    return max(SILENT_DB, 20 * math.log10(peak)) if peak > 0 else SILENT_DB


def faders(rows: Sequence[FaderRow], width: int) -> Text:
    """Returns the faders, one line each."""
    text = Text(no_wrap=True, overflow="crop")
    loudest = max([1.0, *(row.value for row in rows if row.is_prompt)])
    names = min(max([10, *(cell_len(_line(row.name)) for row in rows)]), max(10, width // 3))
    before: FaderRow | None = None
    for row in rows:
        if before is not None and before.is_prompt and not row.is_prompt:
            text.append("\n")
        before = row
        style = "bold cyan" if row.selected else ""
        text.append("▸ " if row.selected else "  ", style)
        text.append(_short(row.name, names), style)
        if row.is_prompt:
            text.append(f" {row.value:6.2f} ", style)
            room = max(4, width - names - 12)
            text.append(bar(row.value / loudest, room), "magenta" if row.value else "dim")
        else:
            text.append(f" {row.value:6g}", style)
        text.append("\n")
    return text


def levels(peaks: Sequence[float], width: int) -> Text:
    """Returns the level meters, one line for each channel."""
    text = Text(no_wrap=True, overflow="crop")
    room = max(4, width - 22)
    for channel, peak in enumerate(peaks):
        level_db = decibels(peak)
        style = "red" if level_db > -1 else "yellow" if level_db > -9 else "green"
        name = "LR"[channel] if len(peaks) == 2 else str(channel + 1)
        label = f"{level_db:6.1f} dB" if level_db > SILENT_DB else "  silent "
        text.append(f"  level {name}  ")
        text.append(bar(1 - level_db / SILENT_DB, room), style)
        text.append(f" {label}\n")
    return text


def buffer(
    buffered_s: float,
    full_s: float,
    report: ChunkReport | None,
    key_to_sound_s: float | None,
    width: int,
) -> Text:
    """Returns the buffer's gauge and, from the last chunk's report, the speed.

    Args:
        buffered_s: seconds of music that are buffered.
        full_s: seconds of a full buffer.
        report: that of the last chunk; None = there is none yet.
        key_to_sound_s: seconds from a key until it is heard; None = no key was pressed yet.
        width: characters of a line.
    """
    text = Text(no_wrap=True, overflow="crop")
    room = max(4, width - 22)
    style = "green" if buffered_s > 0.25 * full_s else "yellow" if buffered_s else "red"
    text.append("  buffer   ")
    text.append(bar(buffered_s / full_s, room), style)
    text.append(f" {buffered_s:6.2f} s\n")
    if report is not None:
        slack = "" if report.slack_s is None else f"slack {report.slack_s:.2f} s   "
        text.append(f"  speed    {1 / report.rtf:.2f} x real time   {slack}chunk {report.chunk}\n")
        if key_to_sound_s is not None:
            text.append(f"  keys     heard after {1000 * key_to_sound_s:.0f} ms\n")
    return text


def underruns(count: int, silent_s: float, cause: str) -> Text:
    """Returns the number of underruns, their silence and the cause of the last one."""
    if not count:
        return Text("  underruns 0", "green")
    text = Text(f"  underruns {count} ({silent_s:.1f} s of silence)", "red")
    if cause:
        text.append(f"\n  late: {cause}", "yellow")
    return text


def _short(name: str, cells: int) -> str:
    """Returns a name cut or padded to `cells` cells of a terminal; some letters take two."""
    line = _line(name)
    if cell_len(line) > cells:
        line = set_cell_size(line, cells - 1) + "…"
    return set_cell_size(line, cells)


def _line(name: str) -> str:
    """Returns a name as one line without control characters."""
    return legible(" ".join(name.split()))
