"""What `soundstage play` does: loads, plays, lets a person steer, saves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from soundstage.apps.commands.generate.generation import open_session
from soundstage.apps.commands.generate.request import find_music, refuse_duration, total_samples
from soundstage.apps.commands.generate.request_audio import read_order_audio, refuse_contradictions
from soundstage.apps.commands.pipeline_choice import PipelineChoice
from soundstage.apps.player.live_input import LiveSourceSpec
from soundstage.apps.player.performance import Performance, Watch
from soundstage.apps.player.performer import Performer
from soundstage.apps.player.prompt_mix import PromptMix
from soundstage.apps.player.ring import Ring
from soundstage.apps.player.sink import Sink
from soundstage.audio.standard_output import ReaderGone
from soundstage.errors import InputError
from soundstage.files import check_writable
from soundstage.graph.plan import Graph
from soundstage.progress import Progress
from soundstage.runners.api import open_runner
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.offline import closing
from soundstage.runners.sessions.continuation import continued_state
from soundstage.runners.sessions.injection import inject_control
from soundstage.runners.sessions.prompts import Audio, Text
from soundstage.runners.sessions.session import Session

FADE_S = 0.01
MOST_AHEAD = 60


class Destination(Protocol):
    """Where the music goes, before it is opened."""

    def check(self, sample_rate_hz: int, channels: int) -> None:
        """Refuses what cannot play this, as far as that can be told without a sound."""
        ...

    def open(self, sample_rate_hz: int, channels: int) -> AbstractContextManager[Sink]:
        """Opens it."""
        ...


@dataclass(frozen=True)
class PlayRequest:
    """What to play, and on what.

    Attributes:
        prompts: texts and audio files; empty = the pipeline's default, or the resumed session's.
        destination: where the music goes.
        controls: the controls asked for, by name; what is left out stays at its default.
        choice: the pipeline.
        duration_s: when to end; None = when somebody says so.
        ahead: chunks kept in stock.
        resume: a session file or a journal to go on from.
        continue_from: an audio file to go on from.
        hearing: what is played into the music; None = nothing.
        save: where to save the session at the end.
        runner: what runs the stages.
    """

    prompts: tuple[Text | Audio, ...]
    destination: Destination
    controls: Mapping[str, Any] = field(default_factory=dict)
    choice: PipelineChoice = field(default_factory=PipelineChoice)
    duration_s: float | None = None
    ahead: int = 1
    resume: Path | None = None
    continue_from: Path | None = None
    hearing: LiveSourceSpec | None = None
    save: Path | None = None
    runner: RunnerChoice = field(default_factory=RunnerChoice)


def play(order: PlayRequest, progress: Progress, watch: Watch) -> None:
    """Plays what an order asks for.

    Everything that can be refused is refused before weights are loaded. Ctrl-C ends the music with
    a fade; files and sessions are complete all the same.

    Raises:
        Exception: what `generate.request.find_music` raises, and what the destination does.
        WeightsError: weights are missing or do not fit.
        StageFailed: a stage failed.
        KeyboardInterrupt: it was stopped with Ctrl-C.
    """
    with progress.step("checking the pipeline"):
        graph, saved, changes = find_music(
            order.prompts, order.controls, order.choice, order.resume
        )
        total = _check(order, graph)
        clip, _ = read_order_audio(order.continue_from, None, graph)
    state = None
    if clip is not None:
        with progress.step("listening to the clip"):
            state = continued_state(graph, clip)
    with progress.step(f"loading {len(graph.nodes)} stages"):
        runner = open_runner(graph, order.runner)
    with closing(runner):
        # Stages of two chunks side by side cost what steering throws away: only who asks for it.
        lookahead = (order.runner.window or 1) - 1
        session = open_session(saved, changes, runner, lookahead, state)
        with progress.step("compiling"):
            runner.warm_up(1)
        if graph.spec.note:
            progress.say(f"{graph.name}: {graph.spec.note}")
        with _performance(order, session, total, progress) as performance:
            stopped = _perform(performance, watch)
        performance.refuse_fault()
        if order.save is not None:
            performance.performer.save(order.save)
        for line in _summary(performance):
            progress.say(line)
        if stopped:
            raise KeyboardInterrupt


@contextmanager
def _performance(
    order: PlayRequest, session: Session, total_samples: int | None, progress: Progress
) -> Iterator[Performance]:
    """Opens the destination, and makes the first music for it."""
    graph = session.graph
    format, samples = graph.format, graph.format.dims["sample"]
    fade_samples = max(1, min(round(FADE_S * format.sample_rate_hz), samples // 10))
    ring = Ring((order.ahead + 2) * samples, format.channels, fade_samples)
    hearing = nullcontext() if order.hearing is None else order.hearing.open(format)
    with hearing as ear, order.destination.open(format.sample_rate_hz, format.channels) as sink:
        performer = Performer(session, ring, order.ahead, total_samples, ear)
        mix = (
            PromptMix.of(order.prompts, format)
            if order.prompts
            else PromptMix.read(performer.controls)
        )
        with progress.step("making the first chunk"):
            performer.start()
            performer.wait_until_full()
        yield Performance(graph, performer, ring, sink, mix, order.save)


def _check(order: PlayRequest, graph: Graph) -> int | None:
    """Refuses what cannot be played; returns samples to play, None = without end."""
    refuse_contradictions(order.continue_from, False, order.resume)
    if not 1 <= order.ahead <= MOST_AHEAD:
        raise InputError(f"latency {order.ahead}: must be 1 to {MOST_AHEAD} chunks")
    if order.hearing is not None:
        inject_control(graph)
        order.hearing.check(graph.format)
    order.destination.check(graph.format.sample_rate_hz, graph.format.channels)
    if order.save is not None:
        check_writable(order.save)
    if order.duration_s is None:
        return None
    refuse_duration(order.duration_s)
    return total_samples(order.duration_s, graph)


def _perform(performance: Performance, watch: Watch) -> bool:
    """Plays until the music is over; says whether Ctrl-C ended it."""
    if performance.performer.fault is not None:
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
    made = f", made {verdict.margin:.2f} x faster than it plays" if verdict is not None else ""
    yield f"{sink.name}: {ring.heard_samples / rate_hz:.1f} s of music{made}"
    if ring.underruns:
        silent_s = ring.silent_samples / rate_hz
        yield f"{sink.name}: {ring.underruns} underrun(s), {silent_s:.1f} s of silence"
    if sink.late_blocks:
        yield f"{sink.name}: the device was kept waiting {sink.late_blocks} time(s) by this machine"
    if isinstance(sink.fault, ReaderGone):
        yield f"{sink.name}: the reader left"
    clipped = performance.performer.clipped_samples
    if clipped:
        yield f"{sink.name}: {clipped} samples were too loud and were cut off"
    if performance.save is not None:
        yield f"{performance.save}: goes on where the last chunk ends, maybe beyond what was heard"
