"""Streams as the bytes of session files, which `soundstage.resume` opens as well."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa

from soundstage.graph.spec import PipelineSpec
from soundstage.graph.state import State
from soundstage.runners.engine.row import ResumePoint
from soundstage.runners.engine.session_token import unpack
from soundstage.runners.engine.stream_controls import steered
from soundstage.runners.file_header import header_metadata
from soundstage.runners.runner import Runner
from soundstage.runners.sessions.files import SessionFileError, read_session_from, session_bytes
from soundstage.runners.sessions.injection import silence

LOGGER = logging.getLogger("soundstage.serve")
# The name in error messages: a session that a client sends has no path.
_NAME, _CURE = Path("session"), "start without the session"


def open_saved(session: bytes, runner: Runner) -> tuple[State, dict[str, Any]]:
    """Opens a saved session of one stream, or the token of one that came with a chunk.

    Returns:
        Its state, one row, and its controls, with live input silent.

    Raises:
        SessionFileError: the session is damaged, of several streams, or of another graph or other
            weights.
        ControlRefused: it holds controls that no stream may have.
    """
    try:
        content = unpack(session)
    except ValueError as error:
        raise SessionFileError(f"{_NAME}: the data is damaged: {error}") from error
    saved = read_session_from(pa.BufferReader(content), _NAME)
    own = runner.graph.spec
    if saved.spec == _without_folders(own):
        saved = replace(saved, spec=own)
    elif saved.spec.digest() != runner.graph.digest:
        theirs, ours = repr(saved.spec.name), repr(own.name)
        made = (
            f"another version of the pipeline {ours}" if theirs == ours else f"{theirs}, not {ours}"
        )
        raise SessionFileError(f"{_NAME}: made by {made}: {_CURE}")
    if difference := saved.other_weights(runner.weights()):
        raise SessionFileError(f"{_NAME}: {difference}: {_CURE}")
    state, rows = saved.restore(runner.graph, runner.weights())
    if difference := saved.made_by.difference():
        LOGGER.info("a client's session was %s", difference)
    if len(rows) != 1:
        raise SessionFileError(f"{_NAME}: holds {len(rows)} streams and only one can be played")
    silent = silence(runner.graph)
    controls = {name: value for name, value in rows[0].items() if name not in silent}
    # A client may send any session: its controls are checked like those of any message.
    return state, steered(runner.graph, controls, {}) | silent


class SessionWriter:
    """Writes sessions that go on after a chunk.

    They name files of weights without their folders, which are no business of clients.

    Args:
        runner: a runner of the streams.
    """

    def __init__(self, runner: Runner) -> None:
        self._graph = replace(runner.graph, spec=_without_folders(runner.graph.spec))
        self._header = header_metadata(self._graph, runner.weights())

    def write(self, resume_point: ResumePoint) -> bytes:
        """Returns the bytes of a session; any thread may call it."""
        state = resume_point.state.rename(["0"])
        content = session_bytes(self._graph, self._header, state, [resume_point.controls])
        data: bytes = content.to_pybytes()
        return data


def _without_folders(spec: PipelineSpec) -> PipelineSpec:
    """Returns a pipeline whose parameters name files by their last names only."""
    stages = {
        name: stage.model_copy(
            update={"params": {key: _last_name(value) for key, value in stage.params.items()}}
        )
        for name, stage in spec.stage.items()
    }
    return spec.model_copy(update={"stage": stages})


def _last_name(value: Any) -> Any:
    is_path = isinstance(value, str) and (value.startswith("~") or PurePath(value).is_absolute())
    return PurePath(value).name if is_path else value
