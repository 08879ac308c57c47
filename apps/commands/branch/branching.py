"""What `soundstage branch` does: one saved session goes on in several styles at once."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soundstage.apps.commands.generate.request import CheckedRequest, GenerateRequest
from soundstage.apps.commands.generate.request import plan as check
from soundstage.apps.commands.pipeline_choice import PipelineChoice
from soundstage.audio.writer import AudioWriter, open_writer
from soundstage.errors import InputError, OutputError, UsageError
from soundstage.files import reporting
from soundstage.graph.state import State
from soundstage.interrupts import uninterrupted
from soundstage.progress import Progress
from soundstage.runners.api import open_runner
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.offline import Stopwatch, chunks, closing
from soundstage.runners.runner import Chunk, Runner
from soundstage.runners.sessions.prompts import Text, parse_text
from soundstage.runners.sessions.provenance import describe
from soundstage.runners.sessions.session import Session
from soundstage.version import version

# Between the prompts of one set, as a person types it.
_BETWEEN = " | "
_LONGEST_SLUG = 40


@dataclass(frozen=True)
class Branching:
    """Which session to go on with, in which styles, and where to put the music.

    Attributes:
        session: the session file; it is only read.
        prompts: one set of prompts a branch.
        duration_s: seconds of audio of each branch.
        folder: where the files go; made if it is missing.
        controls: controls of every branch, by name; what is left out stays as it was saved.
        save: whether to save a session beside each file.
        row: which of the session's streams goes on; None = its only one.
        choice: placements and allowed modules; the session brings its own pipeline.
        runner: what runs the stages.
    """

    session: Path
    prompts: tuple[tuple[Text, ...], ...]
    duration_s: float
    folder: Path
    controls: Mapping[str, Any] = field(default_factory=dict)
    save: bool = False
    row: int | None = None
    choice: PipelineChoice = field(default_factory=PipelineChoice)
    runner: RunnerChoice = field(default_factory=RunnerChoice)


def parse_set(argument: str) -> tuple[Text, ...]:
    """Reads one set of prompts: "warm pads", or "warm pads:0.3 | jazz trio:0.7"."""
    return tuple(map(parse_text, argument.split(_BETWEEN)))


def branch(asked: Branching, progress: Progress) -> None:
    """Makes one audio file a set of prompts; all go on from the same saved session.

    The branches are rows of one batch. Everything that can be refused is refused before weights
    are loaded; a file appears when it is complete.

    Raises:
        Exception: what `apps.commands.generate.request.plan` raises.
        SessionFileError: the session was made with other weights.
        WeightsError: weights are missing or do not fit.
        OutputError: a file cannot be written after all.
        StageFailed: a stage failed.
    """
    before = Stopwatch()
    with _folder(asked.folder):
        with progress.step("checking the session"):
            plans = [check(order) for order in _orders(asked)]
        graph = plans[0].graph
        with progress.step(f"loading {len(graph.nodes)} stages"), before.measure("loading"):
            runner = open_runner(graph, asked.runner)
        with closing(runner):
            session, stream = _session(asked, plans, runner)
            with progress.step("compiling"), before.measure("compiling"):
                runner.warm_up(len(plans))
            if graph.spec.note:
                progress.say(f"{graph.name}: {graph.spec.note}")
            start = time.perf_counter()
            clipped, last = _play(plans, session, progress)
            wall_s = time.perf_counter() - start
            _save(plans, session, last, stream)
    for line in _summary(plans, clipped, wall_s, before):
        progress.say(line)


def _orders(asked: Branching) -> list[GenerateRequest]:
    """A branch is what `generate --resume` would make of the session; so are its checks."""
    if not asked.prompts:
        raise UsageError("a branch needs a --prompt; give one for each branch")
    digits = max(2, len(str(len(asked.prompts))))
    orders = []
    for number, prompts in enumerate(asked.prompts, start=1):
        name = "-".join([f"{number:0{digits}d}", *_slug(prompts)])
        output, save = (asked.folder / f"{name}{suffix}" for suffix in (".wav", ".session"))
        _refuse_overwriting(asked.session, output, save)
        orders.append(
            GenerateRequest(
                prompts=prompts,
                duration_s=asked.duration_s,
                output=str(output),
                controls=asked.controls,
                choice=asked.choice,
                resume=asked.session,
                save=save if asked.save else None,
                runner=asked.runner,
            )
        )
    return orders


def _slug(prompts: Sequence[Text]) -> list[str]:
    """The first prompt's words as a part of a file name; none if it has no word."""
    words = re.findall(r"[^\W_]+", prompts[0].text.lower())
    slug = "-".join(words)[:_LONGEST_SLUG].strip("-")
    return [slug] if slug else []


def _refuse_overwriting(session: Path, *written: Path) -> None:
    for path in written:
        if path.resolve() == session.resolve():
            raise UsageError(f"{path} is the session itself; give another --output-dir")


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Makes the folder if it is missing; if the block raises, what it made is gone if empty."""
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path}: is no folder; give another --output-dir")
    made = not path.exists()
    if made:
        with reporting(path):
            path.mkdir()
    try:
        yield
    except BaseException:
        if made:
            with suppress(OSError):
                path.rmdir()
        raise


def _session(
    asked: Branching, plans: Sequence[CheckedRequest], runner: Runner
) -> tuple[Session, str]:
    """The branches as rows of one session, and the name that their stream has when it is alone."""
    saved = plans[0].saved
    assert saved is not None
    state, rows = saved.restore(runner.graph, runner.weights())
    row = _row(asked, len(rows))
    names = [str(number) for number in range(len(plans))]
    copies: State = state.pick([row] * len(plans)).rename(names)
    session = Session(runner, [rows[row]] * len(plans), state=copies)
    for number, plan in enumerate(plans):
        session.steer(number, **plan.changes)
    return session, state.streams[row]


def _row(asked: Branching, rows: int) -> int:
    if asked.row is None and rows > 1:
        raise InputError(
            f"{asked.session}: holds {rows} streams; say which one goes on: --row 0 to "
            f"--row {rows - 1}"
        )
    row = asked.row or 0
    if not 0 <= row < rows:
        raise InputError(f"--row {row}: {asked.session} holds {rows} stream(s), counted from 0")
    return row


def _play(
    plans: Sequence[CheckedRequest], session: Session, progress: Progress
) -> tuple[list[int], Chunk | None]:
    """Makes the chunks and writes them; returns clipped samples by branch and the last chunk."""
    first = plans[0]
    last: Chunk | None = None
    with ExitStack() as opened:
        writers = [
            opened.enter_context(_writer(plan, session, row)) for row, plan in enumerate(plans)
        ]
        update = opened.enter_context(progress.playing(first.seconds))
        start = time.perf_counter()
        for last in chunks(session, first.chunks):
            with uninterrupted():
                for row, writer in enumerate(writers):
                    writer.write(last.audio[row, : first.total_samples - writer.samples])
            seconds = writers[0].samples / first.rate_hz
            update(seconds, seconds / (time.perf_counter() - start))
    return [writer.clipped_samples for writer in writers], last


@contextmanager
def _writer(plan: CheckedRequest, session: Session, row: int) -> Iterator[AudioWriter]:
    weights, controls = session.runner.weights(), session.controls[row]
    provenance = describe(plan.graph, weights, controls, plan.order.prompts, plan.chunks, version())
    opened = open_writer(
        plan.order.output, plan.rate_hz, plan.channels, provenance, plan.total_samples
    )
    with opened as writer:
        yield writer


def _save(
    plans: Sequence[CheckedRequest], session: Session, last: Chunk | None, stream: str
) -> None:
    """Saves each branch as the session of one stream that it would be if resumed alone."""
    assert last is not None
    for row, plan in enumerate(plans):
        if plan.order.save is not None:
            state = last.state.pick([row]).rename([stream])
            Session(session.runner, [session.controls[row]], state=state).save(plan.order.save)


def _summary(
    plans: Sequence[CheckedRequest], clipped: Sequence[int], wall_s: float, before: Stopwatch
) -> Iterator[str]:
    seconds = plans[0].seconds
    for plan, samples in zip(plans, clipped, strict=True):
        yield plan.order.output
        if samples:
            yield f"{plan.order.output}: {samples} samples were too loud and were cut off"
    made = f"{len(plans)} x {seconds:g} s of audio in {wall_s:.2f} s"
    speed = len(plans) * seconds / wall_s
    yield f"{made}, {speed:.2f} x real time in all (and before that: {before})"
