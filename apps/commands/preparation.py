"""The steps before a command makes its first chunk: continue a clip, load, compile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from soundstage.graph.control import ControlError
from soundstage.graph.declaration import memo_of
from soundstage.graph.plan import Graph
from soundstage.graph.state import State
from soundstage.progress import Progress
from soundstage.runners.api import open_runner
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.offline import Stopwatch, closing
from soundstage.runners.runner import Runner
from soundstage.runners.sessions.continuation import continued_state
from soundstage.runners.sessions.files import SavedSession
from soundstage.runners.sessions.injection import silence
from soundstage.runners.sessions.notes import released
from soundstage.runners.sessions.session import Session


class Preparation:
    """Shows each step while it runs and measures it; as text, the seconds of each step."""

    def __init__(self, progress: Progress) -> None:
        """Runs nothing yet."""
        self._progress = progress
        self._stopwatch = Stopwatch()

    def __str__(self) -> str:
        return str(self._stopwatch)

    @property
    def seconds(self) -> dict[str, float]:
        """The seconds of each step so far, by name."""
        return dict(self._stopwatch.steps)

    def state_after(self, clip: np.ndarray | None, graph: Graph) -> State | None:
        """Returns the state of a stream that continues a clip; None without a clip.

        Args:
            clip: float32 [sample, channel], or None.
            graph: a graph that can continue clips.

        Raises:
            WeightsError: weights are missing or do not fit.
            StageFailed: a stage failed.
        """
        if clip is None:
            return None
        with self._progress.step("listening to the clip"), self._stopwatch.measure("listening"):
            return continued_state(graph, clip)

    @contextmanager
    def runner(self, graph: Graph, choice: RunnerChoice) -> Iterator[Runner]:
        """Loads the stages of a graph; closes their runner after the block.

        Raises:
            WeightsError: weights are missing or do not fit.
        """
        loading = f"loading {len(graph.nodes)} stages"
        with self._progress.step(loading), self._stopwatch.measure("loading"):
            runner = open_runner(graph, choice)
        with closing(runner):
            yield runner

    def compile(self, runner: Runner, sizes: Iterable[int] = (1,)) -> None:
        """Compiles the stages for batches of these sizes.

        Raises:
            StageFailed: a stage failed.
        """
        for size in sizes:
            what = "compiling" if size == 1 else f"compiling for {size} rows"
            with self._progress.step(what), self._stopwatch.measure("compiling"):
                runner.warm_up(size)

    def show_note(self, graph: Graph) -> None:
        """Prints the pipeline's note, such as that its weights are random."""
        if graph.spec.note:
            self._progress.say(f"{graph.name}: {graph.spec.note}")


def open_session(
    saved: SavedSession | None,
    changes: Mapping[str, Any],
    runner: Runner,
    lookahead: int = 0,
    state: State | None = None,
) -> Session:
    """Opens a session of one stream: a new one, or a saved one with changed controls.

    Args:
        saved: the session to continue; None = a new one.
        changes: controls from the command line, by name.
        runner: makes the chunks.
        lookahead: chunks made ahead of the next one to be returned (see `Session`). Steering keeps
            them if a stage has a memo: to rebuild it takes longer than a chunk lasts.
        state: where a new stream starts; None = at the graph's initial state.

    Raises:
        ControlError: a control is out of range, or the saved session has several streams.
        SessionFileError: the session was made by another graph or with other weights.
    """
    kept = any(memo_of(node.cls) for node in runner.graph.nodes.values())
    if saved is None:
        return Session(runner, [changes], state=state, lookahead=lookahead, keep_ahead=kept)
    session = Session.resume(runner, saved, lookahead=lookahead, keep_ahead=kept)
    if len(session.controls) > 1:
        raise ControlError(
            f"{saved.path}: holds {len(session.controls)} streams and only one can be played; "
            "resume it in Python"
        )
    # The live input and the keys that the session was saved with are over.
    session.steer(**{**silence(session.graph), **released(session.graph), **changes})
    return session
