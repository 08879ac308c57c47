"""What `soundstage generate` does: loads, plays into a file, saves."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from soundstage.apps.commands.generate.request import CheckedRequest, GenerateRequest
from soundstage.apps.commands.generate.request import plan as check
from soundstage.audio.provenance import AudioPrompt
from soundstage.audio.writer import STANDARD_OUTPUT, AudioWriter, open_writer
from soundstage.graph.control import ControlError
from soundstage.graph.state import State
from soundstage.interrupts import uninterrupted
from soundstage.progress import Progress, Update
from soundstage.runners.api import open_runner
from soundstage.runners.offline import Stopwatch, chunks, closing, timeline
from soundstage.runners.runner import Chunk, Runner
from soundstage.runners.sessions.continuation import continued_state
from soundstage.runners.sessions.files import SavedSession
from soundstage.runners.sessions.injection import blocks, inject_control, silence
from soundstage.runners.sessions.journal import JournalWriter
from soundstage.runners.sessions.provenance import describe
from soundstage.runners.sessions.session import Session
from soundstage.runners.timing.timeline import TimelineWriter
from soundstage.runners.timing.timings import Timings
from soundstage.runners.traces.trace import TraceWriter, open_trace
from soundstage.version import version


@dataclass
class _Played:
    """How far a run has come: the last chunk whose audio went out, and what it cost."""

    chunk: Chunk | None = None
    samples: int = 0
    clipped_samples: int = 0
    wall_s: float = 0.0
    timings: Timings | None = None


def generate(order: GenerateRequest, progress: Progress) -> None:
    """Makes the audio an order asks for.

    Everything that can be refused is refused before weights are loaded. The file appears when it
    is complete; standard output is written chunk by chunk.

    Raises:
        Exception: what `apps.commands.generate.request.plan` raises.
        WeightsError: weights are missing or do not fit.
        OutputError: a file cannot be written after all.
        StageFailed: a stage failed.
    """
    before = Stopwatch()
    with progress.step("checking the pipeline"):
        plan = check(order)
    state = None
    if plan.clip is not None:
        with progress.step("listening to the clip"), before.measure("listening"):
            state = continued_state(plan.graph, plan.clip)
    with progress.step(f"loading {len(plan.graph.nodes)} stages"), before.measure("loading"):
        runner = open_runner(plan.graph, order.runner)
    with closing(runner):
        session = open_session(plan.saved, plan.changes, runner, state=state)
        with progress.step("compiling"), before.measure("compiling"):
            runner.warm_up(1)
        if plan.graph.spec.note:
            progress.say(f"{plan.graph.name}: {plan.graph.spec.note}")
        played = _play(plan, session, progress)
        if order.save is not None and played.chunk is not None:
            Session(runner, session.controls, state=played.chunk.state).save(order.save)
    for line in _summary(plan, played, before):
        progress.say(line)


def open_session(
    saved: SavedSession | None,
    changes: Mapping[str, Any],
    runner: Runner,
    lookahead: int = 0,
    state: State | None = None,
) -> Session:
    """One stream: a fresh one, or a saved one that goes on, steered.

    Args:
        saved: the session to go on from; None starts fresh.
        changes: controls asked for, by name.
        runner: what makes the chunks.
        lookahead: chunks made ahead of the one asked for (see `Session`).
        state: where a fresh one starts; None = from nothing.

    Raises:
        ControlError: a control is refused, or the saved session has several streams.
        SessionFileError: it was made by another graph or with other weights.
    """
    if saved is None:
        return Session(runner, [changes], state=state, lookahead=lookahead)
    session = Session.resume(runner, saved, lookahead=lookahead)
    if len(session.controls) > 1:
        raise ControlError(
            f"{saved.path}: holds {len(session.controls)} streams and only one can be played; "
            "resume it in Python"
        )
    # What was being played in when it was saved is over.
    session.steer(**{**silence(session.graph), **changes})
    return session


def _play(plan: CheckedRequest, session: Session, progress: Progress) -> _Played:
    """Makes the chunks and writes them; stops early when standard output's reader leaves."""
    played = _Played()
    with ExitStack() as opened:
        journal = opened.enter_context(_journal(plan, session))
        trace = opened.enter_context(_trace(plan, session))
        drawn = opened.enter_context(timeline(plan.order.timeline, plan.graph))
        writer = opened.enter_context(_writer(plan, session))
        update = opened.enter_context(progress.playing(plan.seconds))
        watchers = [watcher for watcher in (trace, drawn) if watcher is not None]
        _write_chunks(plan, session, writer, watchers, journal, update, played)
        played.timings = drawn.timings if drawn is not None else None
    return played


def _write_chunks(
    plan: CheckedRequest,
    session: Session,
    writer: AudioWriter,
    watchers: Sequence[TraceWriter | TimelineWriter],
    journal: JournalWriter | None,
    update: Update,
    played: _Played,
) -> None:
    before = plan.file_samples - plan.total_samples
    beginning = plan.beginning
    if beginning is not None:
        writer.write(beginning.before)
    start = time.perf_counter()
    for chunk in chunks(session, plan.chunks, _changes(plan)):
        # A pipe may make us wait for its reader, so there Ctrl-C has to come through.
        with nullcontext() if plan.order.output == STANDARD_OUTPUT else uninterrupted():
            for watcher in watchers:
                watcher.write(chunk)
            audio, ahead = chunk.audio[0], 0
            if beginning is not None and played.chunk is None:
                audio, ahead = beginning.joined(audio), before
            block = audio[: plan.file_samples - writer.samples]
            writer.write(block)
            # Last, so that whoever gets the audio has at least what the journal knows of.
            if journal is not None:
                journal.write(chunk, ahead + len(block))
        played.chunk = chunk
        played.samples = writer.samples - before
        played.clipped_samples = writer.clipped_samples
        played.wall_s = time.perf_counter() - start
        seconds = played.samples / plan.rate_hz
        update(seconds, seconds / played.wall_s)


def _changes(plan: CheckedRequest) -> Iterator[Mapping[str, Any]] | None:
    """What is played in, tick by tick."""
    if plan.injected is None:
        return None
    name = inject_control(plan.graph)
    return ({name: block} for block in blocks(plan.injected, plan.graph.format))


def _journal(
    plan: CheckedRequest, session: Session
) -> AbstractContextManager[JournalWriter | None]:
    path = plan.order.journal
    return nullcontext() if path is None else session.journal(path)


def _trace(plan: CheckedRequest, session: Session) -> AbstractContextManager[TraceWriter | None]:
    if plan.order.record is None:
        return nullcontext()
    weights = session.runner.weights()
    return open_trace(plan.order.record, plan.graph, weights, session.state, version())


def _writer(plan: CheckedRequest, session: Session) -> AbstractContextManager[AudioWriter]:
    provenance = describe(
        plan.graph,
        session.runner.weights(),
        session.controls[0],
        plan.order.prompts,
        plan.chunks,
        version(),
    )
    files = (plan.order.continue_from, plan.order.inject)
    named = [None if path is None else AudioPrompt.of(path) for path in files]
    provenance = replace(provenance, continues=named[0], injected=named[1])
    return open_writer(
        plan.order.output, plan.rate_hz, plan.channels, provenance, plan.file_samples
    )


def _summary(plan: CheckedRequest, played: _Played, before: Stopwatch) -> Sequence[str]:
    output = plan.order.output
    name = "standard output" if output == STANDARD_OUTPUT else output
    seconds = played.samples / plan.rate_hz
    if not played.samples:
        return [f"{name}: the reader left before any audio"]
    speed = seconds / played.wall_s
    made = f"{seconds:g} s of audio in {played.wall_s:.2f} s, {speed:.2f} x real time"
    lines = [f"{name}: {made} (and before that: {before})"]
    if played.samples < plan.total_samples:
        lines.append(f"{name}: the reader left before {plan.seconds:g} s")
    if played.clipped_samples:
        lines.append(f"{name}: {played.clipped_samples} samples were too loud and were cut off")
    for path in (plan.order.save, plan.order.journal):
        if path is not None and played.chunk is not None:
            end = played.chunk.state.chunks[0] * plan.graph.format.chunk_s
            lines.append(f"{path}: goes on at {end:g} s, where the last chunk ends")
    return lines + (played.timings.lines() if played.timings is not None else [])
