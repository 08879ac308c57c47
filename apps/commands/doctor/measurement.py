"""Measures a pipeline on this machine: loads it and makes some chunks without playing them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from soundstage.apps.commands.doctor.machine import peak_memory_bytes
from soundstage.apps.commands.preparation import Preparation
from soundstage.graph.plan import Graph
from soundstage.progress import Progress
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.runner import Chunk, Runner
from soundstage.runners.sessions.session import Session
from soundstage.runners.timing.realtime import Verdict
from soundstage.runners.timing.stage_times import Measured, StageTimes
from soundstage.runners.timing.timings import busy_s

# Measuring stops after this time: a pipeline that needs it for a few chunks is too slow anyway.
LONG_ENOUGH_S = 60.0


@dataclass(frozen=True)
class Examination:
    """The measured times and memory.

    Attributes:
        verdict: the verdict on all chunks but the first.
        measured: every stage's times, for the planner.
        start_s: seconds of each step up to the first sound: loading, compiling with a first chunk.
        first_s: seconds of the next chunk, whose prompts are new.
        peak_bytes: the most memory that the process used.
    """

    verdict: Verdict
    measured: Measured
    start_s: Mapping[str, float]
    first_s: float
    peak_bytes: int


def examine(graph: Graph, chunks: int, progress: Progress) -> Examination:
    """Loads a pipeline and makes some chunks one at a time, as `soundstage play` does.

    Args:
        graph: the graph to measure.
        chunks: chunks to measure after the first, at least 1; fewer if they take more than 60 s.
        progress: shows the steps.

    Raises:
        PipelineError: a stage cannot be built here.
        ModelError: published models that it needs are missing.
        StageFailed: a stage failed.
    """
    preparation = Preparation(progress)
    with preparation.runner(graph, RunnerChoice()) as runner:
        preparation.compile(runner)
        chunks_made, walls_s = _make(runner, chunks, progress)
    first_s, *steady_s = walls_s
    return Examination(
        Verdict.of(graph.format.chunk_s, steady_s),
        _measured(graph, chunks_made),
        preparation.seconds,
        first_s,
        peak_memory_bytes(),
    )


def _make(runner: Runner, count: int, progress: Progress) -> tuple[list[Chunk], list[float]]:
    """Makes one chunk and then `count` more; returns them and the seconds that each took."""
    chunk_s = runner.graph.format.chunk_s
    # Prompts other than those of compiling, since stages reuse their last outputs.
    fresh = {"texts": [f"something else, {time.time_ns()}"], "text_weights": [1.0]}
    session = Session(runner, [fresh if fresh.keys() <= runner.graph.controls.keys() else {}])
    chunks: list[Chunk] = []
    walls_s: list[float] = []
    with progress.playing((count + 1) * chunk_s) as update:
        while len(chunks) <= count and (len(chunks) < 2 or sum(walls_s) < LONG_ENOUGH_S):
            chunk, wall_s = _next(session)
            chunks.append(chunk)
            walls_s.append(wall_s)
            update(len(chunks) * chunk_s, len(chunks) * chunk_s / sum(walls_s))
    return chunks, walls_s


def _next(session: Session) -> tuple[Chunk, float]:
    start_s = time.perf_counter()
    chunk = next(session)
    return chunk, time.perf_counter() - start_s


def _measured(graph: Graph, chunks: list[Chunk]) -> Measured:
    """Returns the stages' times; after the first chunk, stages without new inputs do no work."""
    first, *steady = [busy_s(chunk) for chunk in chunks]
    times = {}
    for stage in graph.nodes:
        steady_s = median(chunk[stage] for chunk in steady)
        times[stage] = StageTimes({1: steady_s}, {1: max(steady_s, first[stage])})
    return Measured(graph.spec, times, 1, len(steady))
