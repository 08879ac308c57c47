"""How long a pipeline takes here: it is loaded and played for some chunks, and nobody listens."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from soundstage.apps.commands.doctor.machine import peak_memory_bytes
from soundstage.graph.plan import Graph
from soundstage.progress import Progress
from soundstage.runners.api import open_runner
from soundstage.runners.offline import Stopwatch, closing
from soundstage.runners.runner import Chunk, Runner
from soundstage.runners.sessions.session import Session
from soundstage.runners.timing.realtime import Verdict
from soundstage.runners.timing.stage_times import Measured, StageTimes
from soundstage.runners.timing.timings import busy_s

# Who is far too slow need not wait for the last chunk to know it.
LONG_ENOUGH_S = 60.0


@dataclass(frozen=True)
class Examination:
    """What was measured.

    Attributes:
        verdict: of the chunks behind the first.
        measured: every stage's times, as the planner takes them.
        start_s: what comes before the first chunk, by name: loading, compiling.
        first_s: what a chunk takes whose prompts are new, everything compiled.
        peak_bytes: the most memory that the process has had.
    """

    verdict: Verdict
    measured: Measured
    start_s: Mapping[str, float]
    first_s: float
    peak_bytes: int


def examine(graph: Graph, chunks: int, progress: Progress) -> Examination:
    """Loads a pipeline and plays some chunks of it, as `soundstage play` does: one at a time.

    Args:
        graph: what to play.
        chunks: how many to measure behind the first, at least 1; fewer if they take very long.
        progress: where to show how far it is.

    Raises:
        PipelineError: a stage cannot be built here.
        ModelError: published models that it needs have not been fetched.
        StageFailed: a stage failed.
    """
    before = Stopwatch()
    with progress.step(f"loading {len(graph.nodes)} stages"), before.measure("loading"):
        runner = open_runner(graph)
    with closing(runner):
        with progress.step("compiling"), before.measure("compiling"):
            runner.warm_up(1)
        made, walls_s = _play(runner, chunks, progress)
    first_s, *steady_s = walls_s
    return Examination(
        Verdict.of(graph.format.chunk_s, steady_s),
        _measured(graph, made),
        dict(before.steps),
        first_s,
        peak_memory_bytes(),
    )


def _play(runner: Runner, chunks: int, progress: Progress) -> tuple[list[Chunk], list[float]]:
    """Makes one chunk and then `chunks` more; also says what each took."""
    chunk_s = runner.graph.format.chunk_s
    # Prompts that were not compiled with: an answer given again would take no time.
    fresh = {"texts": [f"something else, {time.time_ns()}"], "text_weights": [1.0]}
    session = Session(runner, [fresh if fresh.keys() <= runner.graph.controls.keys() else {}])
    made: list[Chunk] = []
    walls_s: list[float] = []
    with progress.playing((chunks + 1) * chunk_s) as update:
        while len(made) <= chunks and (len(made) < 2 or sum(walls_s) < LONG_ENOUGH_S):
            chunk, wall_s = _next(session)
            made.append(chunk)
            walls_s.append(wall_s)
            update(len(made) * chunk_s, len(made) * chunk_s / sum(walls_s))
    return made, walls_s


def _next(session: Session) -> tuple[Chunk, float]:
    start_s = time.perf_counter()
    chunk = next(session)
    return chunk, time.perf_counter() - start_s


def _measured(graph: Graph, made: list[Chunk]) -> Measured:
    """What the stages took; the first chunk tells what those take that rest otherwise."""
    first, *steady = [busy_s(chunk) for chunk in made]
    times = {}
    for stage in graph.nodes:
        steady_s = median(chunk[stage] for chunk in steady)
        times[stage] = StageTimes({1: steady_s}, {1: max(steady_s, first[stage])})
    return Measured(graph.spec, times, 1, len(steady))
