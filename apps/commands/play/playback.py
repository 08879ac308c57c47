"""The work of `soundstage play`: play on a destination, show and steer, save the session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from soundstage.apps.commands.music_choice import (
    check_clip_options,
    check_duration,
    find_music,
    read_clips,
    total_samples,
)
from soundstage.apps.commands.pipeline_choice import PipelineChoice
from soundstage.apps.commands.preparation import Preparation, open_session
from soundstage.apps.commands.same_files import (
    music_inputs,
    named_files,
    refuse_inputs_as_outputs,
    refuse_other_session,
)
from soundstage.apps.player.live_input import FileSpec, LiveSourceSpec
from soundstage.apps.player.note_source import KeysSpec, MidiFileSpec, NoteSourceSpec
from soundstage.apps.player.performance import Performance, Watch
from soundstage.apps.player.performer import Performer
from soundstage.apps.player.pipes import FileOutput
from soundstage.apps.player.prompt_mix import PromptMix
from soundstage.apps.player.ring import Ring
from soundstage.apps.player.sink import Paced, Sink
from soundstage.audio.standard_output import ReaderGone
from soundstage.errors import InputError
from soundstage.files import check_writable
from soundstage.graph.plan import Graph
from soundstage.interrupts import orderly
from soundstage.progress import Progress
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.sessions.injection import inject_control
from soundstage.runners.sessions.notes import HeldNotes, notes_control, released
from soundstage.runners.sessions.prompts import OnePrompt
from soundstage.runners.sessions.session import Session
from soundstage.runners.timing.realtime import BUFFERED_S, chunks_ahead

FADE_S = 0.01
MOST_LATENCY_S = 120.0


class Destination(Protocol):
    """A description of an output for live music, which opens it."""

    def check(self, sample_rate_hz: int, channels: int) -> None:
        """Refuses an output that cannot play this, as far as can be found out without playing."""
        ...

    def open(self, sample_rate_hz: int, channels: int) -> AbstractContextManager[Sink]:
        """Opens the output; closes it after the block."""
        ...


@dataclass(frozen=True)
class PlayRequest:
    """The music to play and its destination.

    Attributes:
        prompts: the prompts; empty = those of the resumed session, or the pipeline's default.
        destination: the output to play on.
        controls: values from the command line, by control; the others keep their default.
        choice: the pipeline.
        duration_s: seconds of music, above 0, at most 24 hours; None = until it is stopped.
        latency_s: seconds of music kept buffered, in whole chunks; above 0, at most 120;
            None = one chunk, or as many as last 0.2 s.
        resume: a session file or a journal to continue.
        continue_from: an audio file to continue.
        live_source: the live input; None = none.
        note_source: the notes; None = the display's keys, if the pipeline hears notes.
        save: the session file to write at the end.
        runner: the runner of the stages.
    """

    prompts: tuple[OnePrompt, ...]
    destination: Destination
    controls: Mapping[str, Any] = field(default_factory=dict)
    choice: PipelineChoice = field(default_factory=PipelineChoice)
    duration_s: float | None = None
    latency_s: float | None = None
    resume: Path | None = None
    continue_from: Path | None = None
    live_source: LiveSourceSpec | None = None
    note_source: NoteSourceSpec | None = None
    save: Path | None = None
    runner: RunnerChoice = field(default_factory=RunnerChoice)


def play(request: PlayRequest, progress: Progress, watch: Watch) -> None:
    """Plays the music of a request.

    Every check that needs no weights comes before they are loaded. A signal ends the music with
    a fade; files and sessions are then complete all the same.

    Raises:
        Exception: as `music_choice.find_music`, and as the destination.
        WeightsError: weights are missing or do not fit.
        StageFailed: a stage failed.
        KeyboardInterrupt: Ctrl-C or another signal ended the music.
    """
    preparation = Preparation(progress)
    with progress.step("checking the pipeline"):
        graph, saved, changes = find_music(
            request.prompts,
            request.controls,
            request.choice,
            request.resume,
            request.continue_from,
        )
        total = _check(request, graph)
        _refuse_inputs_as_outputs(request, graph)
        clip, _ = read_clips(request.continue_from, None, graph)
    state = preparation.state_after(clip, graph)
    with preparation.runner(graph, request.runner) as runner:
        # Looking ahead adds chunks that steering then discards: only on request.
        lookahead = (request.runner.window or 1) - 1
        session = open_session(saved, changes, runner, lookahead, state)
        preparation.show_note(runner.graph)
        with ExitStack() as ending:
            with ExitStack() as saving:
                with _performance(request, session, total, progress) as performance:
                    # From here to the end there is music to keep.
                    ending.enter_context(orderly(performance.interrupted.set))
                    if request.save is not None:  # whatever ends the music
                        saving.callback(performance.performer.save, request.save)
                    stopped = _perform(performance, watch)
                performance.raise_error()
            for line in _summary(performance):
                progress.say(line)
            if stopped:
                raise KeyboardInterrupt


@contextmanager
def _performance(
    request: PlayRequest, session: Session, total_samples: int | None, progress: Progress
) -> Iterator[Performance]:
    """Opens the destination, and fills the ring for it."""
    graph = session.graph
    format, samples = graph.format, graph.format.dims["sample"]
    latency_s = BUFFERED_S if request.latency_s is None else request.latency_s
    ahead = chunks_ahead(format.chunk_s, latency_s)
    ring_samples = (ahead + 2) * samples
    fade_samples = max(1, min(round(FADE_S * format.sample_rate_hz), ring_samples // 10))
    ring = Ring(ring_samples, format.channels, fade_samples)
    spec, destination = request.live_source, request.destination
    notes = request.note_source or (KeysSpec() if released(graph) else None)
    with (
        nullcontext() if spec is None else spec.open(format) as live_source,
        nullcontext() if notes is None else notes.open(format, progress.say) as note_source,
        destination.open(format.sample_rate_hz, format.channels) as sink,
    ):
        if isinstance(sink, Paced):
            sink.cues = ring.cues  # which grow while the music plays
        performer = Performer(session, ring, ahead, total_samples, live_source, note_source)
        prompts = (
            PromptMix.of(request.prompts, graph)
            if request.prompts
            else PromptMix.read(performer.controls)
        )
        with progress.step("compiling, and making the first chunk"):
            performer.start()
            performer.wait_until_full()
        keys = note_source if isinstance(note_source, HeldNotes) else None
        yield Performance(graph, performer, ring, sink, prompts, request.save, keys)


def _refuse_inputs_as_outputs(request: PlayRequest, graph: Graph) -> None:
    destination, source, notes = request.destination, request.live_source, request.note_source
    output = destination.path if isinstance(destination, FileOutput) else None
    listed = destination.cue_file if isinstance(destination, FileOutput) else None
    clips = {
        "continue_from": request.continue_from,
        "inject": source.path if isinstance(source, FileSpec) else None,
        "midi": notes.path if isinstance(notes, MidiFileSpec) else None,
    }
    inputs = list(music_inputs(request.choice, request.prompts, graph, **clips))
    written = named_files({"--output": output, "--cues": listed})
    refuse_inputs_as_outputs([*written, *named_files({"--save": request.save})], inputs)
    # A session may be continued in its own file.
    session = named_files({"--resume": request.resume, "--save": request.save})
    refuse_inputs_as_outputs(written, session)
    refuse_other_session(request.save, graph)


def _check(request: PlayRequest, graph: Graph) -> int | None:
    """Checks everything but the music's options; returns samples to play, None = without end."""
    check_clip_options(request.continue_from, False, request.resume)
    latency_s = request.latency_s
    if latency_s is not None and not 0 < latency_s <= MOST_LATENCY_S:  # NaN compares false
        raise InputError(
            f"--latency {latency_s:g}: must be above 0 s, at most {MOST_LATENCY_S:g} s"
        )
    if request.live_source is not None:
        inject_control(graph)
        request.live_source.check(graph.format)
    if request.note_source is not None:
        notes_control(graph)
        request.note_source.check(graph.format)
    request.destination.check(graph.format.sample_rate_hz, graph.format.channels)
    if request.save is not None:
        check_writable(request.save)
    if request.duration_s is None:
        return None
    check_duration(request.duration_s)
    return total_samples(request.duration_s, graph)


def _perform(performance: Performance, watch: Watch) -> bool:
    """Plays until the music is over; returns whether Ctrl-C ended it."""
    if performance.performer.error is not None:
        return False
    try:
        performance.sink.start(performance.ring)
        watch(performance)
    except KeyboardInterrupt:
        return True
    finally:
        performance.stop()
    return False


def _summary(performance: Performance) -> Iterator[str]:
    ring, sink, rate_hz = (
        performance.ring,
        performance.sink,
        performance.graph.format.sample_rate_hz,
    )
    verdict = performance.performer.verdict
    speed = f", made at {verdict.margin:.2f} x real time" if verdict is not None else ""
    yield f"{sink.name}: {ring.heard_samples / rate_hz:.1f} s of music{speed}"
    if ring.underruns:
        silent_s = ring.silent_samples / rate_hz
        yield f"{sink.name}: {ring.underruns} underrun(s), {silent_s:.1f} s of silence"
    if sink.late_blocks:
        yield f"{sink.name}: this machine kept the device waiting {sink.late_blocks} time(s)"
    if isinstance(sink.error, ReaderGone):
        yield f"{sink.name}: the reader left"
    clipped = performance.performer.clipped_samples
    if clipped:
        yield f"{sink.name}: {clipped} samples were too loud and were cut off"
    if performance.save is not None:
        yield f"{performance.save}: continues after the last chunk made, maybe later than the sound"
