"""The work of `soundstage branch`: continue one saved session in several styles at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soundstage.apps.commands.file_names import slug
from soundstage.apps.commands.generate.generation import open_output
from soundstage.apps.commands.generate.request import (
    CheckedRequest,
    GenerateRequest,
    check_request,
)
from soundstage.apps.commands.pipeline_choice import PipelineChoice
from soundstage.apps.commands.preparation import Preparation
from soundstage.apps.commands.same_files import is_same_file
from soundstage.errors import InputError, OutputError, UsageError
from soundstage.files import making_folder
from soundstage.graph.state import State
from soundstage.interrupts import uninterrupted
from soundstage.progress import Progress
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.offline import chunks
from soundstage.runners.recording import naming_stage
from soundstage.runners.runner import Chunk, Runner
from soundstage.runners.sessions.not_understood import WordReports
from soundstage.runners.sessions.prompts import Text, parse_text
from soundstage.runners.sessions.session import Session

# Separates the prompts of one branch on the command line.
_SEPARATOR = " | "


@dataclass(frozen=True)
class BranchRequest:
    """The session to continue, the styles of its branches and the folder for their files.

    Attributes:
        session: the session file; it is only read.
        prompts: the prompts of each branch.
        duration_s: seconds of audio of each branch; above 0, at most 24 hours.
        folder: where the files go; made if it is missing.
        controls: controls of every branch, by name; the others stay as they were saved.
        save: whether to save a session beside each file.
        row: the session's stream to continue, counted from 0; None = its only one.
        choice: placements and allowed modules; the session holds its own pipeline.
        runner: the runner of the stages.
        subtype: how samples are stored, see `audio.writer.SUBTYPES`; None = the format's default.
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
    subtype: str | None = None


def parse_prompts(argument: str) -> tuple[Text, ...]:
    """Reads the prompts of one branch: "warm pads", or "warm pads:0.3 | jazz trio:0.7"."""
    return tuple(map(parse_text, argument.split(_SEPARATOR)))


def branch(request: BranchRequest, progress: Progress) -> None:
    """Makes one audio file for each branch; all branches continue the same saved session.

    The branches are rows of one batch. Every check that needs no weights comes before they are
    loaded. The files appear when they are complete.

    Raises:
        Exception: as `generate.request.check_request`.
        SessionFileError: the session was made with other weights.
        WeightsError: weights are missing or do not fit.
        OutputError: a file cannot be written although the check passed.
        StageFailed: a stage failed.
    """
    preparation = Preparation(progress)
    if request.folder.exists() and not request.folder.is_dir():
        raise OutputError(f"{request.folder}: is not a folder; give another --output-dir")
    with making_folder(request.folder):
        with progress.step("checking the session"):
            branches = [check_request(each) for each in _generate_requests(request)]
        with preparation.runner(branches[0].graph, request.runner) as runner:
            session, stream = _open_session(request, branches, runner)
            preparation.compile(runner, [len(branches)])
            preparation.show_note(runner.graph)
            start = time.perf_counter()
            clipped, last = _write(branches, session, progress)
            wall_s = time.perf_counter() - start
            _save(branches, session, last, stream)
    for line in _summary(branches, clipped, wall_s, preparation):
        progress.say(line)


def _generate_requests(request: BranchRequest) -> list[GenerateRequest]:
    """A branch makes what `generate --resume` would make, so it is checked as such a request."""
    if not request.prompts:
        raise UsageError("a branch needs a --prompt; give one for each branch")
    digits = max(2, len(str(len(request.prompts))))
    requests = []
    for number, prompts in enumerate(request.prompts, start=1):
        words = slug(prompts[0].text)
        name = f"{number:0{digits}d}" + (f"-{words}" if words else "")
        output, save = (request.folder / f"{name}{suffix}" for suffix in (".wav", ".session"))
        _refuse_overwriting(request.session, output, save)
        requests.append(
            GenerateRequest(
                prompts=prompts,
                duration_s=request.duration_s,
                output=str(output),
                subtype=request.subtype,
                controls=request.controls,
                choice=request.choice,
                resume=request.session,
                save=save if request.save else None,
                runner=request.runner,
            )
        )
    return requests


def _refuse_overwriting(session: Path, *outputs: Path) -> None:
    for path in outputs:
        if is_same_file(path, session):
            raise UsageError(f"{path} is the session itself; give another --output-dir")


def _open_session(
    request: BranchRequest, branches: Sequence[CheckedRequest], runner: Runner
) -> tuple[Session, str]:
    """Opens the branches as rows of one session; returns it and the saved stream's name."""
    saved = branches[0].saved
    assert saved is not None
    state, rows = saved.restore(runner.graph, runner.weights())
    saved.made_by.warn(saved.path)
    row = _row(request, len(rows))
    names = [str(number) for number in range(len(branches))]
    copies: State = state.pick([row] * len(branches)).rename(names)
    session = Session(runner, [rows[row]] * len(branches), state=copies)
    for number, checked in enumerate(branches):
        session.steer(number, **checked.changes)
    return session, state.streams[row]


def _row(request: BranchRequest, rows: int) -> int:
    if request.row is None and rows > 1:
        raise InputError(
            f"{request.session}: holds {rows} streams; choose the one to continue: --row 0 to "
            f"--row {rows - 1}"
        )
    row = request.row or 0
    if not 0 <= row < rows:
        raise InputError(f"--row {row}: {request.session} holds {rows} stream(s), counted from 0")
    return row


def _write(
    branches: Sequence[CheckedRequest], session: Session, progress: Progress
) -> tuple[list[int], Chunk | None]:
    """Makes and writes the chunks; returns clipped samples by branch and the last chunk."""
    first = branches[0]
    last: Chunk | None = None
    with ExitStack() as stack:
        writers = [
            stack.enter_context(open_output(checked, session, row))
            for row, checked in enumerate(branches)
        ]
        update = stack.enter_context(progress.playing(first.seconds))
        start, words = time.perf_counter(), WordReports()
        for last in chunks(session, first.chunks):
            for line in words.lines(*last.not_understood):
                progress.say(line)
            with uninterrupted(), naming_stage(last):
                for row, writer in enumerate(writers):
                    writer.write(last.audio[row, : first.total_samples - writer.samples])
            seconds = writers[0].samples / first.rate_hz
            update(seconds, seconds / (time.perf_counter() - start))
    return [writer.clipped_samples for writer in writers], last


def _save(
    branches: Sequence[CheckedRequest], session: Session, last: Chunk | None, stream: str
) -> None:
    """Saves each branch as the one-stream session that `generate --resume` would save."""
    assert last is not None
    for row, checked in enumerate(branches):
        if checked.request.save is not None:
            state = last.state.pick([row]).rename([stream])
            Session(session.runner, [session.controls[row]], state=state).save(checked.request.save)


def _summary(
    branches: Sequence[CheckedRequest],
    clipped: Sequence[int],
    wall_s: float,
    preparation: Preparation,
) -> Iterator[str]:
    seconds = branches[0].seconds
    for checked, samples in zip(branches, clipped, strict=True):
        output = checked.request.output
        yield output
        if samples:
            yield f"{output}: {samples} samples were too loud and were cut off"
    work = f"{len(branches)} x {seconds:g} s of audio in {wall_s:.2f} s"
    speed = len(branches) * seconds / wall_s
    yield f"{work}, {speed:.2f} x real time in total (before that: {preparation})"
