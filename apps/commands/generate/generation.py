"""The work of `soundstage generate`: make the chunks, write the audio, save the session."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from soundstage.apps.commands.exit_codes import print_error
from soundstage.apps.commands.generate.request import (
    CheckedRequest,
    GenerateRequest,
    check_request,
)
from soundstage.apps.commands.preparation import Preparation, open_session
from soundstage.audio.loudness import LevelledWriter
from soundstage.audio.provenance import AudioPrompt
from soundstage.audio.writer import STANDARD_OUTPUT, AudioWriter, open_writer
from soundstage.interrupts import uninterrupted
from soundstage.progress import Progress, Update
from soundstage.runners.offline import chunks, timeline
from soundstage.runners.recording import naming_stage
from soundstage.runners.runner import Chunk
from soundstage.runners.sessions.injection import blocks, inject_control
from soundstage.runners.sessions.journal import JournalWriter
from soundstage.runners.sessions.not_understood import WordReports
from soundstage.runners.sessions.notes import note_blocks, notes_control
from soundstage.runners.sessions.prompts import Audio, OnePrompt
from soundstage.runners.sessions.provenance import describe
from soundstage.runners.sessions.session import Session
from soundstage.runners.timing.timeline import TimelineWriter
from soundstage.runners.timing.timings import Timings
from soundstage.runners.traces.trace import TraceWriter, open_trace
from soundstage.version import version

# A run of so few chunks is over sooner if it compiles while it makes the first one.
LONGEST_COLD_RUN_CHUNKS = 3


@dataclass
class _Outcome:
    """The music that a run has written so far.

    Attributes:
        chunk: the last chunk whose audio was written.
        samples: samples per channel, without the clip in front.
        clipped_samples: samples, over all channels, cut to full scale.
        wall_s: seconds since the first chunk was begun.
        loudness_lufs: the integrated loudness of the file; None = it was not asked for.
        timings: the stages' times, once the music is complete; None without a timeline.
    """

    chunk: Chunk | None = None
    samples: int = 0
    clipped_samples: int = 0
    wall_s: float = 0.0
    loudness_lufs: float | None = None
    timings: Timings | None = None


def generate(request: GenerateRequest, progress: Progress) -> None:
    """Makes the audio of a request and writes its files.

    Every check that needs no weights comes before they are loaded. The file appears when it
    is complete, and until then grows beside its place; standard output is written chunk by chunk.

    Raises:
        Exception: as `request.check_request`.
        WeightsError: weights are missing or do not fit.
        OutputError: a file cannot be written although the check passed.
        StageFailed: a stage failed.
    """
    preparation = Preparation(progress)
    with progress.step("checking the pipeline"):
        checked = check_request(request)
    state = preparation.state_after(checked.clip, checked.graph)
    with preparation.runner(checked.graph, request.runner) as runner:
        session = open_session(checked.saved, checked.changes, runner, state=state)
        if _compiles_beforehand(checked):
            preparation.compile(runner)
        preparation.show_note(runner.graph)
        outcome = _write(checked, session, progress)
        if request.save is not None and outcome.chunk is not None:
            Session(runner, session.controls, state=outcome.chunk.state).save(request.save)
    for line in _summary(checked, outcome, preparation):
        progress.say(line)


def _compiles_beforehand(checked: CheckedRequest) -> bool:
    """Whether a chunk is made and discarded first: its time is not that of the others."""
    return checked.chunks > LONGEST_COLD_RUN_CHUNKS or checked.request.timeline is not None


def open_output(
    checked: CheckedRequest, session: Session, row: int = 0
) -> AbstractContextManager[AudioWriter]:
    """Opens the audio file of a request, with its provenance as tags.

    Args:
        checked: the request.
        session: makes the audio.
        row: the session's row that goes into the file.

    Raises:
        OutputError: it cannot be written.
    """
    request = checked.request
    provenance = describe(
        checked.graph,
        session.runner.weights(),
        session.controls[row],
        _prompts(checked),
        checked.chunks,
        version(),
    )
    continues, injected, played = (
        None if path is None else AudioPrompt.of(path)
        for path in (request.continue_from, request.inject, request.midi)
    )
    return open_writer(
        request.output,
        checked.rate_hz,
        checked.channels,
        replace(provenance, continues=continues, injected=injected, played=played),
        checked.file_samples,
        request.subtype,
        keep=print_error,
    )


def _prompts(checked: CheckedRequest) -> Sequence[OnePrompt]:
    request = checked.request
    if request.prompts or request.continue_from is None or "clips" not in checked.changes:
        return request.prompts
    return (Audio(request.continue_from),)


def _write(checked: CheckedRequest, session: Session, progress: Progress) -> _Outcome:
    """Makes and writes the chunks; stops early when the reader of standard output leaves."""
    outcome = _Outcome()
    with ExitStack() as stack:
        journal = stack.enter_context(_journal(checked, session))
        trace = stack.enter_context(_trace(checked, session))
        stage_timeline = stack.enter_context(timeline(checked.request.timeline, checked.graph))
        file = stack.enter_context(open_output(checked, session))
        lufs = checked.request.loudness_lufs
        writer = file if lufs is None else LevelledWriter(file, checked.rate_hz, lufs)
        update = stack.enter_context(progress.playing(checked.seconds))
        watchers = [watcher for watcher in (trace, stage_timeline) if watcher is not None]
        say = progress.say
        _write_chunks(checked, session, writer, watchers, journal, update, say, outcome)
        if isinstance(writer, LevelledWriter):
            writer.finish()
            outcome.loudness_lufs, outcome.clipped_samples = writer.reached_lufs, 0
        outcome.timings = stage_timeline.timings if stage_timeline is not None else None
    return outcome


def _write_chunks(
    checked: CheckedRequest,
    session: Session,
    writer: AudioWriter | LevelledWriter,
    watchers: Sequence[TraceWriter | TimelineWriter],
    journal: JournalWriter | None,
    update: Update,
    say: Callable[[str], None],
    outcome: _Outcome,
) -> None:
    clip_samples = checked.file_samples - checked.total_samples
    beginning = checked.beginning
    if beginning is not None:
        writer.write(beginning.before)
    start, words = time.perf_counter(), WordReports()
    for chunk in chunks(session, checked.chunks, _played_controls(checked)):
        for line in words.lines(*chunk.not_understood):
            say(line)
        # Writing to a pipe may wait for its reader, so there a signal has to come through.
        with nullcontext() if checked.request.output == STANDARD_OUTPUT else uninterrupted():
            for watcher in watchers:
                watcher.write(chunk)
            audio, samples_before = chunk.audio[0], 0
            if beginning is not None and outcome.chunk is None:
                audio, samples_before = beginning.joined(audio), clip_samples
            block = audio[: checked.file_samples - writer.samples]
            with naming_stage(chunk):
                writer.write(block)
            # Last, so that the journal never counts audio that was not written.
            if journal is not None:
                writer.sync()
                journal.write(chunk, samples_before + len(block))
        outcome.chunk = chunk
        outcome.samples = writer.samples - clip_samples
        outcome.clipped_samples = writer.clipped_samples
        outcome.wall_s = time.perf_counter() - start
        seconds = outcome.samples / checked.rate_hz
        update(seconds, seconds / outcome.wall_s)


def _played_controls(checked: CheckedRequest) -> Iterator[Mapping[str, Any]] | None:
    """The live input and the notes of each tick, as controls; None without both."""
    graph = checked.graph
    played: dict[str, Iterator[np.ndarray]] = {}
    if checked.injected is not None:
        played[inject_control(graph)] = blocks(checked.injected, graph.format)
    if checked.notes is not None:
        played[notes_control(graph)] = note_blocks(checked.notes, graph.format)
    if not played:
        return None
    return (dict(zip(played, tick, strict=True)) for tick in zip(*played.values(), strict=True))


def _journal(
    checked: CheckedRequest, session: Session
) -> AbstractContextManager[JournalWriter | None]:
    path = checked.request.journal
    return nullcontext() if path is None else session.journal(path)


def _trace(checked: CheckedRequest, session: Session) -> AbstractContextManager[TraceWriter | None]:
    path = checked.request.record
    if path is None:
        return nullcontext()
    return open_trace(path, checked.graph, session.runner.weights(), session.state, version())


def _summary(checked: CheckedRequest, outcome: _Outcome, preparation: Preparation) -> list[str]:
    request = checked.request
    name = "standard output" if request.output == STANDARD_OUTPUT else request.output
    seconds = outcome.samples / checked.rate_hz
    if not outcome.samples:
        return [f"{name}: the reader left before any audio"]
    work = f"{seconds:g} s of audio in {outcome.wall_s:.2f} s"
    if _compiles_beforehand(checked):
        work += f", {seconds / outcome.wall_s:.2f} x real time"
    else:
        work += " with compiling"
    lines = [f"{name}: {work} (before that: {preparation})"]
    if outcome.samples < checked.total_samples:
        lines.append(f"{name}: the reader left before {checked.seconds:g} s")
    if outcome.loudness_lufs is not None:
        lines.append(_loudness_line(str(name), outcome.loudness_lufs, request.loudness_lufs or 0.0))
    if outcome.clipped_samples:
        lines.append(f"{name}: {outcome.clipped_samples} samples were too loud and were cut off")
    for path in (request.save, request.journal):
        if path is not None and outcome.chunk is not None:
            end = outcome.chunk.state.chunks[0] * checked.graph.format.chunk_s
            lines.append(f"{path}: continues at {end:g} s, where the last chunk ends")
    return lines + (outcome.timings.lines() if outcome.timings is not None else [])


def _loudness_line(name: str, reached_lufs: float, wanted_lufs: float) -> str:
    if reached_lufs == float("-inf"):
        return f"{name}: silent, and so not made louder"
    why = "; more would cut its peaks off" if reached_lufs < wanted_lufs - 0.05 else ""
    return f"{name}: {reached_lufs:.1f} LUFS{why}"
