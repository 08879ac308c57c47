"""Reads what a run left in a file, as Arrow tables and NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from soundstage.errors import InputError, UsageError
from soundstage.graph import wire
from soundstage.graph.problem import suggest
from soundstage.graph.spec import PipelineSpec
from soundstage.graph.state import State
from soundstage.runners.sessions.files import SavedSession, read_session
from soundstage.runners.sessions.journal_file import is_journal, read_journal
from soundstage.runners.traces.message_columns import read_columns
from soundstage.runners.traces.trace import read_trace
from soundstage.runners.wiring import CONTROLS

if TYPE_CHECKING:
    import pyarrow as pa

RunKind: TypeAlias = Literal["recorded run", "session", "journal"]
TICK_KEY = "_tick"
_ARROW_FILE, _ARROW_STREAM = b"ARROW1", b"\xff\xff\xff\xff"
# Messages by stage, tick by tick.
_Ticks: TypeAlias = Callable[[], Iterator[Mapping[str, Any]]]


@dataclass(frozen=True)
class RecordedRun:
    """The messages of a run, from a file; neither weights nor the stages' modules are needed.

    Attributes:
        path: the file.
        kind: "recorded run", "session" or "journal".
        spec: the pipeline that ran, overrides applied; `spec.name` is its name.
        weights: digest and note of every stage with weights, by stage.
        state: for a recorded run, the state before its first tick; for a session and a journal, the
            state that music continues from. Its arrays are `[row, ...]`, by "stage.port".
        names: of the messages: "in", the controls, and for a recorded run every stage.
        complete: False if a recorded run was stopped: its last ticks may be missing.
    """

    path: Path
    kind: RunKind
    spec: PipelineSpec
    weights: Mapping[str, Mapping[str, str]]
    state: State
    names: tuple[str, ...]
    complete: bool
    _ticks: _Ticks = field(repr=False)

    def table(self, name: str) -> pa.Table:
        """Reads the messages of one stage, or the controls, as a `pyarrow.Table`.

        Args:
            name: one of `names`.

        Returns:
            One row for each stream in each tick. The ticks of a journal are its entries, the first
            from before its first chunk; a session has one tick. After the columns `_tick` int64,
            from 0, `_stream` utf8 and `_chunk` int64, there is one column for each port: a
            fixed-shape tensor, a number, a text, or a list for a ragged port. A field's metadata
            has the port's `kind` and `unit`.

        Raises:
            UsageError: there is no such name.
            InputError: the file is damaged.
        """
        import pyarrow as pa

        with _reading(self.path):
            batches = [wire.read_batch(message) for message in self._messages(name)]
        ticks = np.repeat(np.arange(len(batches)), [batch.num_rows for batch in batches])
        return pa.Table.from_batches(batches).add_column(0, TICK_KEY, pa.array(ticks, pa.int64()))

    def array(self, name: str, port: str) -> np.ndarray | list[list[Any]]:
        """Reads the values of one port, or of one control, in all ticks.

        Args:
            name: one of `names`.
            port: the port's name; of "in", the control's.

        Returns:
            An array `[tick, row, ...]` of the port's dtype. For a ragged port or texts, a list by
            tick of lists by row, of arrays, texts or lists of texts.

        Raises:
            UsageError: there is no such name, or no such port.
            InputError: the file is damaged.
        """
        ticks: list[list[Any]] = []
        is_list = False
        with _reading(self.path):
            for message in self._messages(name):
                ports = read_columns(message).ports
                if port not in ports:
                    what = f"{self.path}: the messages of {name!r} have no port {port!r}"
                    raise UsageError(f"{what}; {suggest(port, ports)}")
                column = ports[port]
                is_text = column.dtype == "utf8"
                is_list = is_text or -1 in column.sizes
                ticks.append([row.tolist() if is_text else row for row in column.rows])
        return ticks if is_list else np.stack([np.stack(rows) for rows in ticks])

    def _messages(self, name: str) -> Iterable[Any]:
        if name not in self.names:
            what = f"{self.path}: this {self.kind} has no messages of {name!r}"
            raise UsageError(f"{what}; {suggest(name, self.names)}")
        return (messages[name] for messages in self._ticks())


def read_run(path: str | Path) -> RecordedRun:
    """Opens a recorded run, a saved session or a journal, to read its messages.

        run = soundstage.read_run("run.arrow")
        run.array("sample", "tokens")  # int32 [tick, row, frame, level]
        run.table("in").to_pandas()    # the controls of every tick

    Args:
        path: a file of `soundstage generate --record`, `Session.save` or `Session.journal`.

    Raises:
        InputError: the file is missing, damaged, none of the three, or a run without a tick.
        SessionFileError: a session or a journal is damaged, or of a later version.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind is None:
        raise InputError(f"{path}: is no recorded run, no saved session and no journal")
    if kind == "recorded run":
        return _recorded(path)
    if kind == "session":
        session = read_session(path)
        return _saved(session, kind, [session.controls])
    journal = read_journal(path)
    return _saved(journal.session, kind, [entry.controls for entry in journal.entries])


def kind_of(path: Path) -> RunKind | None:
    """Returns what a file is by its first bytes; None = something else, such as audio.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(len(_ARROW_FILE))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if start == _ARROW_FILE:
        return "session"
    if not start.startswith(_ARROW_STREAM):
        return None
    return "journal" if is_journal(path) else "recorded run"


def _recorded(path: Path) -> RecordedRun:
    trace = read_trace(path)
    first = list(islice(trace.ticks(), 1))
    if not first:
        raise InputError(f"{path}: the run was stopped before its first tick was done")
    return RecordedRun(
        path,
        "recorded run",
        trace.spec,
        trace.weights,
        _state(path, trace.state),
        tuple(first[0]),
        trace.complete,
        trace.ticks,
    )


def _saved(session: SavedSession, kind: RunKind, controls: list[bytes]) -> RecordedRun:
    return RecordedRun(
        session.path,
        kind,
        session.spec,
        session.weights,
        _state(session.path, session.state),
        (CONTROLS,),
        True,
        lambda: ({CONTROLS: message} for message in controls),
    )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except wire.WireError as error:
        raise InputError(f"{path}: is damaged: {error}") from error


def _state(path: Path, message: bytes) -> State:
    with _reading(path):
        read = read_columns(message)
    values = {name: np.stack(column.rows) for name, column in read.ports.items()}
    return State(read.streams, read.chunks, values)
