"""Common parts of the commands that make a known number of chunks."""

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

from soundstage.graph.plan import Graph
from soundstage.runners.runner import Chunk, Runner, Tick
from soundstage.runners.sessions.session import Session
from soundstage.runners.timing.timeline import TimelineWriter, open_timeline
from soundstage.version import version


@dataclass
class Stopwatch:
    """Seconds of the steps before the first chunk, by name; not part of the real-time factor."""

    steps: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Adds the block's time to the step `name`."""
        start = time.perf_counter()
        yield
        self.steps[name] = self.steps.get(name, 0.0) + time.perf_counter() - start

    def __str__(self) -> str:
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.steps.items())


@contextmanager
def closing(runner: Runner) -> Iterator[None]:
    """Closes a runner at the end of the block, except after Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        # Do not wait for the stages in progress: they end with the process.
        raise
    except BaseException:
        runner.close()
        raise
    runner.close()


def chunks(
    session: Session, count: int, changes: Iterator[Mapping[str, Any]] | None = None
) -> Iterator[Chunk]:
    """Makes the next `count` chunks and leaves the session unchanged.

    Unlike a session that looks ahead, it never starts a chunk after the last one.

    Args:
        session: has the state, and every row's controls.
        count: the number of chunks.
        changes: for each tick, the controls that differ from the session's, for all rows; values
            as `graph.control.to_row` returns them.

    Raises:
        StageFailed: a stage failed.
    """
    ticks = _ticks(session, count, repeat({}) if changes is None else changes)
    return session.runner.stream(ticks, session.state, session.runner.window - 1)


def timeline(path: Path | None, graph: Graph) -> AbstractContextManager[TimelineWriter | None]:
    """Opens a timeline; without a path, yields None.

    Raises:
        OutputError: the file cannot be written.
    """
    return nullcontext() if path is None else open_timeline(path, graph, version())


def _ticks(session: Session, count: int, changes: Iterator[Mapping[str, Any]]) -> Iterator[Tick]:
    for index, changed in zip(range(count), changes, strict=False):
        indices = tuple(chunk + index for chunk in session.state.chunks)
        controls = tuple({**row, **changed} for row in session.controls)
        yield Tick(session.state.streams, indices, controls)
