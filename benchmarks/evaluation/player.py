"""Plays many prompts on one pipeline, some rows at a time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.plan import Graph
from soundstage.runners.api import load, open_runner
from soundstage.runners.runner import Runner
from soundstage.runners.sessions.session import Session

# A multiple of neither the pieces nor the weights: enough rows to share a network's weights.
ROWS = 9


@dataclass(frozen=True)
class Choice:
    """A pipeline by what a user writes.

    Attributes:
        preset: the name of one that ships, or None.
        pipeline: a file, or None; with neither, the default preset.
    """

    preset: str | None = None
    pipeline: Path | None = None

    def load(self) -> Graph:
        """The checked graph.

        Raises:
            PipelineError: it has mistakes.
        """
        return load(self.preset, self.pipeline)


class Performer:
    """A pipeline that is ready to play.

    Args:
        runner: it runs there.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    @property
    def format(self) -> Format:
        """The music's lengths and rates."""
        return self._runner.graph.format

    def weights(self) -> dict[str, dict[str, str]]:
        """Digest and note of every stage that has weights, by stage."""
        return self._runner.weights()

    def session(self, rows: Sequence[Mapping[str, Any]]) -> Session:
        """A session of its own, to be steered.

        Args:
            rows: per row, the controls that differ from the pipeline's defaults.
        """
        return Session(self._runner, rows)

    def play(
        self, rows: Sequence[Mapping[str, Any]], chunks: int, width: int = ROWS
    ) -> Iterator[np.ndarray]:
        """Plays every row from its start, in order.

        Args:
            rows: per row, the controls that differ from the pipeline's defaults.
            chunks: of each.
            width: rows at a time. Programs are compiled for it: a last batch that is narrower is
                filled up with rows that nobody hears.

        Yields:
            float32 [sample, channel] a row, `chunks` chunks long.
        """
        width = min(width, len(rows))
        for first in range(0, len(rows), width):
            some = list(rows[first : first + width])
            filled = some + some[-1:] * (width - len(some))
            session = Session(self._runner, filled)
            made = np.concatenate(
                [chunk.audio for chunk in islice(session, chunks)], axis=1
            )  # [row, sample, channel]
            yield from made[: len(some)]


@contextmanager
def performing(graph: Graph) -> Iterator[Performer]:
    """Loads a graph's weights, and frees them at the end.

    Raises:
        PipelineError: the graph cannot run here.
        WeightsError: weights are missing or do not fit.
    """
    runner = open_runner(graph)
    try:
        yield Performer(runner)
    finally:
        runner.close()
