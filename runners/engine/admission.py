"""What a stream may ask for: its pace, its chunks ahead, and the memory of its controls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from soundstage.graph.format import Format
from soundstage.graph.port import array_bytes
from soundstage.runners.engine.refusals import RETRY_AFTER_S, ControlRefused, Full
from soundstage.runners.engine.row import StreamRow
from soundstage.runners.engine.schedule import Pace

# The most chunks made ahead of their need.
MOST_AHEAD = 60
# The most bytes of one stream, and of all.
MOST_STREAM_BYTES, MOST_BYTES = 128 << 20, 512 << 20
# The most bytes of controls in a saved session: audio prompts of two minutes.
MOST_SAVED_BYTES = 8 << 20
# Besides those of the unread chunks, so many controls are kept: of the chunks that may be made
# again, of the next chunk, and of the resume point.
OTHER_CONTROLS = 4


def refuse_pace(pace: str, buffer_chunks: float) -> None:
    """Refuses an unknown pace, and more chunks ahead than the engine makes.

    Raises:
        ControlRefused: the pace is unknown, or `buffer_chunks` is out of range.
    """
    if pace not in get_args(Pace):
        known = " or ".join(get_args(Pace))
        raise ControlRefused(f"pace: expected {known}, got {str(pace)[:40]!r}")
    if not 0 < buffer_chunks <= MOST_AHEAD:  # NaN compares false
        raise ControlRefused(
            f"buffer_chunks: expected more than 0 and at most {MOST_AHEAD}, got {buffer_chunks}"
        )


def held_bytes(row: StreamRow, controls: Mapping[str, Any], format: Format) -> int:
    """Returns the most bytes that a stream holds while it has such controls."""
    chunk_bytes = 4 * format.dims["sample"] * format.channels
    kept = row.max_unread + OTHER_CONTROLS
    return row.max_unread * chunk_bytes + kept * array_bytes(controls)


def refuse_memory(
    row: StreamRow, controls: Mapping[str, Any], others: Iterable[StreamRow], format: Format
) -> None:
    """Refuses controls, or a stream, that would hold too much memory.

    Args:
        row: the stream.
        controls: its controls from now on.
        others: all streams; `row` may be one of them.
        format: gives the size of a chunk.

    Raises:
        ControlRefused: the stream alone would hold more than `MOST_STREAM_BYTES`.
        Full: all streams would hold more than `MOST_BYTES`.
    """
    own = held_bytes(row, controls, format)
    if own > MOST_STREAM_BYTES:
        raise ControlRefused(
            f"{row.max_unread} chunks ahead with such controls would hold {own / 1e6:.0f} MB, more "
            f"than {MOST_STREAM_BYTES / 1e6:.0f} MB: ask for fewer buffer_chunks or clips"
        )
    total = own + sum(held_bytes(one, one.controls, format) for one in others if one is not row)
    if total > MOST_BYTES:
        raise Full(
            f"all streams would hold {total / 1e6:.0f} MB, more than {MOST_BYTES / 1e6:.0f} MB: "
            "ask for fewer buffer_chunks or clips",
            RETRY_AFTER_S,
        )


def refuse_large_session(controls: Mapping[str, Any]) -> None:
    """Refuses to save controls that are large.

    Raises:
        ControlRefused: they have more than `MOST_SAVED_BYTES`.
    """
    size = array_bytes(controls)
    if size > MOST_SAVED_BYTES:
        raise ControlRefused(
            f"the session has prompts of {size / 1e6:.1f} MB, more than the limit of "
            f"{MOST_SAVED_BYTES / 1e6:.1f} MB: use fewer or shorter clips"
        )
