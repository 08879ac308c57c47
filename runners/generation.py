"""What `soundstage generate` does: checks everything, loads, plays into a file, saves."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graph.check import build
from graph.control import ControlError
from graph.overrides import apply
from graph.plan import Graph
from graph.problem import PipelineError, Problem
from graph.spec import parse
from runners.audio_out import STANDARD_OUTPUT, AudioWriter, open_writer
from runners.controls import complete
from runners.errors import InputError, UsageError
from runners.files import replacing, reporting
from runners.front import open_runner, version
from runners.interrupts import uninterrupted
from runners.pipe_out import standard_output
from runners.pipeline_choice import PipelineChoice
from runners.progress import Progress, Update
from runners.prompts import Audio, Text, expand_prompts
from runners.provenance_of import describe
from runners.runner import Chunk, Runner, Tick
from runners.session import Session
from runners.session_file import SavedSession, SessionFileError, read_session
from runners.trace import TraceWriter, open_trace

LONGEST_S = 24 * 3600.0


@dataclass(frozen=True)
class Order:
    """What to make, and where to put it.

    Attributes:
        prompts: texts and audio files; empty = the pipeline's default, or the resumed session's.
        duration_s: seconds of audio.
        output: a .wav, .flac, .ogg or .mp3 file, or "-" for standard output.
        controls: the controls asked for, by name; what is left out stays at its default.
        choice: the pipeline.
        resume: a session file to go on from.
        save: where to save the session at the end.
        record: where to write the trace.
    """

    prompts: tuple[Text | Audio, ...]
    duration_s: float
    output: str
    controls: Mapping[str, Any] = field(default_factory=dict)
    choice: PipelineChoice = field(default_factory=PipelineChoice)
    resume: Path | None = None
    save: Path | None = None
    record: Path | None = None


@dataclass(frozen=True)
class _Plan:
    """An order that has been checked as far as that goes without weights."""

    order: Order
    graph: Graph
    saved: SavedSession | None
    changes: Mapping[str, Any]
    total_samples: int

    @property
    def rate_hz(self) -> int:
        return self.graph.format.sample_rate_hz

    @property
    def channels(self) -> int:
        return self.graph.format.channels

    @property
    def seconds(self) -> float:
        return self.total_samples / self.rate_hz

    @property
    def chunks(self) -> int:
        return -(-self.total_samples // self.graph.format.dims["sample"])


@dataclass
class _Played:
    """How far a run has come: the last chunk whose audio went out, and what it cost."""

    chunk: Chunk | None = None
    samples: int = 0
    clipped_samples: int = 0
    wall_s: float = 0.0


@dataclass
class _Stopwatch:
    """What came before the first chunk, in seconds by name: no part of the real-time factor."""

    steps: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.steps[name] = time.perf_counter() - start

    def __str__(self) -> str:
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.steps.items())


def generate(order: Order, progress: Progress) -> None:
    """Makes the audio an order asks for.

    Everything that can be refused is refused before weights are loaded. The file appears when it
    is complete; standard output is written chunk by chunk.

    Raises:
        UsageError: the same file is asked for twice.
        InputError: a prompt, the duration or a control cannot be used; `ControlError` and
            `SessionFileError` likewise.
        PipelineError: the pipeline cannot run.
        OutputError: a file cannot be written.
        StageFailed: a stage failed.
    """
    before = _Stopwatch()
    with progress.step("checking the pipeline"):
        plan = _plan(order)
        _refuse_unwritable(plan)
    with progress.step(f"loading {len(plan.graph.nodes)} stages"), before.measure("loading"):
        runner = open_runner(plan.graph)
    with _closing(runner):
        session = _session(plan, runner)
        with progress.step("compiling"), before.measure("compiling"):
            runner.warm_up(1)
        if plan.graph.spec.note:
            progress.say(f"{plan.graph.name}: {plan.graph.spec.note}")
        played = _play(plan, session, progress)
        if order.save is not None and played.chunk is not None:
            _save(order.save, session, played.chunk)
    for line in _summary(plan, played, before):
        progress.say(line)


def _plan(order: Order) -> _Plan:
    _refuse_duration(order.duration_s)
    _refuse_twice(order)
    for prompt in order.prompts:
        _refuse_bytes(prompt)
    saved = read_session(order.resume) if order.resume is not None else None
    graph = order.choice.load() if saved is None else _resumed_graph(saved, order.choice)
    if "audio" not in graph.outputs:
        cure = 'add audio = "stage.port"'
        raise PipelineError([Problem("outputs", "generate needs an output named audio", cure)])
    changes = dict(order.controls)
    if order.prompts:
        changes |= expand_prompts(order.prompts, graph.format)
    complete(graph, changes, {})
    total = round(order.duration_s * graph.format.sample_rate_hz)
    if total < 1:
        raise InputError(f"duration {order.duration_s:g} s is shorter than one sample")
    return _Plan(order, graph, saved, changes, total)


def _resumed_graph(saved: SavedSession, choice: PipelineChoice) -> Graph:
    if choice.names_a_graph and choice.read().digest() != saved.spec.digest():
        raise SessionFileError(
            f"{saved.path}: made by another graph (pipeline {saved.spec.name!r}); leave "
            "--preset, --pipeline and --set out: the session brings its own"
        )
    return build(parse(apply(saved.spec.as_dict(), (), choice.placements)), choice.allow)


def _refuse_duration(duration_s: float) -> None:
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise InputError(f"duration {duration_s:g}: must be a number of seconds above 0")
    if duration_s > LONGEST_S:
        raise InputError(
            f"duration {duration_s:g} s is more than 24 hours: make it in parts, with --save and "
            "--resume"
        )


def _refuse_twice(order: Order) -> None:
    written = {"--save": order.save, "--record": order.record}
    if order.output != STANDARD_OUTPUT:
        written["--output"] = Path(order.output)
    seen: dict[Path, str] = {}
    for option, path in written.items():
        if path is None:
            continue
        other = seen.setdefault(path.resolve(), option)
        if other != option:
            raise UsageError(f"{other} and {option} both name {path}; give two names")


def _refuse_bytes(prompt: Text | Audio) -> None:
    if isinstance(prompt, Text):
        try:
            prompt.text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"prompt {prompt.text[:40]!r} is not text in UTF-8") from error


class _Untouched(Exception):
    """Leaves a file that was opened only to see whether it can be."""


def _refuse_unwritable(plan: _Plan) -> None:
    """Opens every output and lets go of it again, before the weights take their time."""
    order = plan.order
    if order.output == STANDARD_OUTPUT:
        with standard_output():
            pass
    else:
        with (
            suppress(_Untouched),
            open_writer(
                order.output, plan.rate_hz, plan.channels, total_samples=plan.total_samples
            ),
        ):
            raise _Untouched
    for path in (order.save, order.record):
        if path is not None:
            with suppress(_Untouched), replacing(path):
                raise _Untouched


@contextmanager
def _closing(runner: Runner) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        # Who stops a program does not wait for the stages under way: they end with the process.
        raise
    except BaseException:
        runner.close()
        raise
    runner.close()


def _session(plan: _Plan, runner: Runner) -> Session:
    if plan.saved is None:
        return Session(runner, [plan.changes])
    session = Session.resume(runner, plan.saved)
    if len(session.controls) > 1:
        raise ControlError(
            f"{plan.saved.path}: holds {len(session.controls)} streams and a file takes one; "
            "resume it in Python"
        )
    session.steer(**plan.changes)
    return session


def _play(plan: _Plan, session: Session, progress: Progress) -> _Played:
    """Makes the chunks and writes them; stops early when standard output's reader leaves."""
    played = _Played()
    with ExitStack() as opened:
        trace = opened.enter_context(_trace(plan, session))
        writer = opened.enter_context(_writer(plan, session))
        update = opened.enter_context(progress.playing(plan.seconds))
        _write_chunks(plan, session, writer, trace, update, played)
    return played


def _write_chunks(
    plan: _Plan,
    session: Session,
    writer: AudioWriter,
    trace: TraceWriter | None,
    update: Update,
    played: _Played,
) -> None:
    start = time.perf_counter()
    # Ticks with an end: a session would look ahead beyond what was asked for.
    ticks = _ticks(session, plan.chunks)
    for chunk in session.runner.stream(ticks, session.state, lookahead=1):
        # A pipe may make us wait for its reader, so there Ctrl-C has to come through.
        with nullcontext() if plan.order.output == STANDARD_OUTPUT else uninterrupted():
            if trace is not None:
                trace.write(chunk)
            writer.write(chunk.audio[0, : plan.total_samples - writer.samples])
        played.chunk = chunk
        played.samples = writer.samples
        played.clipped_samples = writer.clipped_samples
        played.wall_s = time.perf_counter() - start
        seconds = writer.samples / plan.rate_hz
        update(seconds, seconds / played.wall_s)


def _ticks(session: Session, count: int) -> Iterator[Tick]:
    for index in range(count):
        chunks = tuple(chunk + index for chunk in session.state.chunks)
        yield Tick(session.state.streams, chunks, session.controls)


def _trace(plan: _Plan, session: Session) -> Any:
    if plan.order.record is None:
        return nullcontext()
    weights = session.runner.weights()
    return open_trace(plan.order.record, plan.graph, weights, session.state, version())


def _writer(plan: _Plan, session: Session) -> Any:
    provenance = describe(
        plan.graph,
        session.runner.weights(),
        session.controls[0],
        plan.order.prompts,
        plan.chunks,
        version(),
    )
    return open_writer(
        plan.order.output, plan.rate_hz, plan.channels, provenance, plan.total_samples
    )


def _save(path: Path, session: Session, last: Chunk) -> None:
    with reporting(path):
        Session(session.runner, session.controls, state=last.state).save(path)


def _summary(plan: _Plan, played: _Played, before: _Stopwatch) -> Sequence[str]:
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
    if plan.order.save is not None and played.chunk is not None:
        end = np.max(played.chunk.state.chunks) * plan.graph.format.chunk_s
        lines.append(f"{plan.order.save}: goes on at {end:g} s, where the last chunk ends")
    return lines
