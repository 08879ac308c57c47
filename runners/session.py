"""Sessions: live controls in, chunks out; steered, saved, resumed and branched between chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from graph.control import ControlError, to_row
from graph.plan import FromControl, Graph, Node
from graph.problem import suggest
from graph.state import State, initial
from runners.runner import Chunk, Runner, Tick
from runners.session_file import Saved, read_saved, write_saved


class Session:
    """One or more streams of music, made chunk by chunk with the controls of the moment.

    Iterate to make chunks, without end; every `next` makes one chunk of every row. A session
    holds nothing but the controls and the state behind its last chunk, so `save`, `resume` and
    `branch` are exact: the bytes that follow are those of a session that never stopped.
    """

    def __init__(
        self,
        runner: Runner,
        controls: Sequence[Mapping[str, Any]] = ({},),
        *,
        state: State | None = None,
        lookahead: int = 0,
        owns_runner: bool = False,
    ):
        """Opens a session on a runner.

        Args:
            runner: what makes the chunks; several sessions may share one.
            controls: per row, the controls that differ from the pipeline's defaults.
            state: where to continue; None starts fresh.
            lookahead: chunks made ahead of the one asked for. It lets stages overlap; steering
                throws what was made ahead away, so a live player keeps it at 0.
            owns_runner: whether closing the session closes the runner.

        Raises:
            ControlError: a control is unknown, does not fit its port or is refused by a stage.
        """
        self.runner = runner
        self.graph: Graph = runner.graph
        rows = [self._complete(row, {}) for row in controls]
        if not rows:
            raise ControlError("a session needs at least one row")
        names = tuple(str(row) for row in range(len(rows)))
        self._rows: list[dict[str, Any]] = rows
        self._state = state or initial(self.graph, names)
        if len(self._state.streams) != len(rows):
            raise ControlError(f"the state has {len(self._state.streams)} rows, not {len(rows)}")
        self._lookahead = lookahead
        self._owns_runner = owns_runner
        self._chunks: Iterator[Chunk] | None = None

    @property
    def state(self) -> State:
        """The state behind the last chunk made."""
        return self._state

    @property
    def controls(self) -> tuple[Mapping[str, Any], ...]:
        """Per row, every control's present value."""
        return tuple(self._rows)

    def __iter__(self) -> Session:
        return self

    def __next__(self) -> Chunk:
        """Makes the next chunk of every row.

        Raises:
            StageFailed: a stage failed. Nothing has happened: the next call tries again.
        """
        if self._chunks is None:
            self._chunks = self.runner.stream(self._ticks(), self._state, self._lookahead)
        try:
            chunk = next(self._chunks)
        except BaseException:
            self._chunks = None
            raise
        self._state = chunk.state
        return chunk

    def steer(self, row: int | None = None, /, **controls: Any) -> None:
        """Changes controls from the next chunk on.

        Args:
            row: the row to steer; None steers all.
            **controls: new values by name.

        Raises:
            ControlError: a value is refused; nothing has changed and the music goes on.
            IndexError: there is no such row.
        """
        if row is not None and not 0 <= row < len(self._rows):
            raise IndexError(f"there is no row {row}; the session has {len(self._rows)}")
        rows = [
            self._complete(controls, old) if row in (None, index) else old
            for index, old in enumerate(self._rows)
        ]
        self._rows = rows
        self._stop_looking_ahead()

    def branch(self, **controls: Any) -> Session:
        """Opens another session that continues from here, with other controls.

        Both share the runner; what one does is not seen by the other.

        Raises:
            ControlError: a value is refused.
        """
        rows = [self._complete(controls, row) for row in self._rows]
        return Session(self.runner, rows, state=self._state, lookahead=self._lookahead)

    def save(self, path: str | Path) -> None:
        """Writes the session to a file, atomically.

        Raises:
            OSError: the file cannot be written.
        """
        write_saved(Path(path), Saved(self.graph.spec, self._weights(), self._state, self._rows))

    @classmethod
    def resume(
        cls, runner: Runner, path: str | Path, *, lookahead: int = 0, owns_runner: bool = False
    ) -> Session:
        """Opens a saved session; the bytes that follow are those it would have made.

        Raises:
            SessionFileError: the file is no session, is damaged, or was made by another graph or
                with other weights.
        """
        saved = read_saved(Path(path), runner.graph.spec.allow_hint)
        raise AssertionError(saved)

    def close(self) -> None:
        """Stops looking ahead; closes the runner if the session owns it."""
        self._stop_looking_ahead()
        if self._owns_runner:
            self.runner.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
