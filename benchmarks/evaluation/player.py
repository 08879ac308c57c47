"""A player of many prompts on one pipeline, several rows at a time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.plan import Graph
from soundstage.runners.api import load, open_runner
from soundstage.runners.runner import Runner
from soundstage.runners.sessions.prompts import Audio
from soundstage.runners.sessions.session import Session

# Rows of one batch: enough to amortise reading the network's weights.
ROWS = 9


@dataclass(frozen=True)
class PipelineChoice:
    """A preset or a pipeline file, as given on the command line.

    Attributes:
        preset: the name of a preset, or None.
        pipeline: a pipeline file, or None; with neither, the default preset.
    """

    preset: str | None = None
    pipeline: Path | None = None

    def load(self) -> Graph:
        """Loads and checks the graph.

        Raises:
            PipelineError: the pipeline has problems.
        """
        return load(self.preset, self.pipeline)


class PromptPlayer:
    """Plays prompts on a loaded pipeline.

    Args:
        runner: runs the pipeline.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    @property
    def format(self) -> Format:
        """The music format."""
        return self._runner.graph.format

    def weights(self) -> dict[str, dict[str, str]]:
        """Returns digest and note of the weights, by stage."""
        return self._runner.weights()

    def session(self, rows: Sequence[Mapping[str, Any]]) -> Session:
        """Opens a new session.

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
            chunks: the number of chunks of each.
            width: rows of a batch. Programs are compiled for it: the last batch is padded with
                rows that are not returned.

        Yields:
            float32 [sample, channel] a row, `chunks` chunks long.
        """
        width = min(width, len(rows))
        for first in range(0, len(rows), width):
            some = list(rows[first : first + width])
            padded = some + some[-1:] * (width - len(some))
            session = Session(self._runner, padded)
            audio = np.concatenate(
                [chunk.audio for chunk in islice(session, chunks)], axis=1
            )  # [row, sample, channel]
            yield from audio[: len(some)]


def seeded_rows(prompts: Sequence[str | Audio], seed: int, **controls: Any) -> list[dict[str, Any]]:
    """Returns the controls of rows that play one prompt each.

    Args:
        prompts: a text or a clip a row.
        seed: row n has the seed `seed` + n.
        controls: the same for all rows.
    """
    return [
        {"prompts": [prompt], "seed": seed + row, **controls} for row, prompt in enumerate(prompts)
    ]


@contextmanager
def open_player(graph: Graph) -> Iterator[PromptPlayer]:
    """Loads a graph's weights, and frees them at the end.

    Raises:
        PipelineError: the graph cannot run here.
        WeightsError: weights are missing or do not fit.
    """
    with closing(open_runner(graph)) as runner:
        yield PromptPlayer(runner)
