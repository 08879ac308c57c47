"""Streams as the bytes of session files, which `soundstage.resume` opens as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from soundstage.graph.state import State
from soundstage.runners.engine.row import ResumePoint
from soundstage.runners.engine.stream_controls import steered
from soundstage.runners.runner import Runner
from soundstage.runners.sessions.files import SessionFileError, read_session_from, session_bytes
from soundstage.runners.sessions.injection import silence

# A session of a listener has no path; messages call it so.
_NAME = Path("session")


def open_saved(session: bytes, runner: Runner) -> tuple[State, dict[str, Any]]:
    """Opens a saved session of one stream.

    Returns:
        Its state, one row, and its controls; what was being played in is over.

    Raises:
        SessionFileError: it is damaged, of several streams, or of another graph or other weights.
        ControlRefused: it holds controls that no stream may have.
    """
    saved = read_session_from(pa.BufferReader(session), _NAME)
    state, rows = saved.restore(runner.graph, runner.weights())
    if len(rows) != 1:
        raise SessionFileError(f"{_NAME}: holds {len(rows)} streams and only one can be played")
    silent = silence(runner.graph)
    controls = {name: value for name, value in rows[0].items() if name not in silent}
    # A session may come from anywhere: its controls are checked as a listener's are.
    return state, steered(runner.graph, controls, {}) | silent


def write_saved(runner: Runner, behind: ResumePoint) -> bytes:
    """The session that goes on behind a chunk."""
    state = behind.state.rename(["0"])
    content = session_bytes(runner.graph, runner.weights(), state, [behind.controls])
    return content.to_pybytes()
