"""Runs a recorded run or one of its stages again, and compares all messages."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from soundstage.errors import InputError, UsageError
from soundstage.files import check_writable
from soundstage.graph import wire
from soundstage.graph.check import build
from soundstage.graph.overrides import apply
from soundstage.graph.plan import Graph
from soundstage.graph.spec import parse
from soundstage.graph.state import State
from soundstage.graph.texts import texts
from soundstage.progress import Progress, Silent
from soundstage.runners.api import open_runner
from soundstage.runners.choice import RunnerKind
from soundstage.runners.offline import closing
from soundstage.runners.runner import Runner, Tick
from soundstage.runners.traces.comparison import Comparer, Comparison
from soundstage.runners.traces.diff import refuse_no_tick, refuse_unknown_stage
from soundstage.runners.traces.replay_stage import Bench, needed, refuse_other_ports
from soundstage.runners.traces.trace import Trace, TraceWriter, open_trace, read_trace
from soundstage.runners.wiring import CONTROLS
from soundstage.version import version

# The recorded messages of a tick, and the new ones.
Pair = tuple[Mapping[str, Any], Mapping[str, Any]]


@dataclass(frozen=True)
class _Job:
    """A checked replay: only weights and stages can still fail."""

    trace: Trace
    graph: Graph
    state: State
    stage: str | None
    swapped: bool
    ticks: int
    output: Path | None


def replay(
    path: str | Path,
    stage: str | None = None,
    use: str | None = None,
    *,
    params: Iterable[str] = (),
    placements: Iterable[str] = (),
    allow: Iterable[str] = (),
    tolerance: float = 0.0,
    output: str | Path | None = None,
    runner: RunnerKind = "local",
    progress: Progress | None = None,
) -> Comparison:
    """Runs a recorded run again and compares all messages with the recorded ones.

    Args:
        path: a file that `soundstage generate --record` wrote.
        stage: run only this stage, on its recorded inputs; None = the whole pipeline.
        use: "module:Class" that replaces the stage; None = the recorded class.
        params: settings of the stage such as "size=large"; a value that is not TOML is text. With
            another `use`, other settings have that class's defaults.
        placements: overrides such as "decode=cpu".
        allow: module prefixes, besides "stages.", that the pipeline and `use` may name.
        tolerance: the largest error of floats that counts as equal; 0 = the bytes must be equal.
        output: a file for the new messages, as a trace.
        runner: the runner of the whole pipeline; one stage alone always runs in this process.
        progress: shows the progress; None = nothing is shown.

    Raises:
        InputError: the trace is missing, damaged, without ticks, or was made with other weights.
        UsageError: `use` or `params` without `stage`, or `output` is the trace itself.
        PipelineError: the pipeline cannot run here, has no such stage, or the stage's ports are
            not the recorded ones.
        WeightsError: weights are missing or do not fit.
        StageFailed: a stage failed.
        OutputError: the new trace cannot be written.
    """
    progress = progress or Silent()
    if stage is not None and runner != "local":
        raise UsageError("--stage runs in this process: leave --runner out")
    comparer = Comparer(Path(path).name, "its replay", tolerance)
    with progress.step("reading the recorded run"):
        settings = texts("params", params)
        job = _plan(Path(path), stage, use, settings, placements, allow, output)
    if job.stage is None:
        with progress.step(f"loading {len(job.graph.nodes)} stages"):
            built = open_runner(job.graph, runner)
        with closing(built):
            _compare(job, _whole(job, built), built.weights(), comparer, progress)
    else:
        with progress.step(f"loading {job.stage}"):
            bench = Bench(job.graph, job.stage)
        pairs = bench.pairs(job.trace, job.state)
        _compare(job, pairs, bench.weights(), comparer, progress)
    return comparer.finish(notes=_notes(job.trace))


def _plan(
    path: Path,
    stage: str | None,
    use: str | None,
    params: Sequence[str],
    placements: Iterable[str],
    allow: Iterable[str],
    output: str | Path | None,
) -> _Job:
    """Checks everything that can be checked before weights are loaded."""
    if stage is None and (use is not None or params):
        raise UsageError("--use and --param change one stage: name it with --stage")
    target = Path(output) if output is not None else None
    trace = read_trace(path)
    if trace.graph_digest != trace.spec.digest():
        raise InputError(
            f"{path}: the trace is damaged: the pipeline stored in it "
            "does not match what was recorded; record the run again"
        )
    settings = []
    if stage is not None:
        if stage == CONTROLS:
            raise UsageError("--stage in: the controls are no stage: name a stage of the pipeline")
        refuse_unknown_stage(stage, trace)
        settings = [*([f"{stage}.use={use}"] if use is not None else []), *_settings(stage, params)]
    graph = build(parse(apply(trace.spec.as_dict(), settings, placements)), allow)
    ticks = _count(trace, graph, stage)
    if target is not None:
        _refuse_unwritable(target, path)
    return _Job(trace, graph, _state(graph, trace), stage, bool(settings), ticks, target)


def _count(trace: Trace, graph: Graph, stage: str | None) -> int:
    """Reads the whole trace once, to find errors before weights are loaded; returns its ticks."""
    required = {CONTROLS} if stage is None else needed(graph, stage)
    ticks = 0
    for messages in trace.ticks():
        missing = sorted(required - set(messages))
        if missing:
            raise InputError(
                f"{trace.path}: tick {ticks}: has no message of {missing[0]!r}; if this is the "
                "replay of one stage, replay the original run instead"
            )
        if stage is not None:
            try:
                refuse_other_ports(graph, stage, messages[stage])
            except wire.WireError as error:
                raise InputError(f"{trace.path}: tick {ticks}, {stage!r}: {error}") from error
        ticks += 1
    refuse_no_tick(trace, ticks)
    return ticks


def _settings(stage: str, params: Iterable[str]) -> Iterator[str]:
    for text in params:
        key, equals, _ = text.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"--param {text}: write KEY=VALUE, one of the stage's settings")
        yield f"{stage}.params.{text}"


def _refuse_unwritable(target: Path, path: Path) -> None:
    if target.resolve() == path.resolve() or (target.exists() and target.samefile(path)):
        raise UsageError(f"--output {target} is the recorded run itself; give another name")
    check_writable(target)


def _state(graph: Graph, trace: Trace) -> State:
    """Reads the state before the first tick."""
    ports = {name: graph.port(source) for name, source in graph.feedback().items()}
    try:
        message = wire.decode(ports, trace.state, graph.format.dims)
    except wire.WireError as error:
        raise InputError(f"{trace.path}: the state before the first tick: {error}") from error
    values = {name: np.asarray(value) for name, value in message.values.items()}
    return State(message.streams, message.chunks, values)


def _refuse_other_weights(job: _Job, current: Mapping[str, Mapping[str, str]]) -> None:
    if job.swapped:
        return
    recorded = job.trace.weights
    names = [job.stage] if job.stage is not None else list(dict.fromkeys([*recorded, *current]))
    none = {"digest": "", "note": "none"}
    for name in names:
        was, now = recorded.get(name, none), current.get(name, none)
        if was["digest"] != now["digest"]:
            raise InputError(
                f"{job.trace.path}: stage {name!r} had other weights ({was['note']}) than it has "
                f"now ({now['note']}); to compare them, replay it alone: --stage {name} --param "
                "weights=..."
            )


def _whole(job: _Job, runner: Runner) -> Iterator[Pair]:
    recorded: deque[Mapping[str, Any]] = deque()

    def ticks() -> Iterator[Tick]:
        for number, messages in enumerate(job.trace.ticks()):
            recorded.append(messages)
            yield _tick(job, number, messages)

    for chunk in runner.stream(ticks(), job.state, runner.window - 1):
        yield recorded.popleft(), chunk.messages


def _tick(job: _Job, number: int, messages: Mapping[str, Any]) -> Tick:
    """Returns the tick of a recorded tick's messages."""
    ports = {name: control.port for name, control in job.graph.controls.items()}
    try:
        message = wire.decode(ports, messages[CONTROLS], job.graph.format.dims)
    except wire.WireError as error:
        raise InputError(f"{job.trace.path}: tick {number}, the controls: {error}") from error
    if message.streams != job.state.streams:
        raise InputError(
            f"{job.trace.path}: tick {number}: the controls are of other streams than the state: "
            "the trace is damaged"
        )
    rows = range(len(message.streams))
    controls = tuple({name: value[row] for name, value in message.values.items()} for row in rows)
    return Tick(message.streams, message.chunks, controls)


def _compare(
    job: _Job,
    pairs: Iterator[Pair],
    weights: Mapping[str, Mapping[str, str]],
    comparer: Comparer,
    progress: Progress,
) -> None:
    _refuse_other_weights(job, weights)
    chunk_s = job.graph.format.chunk_s
    start = time.perf_counter()
    with _writer(job, weights) as writer, progress.playing(job.ticks * chunk_s) as update:
        for number, (recorded, replayed) in enumerate(pairs, start=1):
            if writer is not None:
                writer.write_messages(replayed)
            comparer.add(recorded, replayed)
            seconds = number * chunk_s
            update(seconds, seconds / (time.perf_counter() - start))


def _writer(
    job: _Job, weights: Mapping[str, Mapping[str, str]]
) -> AbstractContextManager[TraceWriter | None]:
    if job.output is None:
        return nullcontext()
    return open_trace(job.output, job.graph, weights, job.state, version())


def _notes(trace: Trace) -> list[str]:
    notes = []
    if not trace.complete:
        notes.append("the recorded run was stopped: it was replayed up to its last complete tick")
    if trace.version != version():
        notes.append(f"recorded by soundstage {trace.version}, replayed by {version()}")
    if difference := trace.made_by.difference():
        notes.append(f"the recorded run was {difference}")
    return notes
