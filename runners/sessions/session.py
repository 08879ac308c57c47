"""Sessions: chunks with live controls; can be steered, saved and branched between chunks."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from soundstage.graph.control import ControlError
from soundstage.graph.plan import Graph
from soundstage.graph.state import State, initial
from soundstage.runners.lifetime import Lifetime
from soundstage.runners.runner import Chunk, Runner, Tick
from soundstage.runners.sessions.controls import complete
from soundstage.runners.sessions.embedding import embed
from soundstage.runners.sessions.files import SavedSession, write_session
from soundstage.runners.sessions.journal import JournalWriter, open_journal
from soundstage.runners.sessions.prompts import PROMPTS, Prompt, written_out

if TYPE_CHECKING:
    from soundstage.runners.recording import Paths, Recording


@dataclass
class _Wait:
    """A wait for the next chunk in an event loop."""

    chunk: Chunk | None = None
    cancelled: bool = False


class Session:
    """One or more streams of music, made chunk by chunk with the current controls.

    Iterating makes chunks without end; every `next` makes one chunk of every row. In an event loop,
    `async for chunk in session` does the same on a thread of its own. A session has
    only the controls and the state after its last chunk, so that `save`, `resume` and `branch` are
    exact: the bytes that follow are those of a session without a break.

    All methods may be called from any thread, also while another thread makes a chunk: `next` and
    `close` wait for that chunk, all others return at once. Every method but `close` raises
    `SessionClosed` after `close`, and `ForkedProcess` in a fork of the process.
    """

    def __init__(
        self,
        runner: Runner,
        rows: Sequence[Mapping[str, Any]] = ({},),
        *,
        state: State | None = None,
        lookahead: int = 0,
        keep_ahead: bool = False,
        owns_runner: bool = False,
    ):
        """Opens a session on a runner.

        Args:
            runner: the runner of the ticks; several sessions may share one.
            rows: per row, the controls that differ from the pipeline's defaults. "prompts" is
                short for the prompt controls (see `soundstage.open`).
            state: the state to continue from; None = the initial state.
            lookahead: chunks made ahead of the requested one, so that stages overlap. Steering
                discards them: use 0 for live playing, or `keep_ahead`.
            keep_ahead: whether steering keeps the chunks made ahead: a change is heard so many
                chunks later, and no memo has to be rebuilt. A session that is saved between goes on
                with the change at once.
            owns_runner: whether closing the session closes the runner.

        Raises:
            ControlError: a control is unknown, does not fit its port or is refused by a stage.
        """
        self._lifetime = Lifetime("session")
        self._making = threading.RLock()  # held while a chunk is made
        self._changing = threading.Lock()  # held while rows, state or closed change
        self._steered = False
        if not rows:
            raise ControlError("a session needs at least one row")
        self.runner = runner
        self.graph: Graph = runner.graph
        self._rows = [self._complete(row, {}) for row in rows]
        self._state = state or initial(self.graph, [str(row) for row in range(len(rows))])
        if len(self._state.streams) != len(rows):
            raise ControlError(f"the state has {len(self._state.streams)} rows, not {len(rows)}")
        self._lookahead = lookahead
        self._keep_ahead = keep_ahead
        self._owns_runner = owns_runner
        self._chunks: Iterator[Chunk] | None = None
        self._unclaimed: deque[Chunk] = deque()  # made for waits that were cancelled

    @property
    def sample_rate(self) -> int:
        """Audio samples per second and channel, in Hz."""
        return self.graph.format.sample_rate_hz

    @property
    def state(self) -> State:
        """The state after the last chunk."""
        return self._state

    @property
    def delayed_chunks(self) -> int:
        """The number of chunks that are made ahead and kept when controls change."""
        return self._lookahead if self._keep_ahead else 0

    @property
    def controls(self) -> tuple[Mapping[str, Any], ...]:
        """Per row, every control's current value, by name; numbers are of the port's dtype."""
        return tuple(self._rows)

    def __iter__(self) -> Session:
        self._lifetime.check()
        return self

    def __next__(self) -> Chunk:
        """Makes the next chunk of every row.

        Raises:
            StageFailed: a stage failed. The state is unchanged: the next call tries again.
        """
        self._lifetime.check()
        return self._make()

    def _make(self) -> Chunk:
        with self._making:
            self._lifetime.check()
            if self._unclaimed:
                return self._unclaimed.popleft()
            with self._changing:
                steered, self._steered = self._steered, False
            if steered and not self._keep_ahead:
                self._stop_looking_ahead()
            if self._chunks is None:
                self._chunks = self.runner.stream(self._ticks(), self._state, self._lookahead)
            try:
                chunk = next(self._chunks)
            except BaseException:
                self._chunks = None
                raise
            with self._changing:
                self._state = chunk.state
            return chunk

    def _make_for(self, wait: _Wait) -> Chunk:
        """Makes the next chunk on a thread; keeps it if the wait for it was cancelled."""
        with self._making:
            chunk = self._make()
            with self._changing:
                wait.chunk = chunk
                if wait.cancelled:
                    self._unclaimed.append(chunk)
        return chunk

    def __aiter__(self) -> Session:
        self._lifetime.check()
        return self

    async def __anext__(self) -> Chunk:
        """Makes the next chunk of every row while the event loop runs on.

        A chunk whose wait is cancelled is made all the same, and the next wait, or the next
        `next`, returns it.

        Raises:
            StageFailed: as `next`.
        """
        self._lifetime.check()
        wait = _Wait()
        making = asyncio.get_running_loop().run_in_executor(None, self._make_for, wait)
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            with self._changing:
                wait.cancelled = True
                if wait.chunk is not None:
                    self._unclaimed.append(wait.chunk)
            raise

    def write(self, seconds: float, path: Paths) -> Recording:
        """Makes the next seconds of music and writes them to a file.

        The session goes on after the last chunk that was made, which may end later than the file:
        a whole number of chunks loses nothing.

        Args:
            seconds: the duration, above 0.
            path: a .wav, .flac, .ogg or .mp3 file; for several rows, a list with one for each. A
                file has what made it in its tags, and appears when it is complete.

        Raises:
            InputError: the duration is not a finite number above 0.
            UsageError: the number of files is not that of the rows, or the pipeline makes no audio.
            OutputError: a file cannot be written.
            StageFailed: a stage failed. No file is written; the session is after the last chunk
                that was made.
            StageError: a sample is not finite.
        """
        from soundstage.runners.recording import RecordingPlan, chunks_of, write_recording

        count, samples = chunks_of(seconds, self.graph.format)
        plan = RecordingPlan(self.graph, self.runner.weights(), self._now()[1], count, samples)
        return write_recording(path, plan, islice(self, count))

    def steer(self, row: int | None = None, /, **controls: Any) -> None:
        """Changes controls from the next chunk on that is begun after this call.

        Args:
            row: the row to steer; None steers all.
            **controls: new values by name; "prompts" is short for the prompt controls.

        Raises:
            ControlError: a value is refused, or there is no such row; no control has changed.
        """
        self._lifetime.check()
        if row is not None and not 0 <= row < len(self._rows):
            raise ControlError(
                f"there is no row {row}: the rows are 0 to {len(self._rows) - 1}; None steers all"
            )
        with self._changing:
            self._rows = [
                self._complete(controls, old) if row in (None, index) else old
                for index, old in enumerate(self._rows)
            ]
            self._steered = True

    def embed(self, prompt: Prompt) -> np.ndarray:
        """Returns the style vector of a prompt, from the pipeline's own embedder.

            house, jazz = session.embed("deep house"), session.embed(Audio("jazz.wav"))
            session.steer(prompts=[0.3 * house + 0.7 * jazz])

        The vector is a prompt wherever prompts are given. Chunks and controls are unchanged.

        Args:
            prompt: text, an audio file or a style vector; its weight makes no difference.

        Returns:
            float32 [style_dim], 768 numbers in the published format.

        Raises:
            ControlError: the prompt is refused, or the pipeline does not embed prompts.
            InputError: a file cannot be used.
            StageFailed: the embedder failed.
        """
        _, rows = self._now()
        return embed(self.runner, self._complete({PROMPTS: [prompt]}, rows[0]))

    def branch(self, **controls: Any) -> Session:
        """Opens another session with the same state and other controls.

        The two share the runner and do not affect each other.

        Args:
            **controls: new values by name, for all rows; "prompts" is short for the four prompt
                controls.

        Raises:
            ControlError: a value is refused.
        """
        state, old = self._now()
        rows = [self._complete(controls, row) for row in old]
        ahead, kept = self._lookahead, self._keep_ahead
        return Session(self.runner, rows, state=state, lookahead=ahead, keep_ahead=kept)

    def save(self, path: str | Path) -> None:
        """Saves the session to a file for `resume`, completely or not at all.

        Args:
            path: the file; an old one is replaced.

        Raises:
            OutputError: the file cannot be written.
        """
        state, rows = self._now()
        write_session(Path(path), self.graph, self.runner.weights(), state, rows)

    def journal(self, path: str | Path) -> AbstractContextManager[JournalWriter]:
        """Opens a journal: a file for `resume` that survives a kill of this process.

            with session.journal("set.journal") as journal:
                for chunk in session:
                    play(chunk.audio)
                    journal.write(chunk)

        `resume` continues after the last chunk of the journal, with the controls of that chunk. A
        journal that the session was resumed from is continued; any other file is refused.

        Args:
            path: the file.

        Raises:
            OutputError: the file cannot be written, or is not a journal of this session.
        """
        state, rows = self._now()
        return open_journal(Path(path), self.graph, self.runner.weights(), state, rows)

    @classmethod
    def resume(
        cls,
        runner: Runner,
        saved: SavedSession,
        *,
        lookahead: int = 0,
        keep_ahead: bool = False,
        owns_runner: bool = False,
    ) -> Session:
        """Opens a saved session; the bytes that follow are those of a session without a break.

        Warns (`MadeElsewhere`) if other versions or another processor made the file: then bytes may
        differ.

        Args:
            runner: the runner of the ticks, of the session's graph.
            saved: the contents of a session file or a journal.
            lookahead: chunks made ahead of the requested one.
            keep_ahead: whether steering keeps them.
            owns_runner: whether closing the session closes the runner.

        Raises:
            SessionFileError: the session was saved with another graph or other weights.
        """
        state, rows = saved.restore(runner.graph, runner.weights())
        saved.made_by.warn(saved.path)
        return cls(
            runner,
            rows,
            state=state,
            lookahead=lookahead,
            keep_ahead=keep_ahead,
            owns_runner=owns_runner,
        )

    def close(self) -> None:
        """Stops looking ahead; closes the runner if the session owns it. Idempotent."""
        if self._lifetime.forked:
            return
        self._lifetime.closed = True
        with self._making:
            self._stop_looking_ahead()
            if self._owns_runner:
                self.runner.close()

    def __enter__(self) -> Session:
        self._lifetime.check()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _now(self) -> tuple[State, list[dict[str, Any]]]:
        """Returns the state after the last chunk, and every row's controls."""
        self._lifetime.check()
        with self._changing:
            return self._state, self._rows

    def _complete(self, changes: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
        return complete(self.graph, written_out(changes, self.graph), current)

    def _ticks(self) -> Iterator[Tick]:
        chunks = self._state.chunks
        while True:
            yield Tick(self._state.streams, chunks, tuple(self._rows))
            chunks = tuple(chunk + 1 for chunk in chunks)

    def _stop_looking_ahead(self) -> None:
        """Discards the chunks made ahead, which have old controls."""
        chunks, self._chunks = self._chunks, None
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
