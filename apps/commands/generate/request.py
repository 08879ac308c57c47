"""What `soundstage generate` is asked for, checked as far as that goes without weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from soundstage.apps.commands.generate.request_audio import read_order_audio, refuse_contradictions
from soundstage.apps.commands.pipeline_choice import PipelineChoice
from soundstage.audio.writer import STANDARD_OUTPUT, check_writer
from soundstage.errors import InputError, UsageError
from soundstage.files import check_writable
from soundstage.graph.check import build
from soundstage.graph.overrides import apply
from soundstage.graph.plan import Graph
from soundstage.graph.problem import PipelineError, Problem
from soundstage.graph.spec import parse
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.sessions.clip_join import Beginning
from soundstage.runners.sessions.controls import complete
from soundstage.runners.sessions.files import SavedSession, SessionFileError
from soundstage.runners.sessions.journal import refuse_other_journal
from soundstage.runners.sessions.journal_file import read_saved
from soundstage.runners.sessions.prompts import Audio, Text, expand_prompts

LONGEST_S = 24 * 3600.0


@dataclass(frozen=True)
class GenerateRequest:
    """What to make, and where to put it.

    Attributes:
        prompts: texts and audio files; empty = the pipeline's default, or the resumed session's.
        duration_s: seconds of audio.
        output: a .wav, .flac, .ogg or .mp3 file, or "-" for standard output.
        controls: the controls asked for, by name; what is left out stays at its default.
        choice: the pipeline.
        resume: a session file or a journal to go on from.
        continue_from: an audio file to go on from.
        keep_clip: whether that file's audio is in front of the music.
        inject: an audio file that is played in, chunk by chunk.
        save: where to save the session at the end.
        journal: where to keep the journal while it plays; the one it goes on from, or a new file.
        record: where to write the trace.
        timeline: where to write the timeline of the stages.
        runner: what runs the stages.
    """

    prompts: tuple[Text | Audio, ...]
    duration_s: float
    output: str
    controls: Mapping[str, Any] = field(default_factory=dict)
    choice: PipelineChoice = field(default_factory=PipelineChoice)
    resume: Path | None = None
    continue_from: Path | None = None
    keep_clip: bool = False
    inject: Path | None = None
    save: Path | None = None
    journal: Path | None = None
    record: Path | None = None
    timeline: Path | None = None
    runner: RunnerChoice = field(default_factory=RunnerChoice)


@dataclass(frozen=True)
class CheckedRequest:
    """An order that can be carried out, unless weights or a stage object.

    Attributes:
        order: what was asked for.
        graph: what will run.
        saved: the session to go on from; None starts fresh.
        changes: the controls asked for, prompts taken apart into theirs.
        total_samples: samples per channel to make.
        clip: what to go on from, float32 [sample, channel]; None = nothing.
        injected: what is played in, float32 [sample, channel]; None = nothing.
    """

    order: GenerateRequest
    graph: Graph
    saved: SavedSession | None
    changes: Mapping[str, Any]
    total_samples: int
    clip: np.ndarray | None = None
    injected: np.ndarray | None = None

    @property
    def rate_hz(self) -> int:
        """Samples per second and channel."""
        return self.graph.format.sample_rate_hz

    @property
    def channels(self) -> int:
        """Audio channels."""
        return self.graph.format.channels

    @property
    def seconds(self) -> float:
        """How long the audio will be, a whole number of samples."""
        return self.total_samples / self.rate_hz

    @cached_property
    def beginning(self) -> Beginning | None:
        """How the music is joined to the clip that it goes on from."""
        if self.clip is None:
            return None
        return Beginning(self.clip, self.graph.format, self.order.keep_clip)

    @property
    def file_samples(self) -> int:
        """Samples per channel to write: the clip in front, if it is kept, and the music."""
        before = 0 if self.beginning is None else len(self.beginning.before)
        return before + self.total_samples

    @property
    def chunks(self) -> int:
        """How many chunks that takes; the last one may be cut."""
        return -(-self.total_samples // self.graph.format.dims["sample"])


def plan(order: GenerateRequest) -> CheckedRequest:
    """Checks an order; loads no weights and leaves no file.

    Raises:
        UsageError: options contradict each other.
        InputError: a prompt or the duration cannot be used; `ControlError` and
            `SessionFileError` likewise.
        PipelineError: the pipeline cannot run.
        OutputError: a file cannot be written.
    """
    refuse_duration(order.duration_s)
    _refuse_twice(order)
    refuse_contradictions(order.continue_from, order.keep_clip, order.resume)
    graph, saved, changes = find_music(order.prompts, order.controls, order.choice, order.resume)
    total = total_samples(order.duration_s, graph)
    audio = read_order_audio(order.continue_from, order.inject, graph)
    made = CheckedRequest(order, graph, saved, changes, total, *audio)
    _refuse_unwritable(made)
    return made


def find_music(
    prompts: Sequence[Text | Audio],
    controls: Mapping[str, Any],
    choice: PipelineChoice,
    resume: Path | None,
) -> tuple[Graph, SavedSession | None, dict[str, Any]]:
    """What will run, the session it goes on from, and the controls asked for; loads no weights.

    Args:
        prompts: as `GenerateRequest.prompts`, like the others.
        controls: see `prompts`.
        choice: see `prompts`.
        resume: see `prompts`.

    Returns:
        The graph, the saved session or None, and the controls with the prompts taken apart.

    Raises:
        Exception: what `plan` raises about any of them.
    """
    _refuse_lost_settings(choice, resume)
    for prompt in prompts:
        refuse_bytes(prompt)
    saved = read_saved(resume) if resume is not None else None
    graph = choice.load() if saved is None else _resumed_graph(saved, choice)
    if "audio" not in graph.outputs:
        cure = 'add audio = "stage.port"'
        raise PipelineError([Problem("outputs", "music needs an output named audio", cure)])
    changes = dict(controls)
    if prompts:
        changes |= expand_prompts(prompts, graph.format)
    complete(graph, changes, {})
    return graph, saved, changes


def _resumed_graph(saved: SavedSession, choice: PipelineChoice) -> Graph:
    if choice.names_a_graph and choice.read().digest() != saved.spec.digest():
        raise SessionFileError(
            f"{saved.path}: made by another graph (pipeline {saved.spec.name!r}); leave "
            "--preset, --pipeline and --set out: the session brings its own"
        )
    return build(parse(apply(saved.spec.as_dict(), (), choice.placements)), choice.allow)


def refuse_duration(duration_s: float) -> None:
    """Refuses what is no length of music.

    Raises:
        InputError: it is not above 0, or longer than a day.
    """
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise InputError(f"duration {duration_s:g}: must be a number of seconds above 0")
    if duration_s > LONGEST_S:
        raise InputError(
            f"duration {duration_s:g} s is more than 24 hours: make it in parts, with --save and "
            "--resume"
        )


def _refuse_lost_settings(choice: PipelineChoice, resume: Path | None) -> None:
    lost = [text for text in choice.settings if text.startswith("inputs.")]
    if resume is not None and lost:
        raise UsageError(
            f"--set {lost[0]} has no effect with --resume: the session brings its own controls; "
            "change them with --control NAME=VALUE"
        )


def _refuse_twice(order: GenerateRequest) -> None:
    written = {
        "--save": order.save,
        "--journal": order.journal,
        "--record": order.record,
        "--trace": order.timeline,
    }
    if order.output != STANDARD_OUTPUT:
        written["--output"] = Path(order.output)
    seen: dict[Path, str] = {}
    for option, path in written.items():
        if path is None:
            continue
        other = seen.setdefault(path.resolve(), option)
        if other != option:
            raise UsageError(f"{other} and {option} both name {path}; give two names")


def total_samples(duration_s: float, graph: Graph) -> int:
    """Samples per channel in a duration.

    Raises:
        InputError: it is shorter than one.
    """
    total = round(duration_s * graph.format.sample_rate_hz)
    if total < 1:
        raise InputError(f"duration {duration_s:g} s is shorter than one sample")
    return total


def refuse_bytes(prompt: Text | Audio) -> None:
    """Refuses a text of bytes that were no text on the command line.

    Raises:
        InputError: UTF-8 cannot write it.
    """
    if isinstance(prompt, Text):
        try:
            prompt.text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"prompt {prompt.text[:40]!r} is not text in UTF-8") from error


def _refuse_unwritable(plan: CheckedRequest) -> None:
    """Opens every output and lets go of it again, before the weights take their time."""
    order = plan.order
    check_writer(order.output, plan.rate_hz, plan.channels, plan.file_samples)
    for path in (order.save, order.journal, order.record, order.timeline):
        if path is not None:
            check_writable(path)
    if order.journal is not None:
        refuse_other_journal(order.journal, plan.graph, plan.saved)
