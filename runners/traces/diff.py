"""Compares two recorded runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeAlias

from soundstage.errors import InputError, UsageError
from soundstage.graph.problem import PipelineError, Problem, suggest
from soundstage.graph.wire import WireError
from soundstage.runners.traces.comparison import Comparer, Comparison
from soundstage.runners.traces.message_columns import one_port
from soundstage.runners.traces.trace import Trace, read_trace
from soundstage.runners.wiring import CONTROLS

OUTPUTS = "outputs"
_Messages: TypeAlias = Mapping[str, Any]


def diff(
    left: str | Path,
    right: str | Path,
    *,
    stage: str | None = None,
    output: str | None = None,
    tolerance: float = 0.0,
) -> Comparison:
    """Compares all messages of two recorded runs, or those of one stage, or one output.

    Only the messages are read: neither weights nor the stages' modules are needed.

    Args:
        left: a file that `soundstage generate --record` or `soundstage replay --output` wrote.
        right: another such file.
        stage: compare only the messages of this stage; "in" = the controls. None = all stages.
        output: compare only this output of the pipelines, which may be of different stages.
        tolerance: the largest error of floats that counts as equal; 0 = the bytes must be equal.

    Raises:
        InputError: a file is missing, damaged or not a trace, or has no complete tick.
        PipelineError: neither run has the stage, or a run lacks the output.
        UsageError: both a stage and an output are given.
    """
    traces = [read_trace(Path(path)) for path in (left, right)]
    if stage is not None and output is not None:
        raise UsageError("--stage and --output exclude each other: give one of them")
    if stage is not None:
        refuse_unknown_stage(stage, *traces)
    picks = [_pick(trace, stage, output) for trace in traces]
    comparer = Comparer(*_names(*traces), tolerance)
    counts = [0, 0]
    for ticks in zip_longest(*(trace.ticks() for trace in traces)):
        counts = [count + (tick is not None) for count, tick in zip(counts, ticks, strict=True)]
        if all(tick is not None for tick in ticks):
            comparer.add(*(pick(tick) for pick, tick in zip(picks, ticks, strict=True)))
    for trace, count in zip(traces, counts, strict=True):
        refuse_no_tick(trace, count)
    subject = stage if output is None else OUTPUTS
    return comparer.finish((counts[0], counts[1]), notes=list(_notes(subject, *traces)))


def refuse_unknown_stage(stage: str, *traces: Trace) -> None:
    """Refuses the name of a stage that no trace has.

    Raises:
        PipelineError: no trace has the stage; the message suggests the nearest name.
    """
    known = {CONTROLS: None} | {name: None for trace in traces for name in trace.spec.stage}
    if stage not in known:
        what = f"no stage named {stage!r} in {' or '.join(trace.path.name for trace in traces)}"
        raise PipelineError([Problem("--stage", what, suggest(stage, known))])


def refuse_no_tick(trace: Trace, count: int) -> None:
    """Refuses a trace without ticks.

    Raises:
        InputError: the run was stopped before its first tick was done.
    """
    if not count:
        raise InputError(
            f"{trace.path}: the run was stopped before its first tick was done: nothing to "
            "compare; record it again"
        )


def _names(left: Trace, right: Trace) -> tuple[str, str]:
    """Returns the files' names, or their paths if the names are equal."""
    if left.path.name != right.path.name:
        return left.path.name, right.path.name
    return str(left.path), str(right.path)


def _pick(trace: Trace, stage: str | None, output: str | None) -> Callable[[_Messages], _Messages]:
    """Returns a function from a tick's messages to those that are compared."""
    if output is None:
        return partial(_only, stage)
    if output not in trace.spec.outputs:
        what = f"{trace.path.name} is of a pipeline without an output {output!r}"
        raise PipelineError([Problem("--output", what, suggest(output, trace.spec.outputs))])
    return partial(_output, trace, output)


def _only(stage: str | None, messages: _Messages) -> _Messages:
    if stage is None:
        return messages
    return {stage: messages[stage]} if stage in messages else {}


def _output(trace: Trace, output: str, messages: _Messages) -> _Messages:
    stage, _, port = trace.spec.outputs[output].partition(".")
    if stage not in messages:
        return {}
    try:
        return {OUTPUTS: one_port(messages[stage], port, output)}
    except WireError as error:
        raise InputError(f"{trace.path}: stage {stage!r}: {error}") from error


def _notes(stage: str | None, left: Trace, right: Trace) -> Iterator[str]:
    for trace, name in zip((left, right), _names(left, right), strict=True):
        if not trace.complete:
            yield f"{name} is of a run that was stopped: its last ticks may be missing"
    if left.graph_digest != right.graph_digest:
        yield "the pipelines differ: " + (", ".join(_pipelines(left, right)) or "in their wiring")
    for name in dict.fromkeys([*left.weights, *right.weights]):
        one, other = (trace.weights.get(name, {}) for trace in (left, right))
        if one.get("digest") != other.get("digest") and stage in (None, name):
            notes = [entry.get("note", "none") for entry in (one, other)]
            yield f"the weights of {name} differ: {notes[0]} against {notes[1]}"
    if left.version != right.version:
        yield f"recorded by soundstage {left.version} and by {right.version}"
    if left.made_by.facts and right.made_by.facts and left.made_by != right.made_by:
        yield f"made with {left.made_by} and with {right.made_by}"


def _pipelines(left: Trace, right: Trace) -> Iterator[str]:
    """Yields the differences of two pipelines, a few words each."""
    if left.spec.format != right.spec.format:
        yield "their formats"
    for stage in dict.fromkeys([*left.spec.stage, *right.spec.stage]):
        one, other = left.spec.stage.get(stage), right.spec.stage.get(stage)
        if one is None or other is None:
            yield f"only one has a stage {stage}"
        elif one.use != other.use:
            yield f"{stage} is {one.use} against {other.use}"
        elif one != other:
            yield f"the settings or inputs of {stage}"
