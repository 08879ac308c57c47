"""The request of `soundstage generate`, and its checks before weights are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from soundstage.apps.commands.music_choice import (
    check_clip_options,
    check_duration,
    find_music,
    read_clips,
    read_notes,
    total_samples,
)
from soundstage.apps.commands.pipeline_choice import PipelineChoice
from soundstage.apps.commands.same_files import (
    NamedFile,
    is_same_file,
    music_inputs,
    named_files,
    refuse_inputs_as_outputs,
    refuse_other_session,
)
from soundstage.audio.loudness import check_loudness
from soundstage.audio.writer import check_writer
from soundstage.errors import UsageError
from soundstage.files import check_writable
from soundstage.graph.plan import Graph
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.sessions.clip_join import Beginning
from soundstage.runners.sessions.files import SavedSession
from soundstage.runners.sessions.journal import refuse_other_journal
from soundstage.runners.sessions.prompts import OnePrompt


@dataclass(frozen=True)
class GenerateRequest:
    """The music to make and the files to write.

    Attributes:
        prompts: the prompts; empty = those of the resumed session, or the pipeline's default.
        duration_s: seconds of audio; above 0, at most 24 hours.
        output: a .wav, .flac, .ogg or .mp3 file, or "-" for standard output.
        subtype: how samples are stored, see `audio.writer.SUBTYPES`; None = the format's default.
        loudness_lufs: the integrated loudness of the file; None = as it is made.
        controls: values from the command line, by control; the others keep their default.
        choice: the pipeline.
        resume: a session file or a journal to continue.
        continue_from: an audio file to continue.
        keep_clip: whether the file begins with the audio of `continue_from`.
        inject: an audio file that is played in, chunk by chunk.
        midi: a MIDI file whose notes are played.
        save: the session file to write at the end.
        journal: the journal to write while the music is made: the resumed one, or a new file.
        record: the trace to write.
        timeline: the timeline of the stages to write.
        runner: the runner of the stages.
    """

    prompts: tuple[OnePrompt, ...]
    duration_s: float
    output: str
    subtype: str | None = None
    loudness_lufs: float | None = None
    controls: Mapping[str, Any] = field(default_factory=dict)
    choice: PipelineChoice = field(default_factory=PipelineChoice)
    resume: Path | None = None
    continue_from: Path | None = None
    keep_clip: bool = False
    inject: Path | None = None
    midi: Path | None = None
    save: Path | None = None
    journal: Path | None = None
    record: Path | None = None
    timeline: Path | None = None
    runner: RunnerChoice = field(default_factory=RunnerChoice)


@dataclass(frozen=True)
class CheckedRequest:
    """A request that passed every check that needs no weights.

    Attributes:
        request: the request itself.
        graph: the graph that makes the music.
        saved: the session to continue; None = a new one.
        changes: controls from the command line, with the prompts as the controls they stand for.
        total_samples: samples per channel to make.
        clip: the audio to continue, float32 [sample, channel]; None = none.
        injected: the audio to play in, float32 [sample, channel]; None = none.
        notes: the notes to play, int32 [frame, pitch]; None = none.
    """

    request: GenerateRequest
    graph: Graph
    saved: SavedSession | None
    changes: Mapping[str, Any]
    total_samples: int
    clip: np.ndarray | None = None
    injected: np.ndarray | None = None
    notes: np.ndarray | None = None

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
        """Duration of the music, a whole number of samples."""
        return self.total_samples / self.rate_hz

    @cached_property
    def beginning(self) -> Beginning | None:
        """The join of the clip and the music; None without a clip."""
        if self.clip is None:
            return None
        return Beginning(self.clip, self.graph.format, self.request.keep_clip)

    @property
    def file_samples(self) -> int:
        """Samples per channel to write: the clip, if it is kept, and the music."""
        before = 0 if self.beginning is None else len(self.beginning.before)
        return before + self.total_samples

    @property
    def chunks(self) -> int:
        """Chunks to make; the file may end within the last one."""
        return -(-self.total_samples // self.graph.format.dims["sample"])


def check_request(request: GenerateRequest) -> CheckedRequest:
    """Checks a request; loads no weights and leaves no file.

    Raises:
        UsageError: options contradict each other.
        InputError: a prompt or the duration cannot be used; `ControlError` and
            `SessionFileError` likewise.
        PipelineError: the pipeline cannot run.
        OutputError: a file cannot be written.
    """
    check_duration(request.duration_s)
    _check_outputs_differ(request)
    check_clip_options(request.continue_from, request.keep_clip, request.resume)
    graph, saved, changes = find_music(
        request.prompts,
        request.controls,
        request.choice,
        request.resume,
        request.continue_from,
    )
    _refuse_inputs_as_outputs(request, graph)
    total = total_samples(request.duration_s, graph)
    clips = read_clips(request.continue_from, request.inject, graph)
    notes = read_notes(request.midi, graph)
    checked = CheckedRequest(request, graph, saved, changes, total, *clips, notes)
    if request.loudness_lufs is not None:
        _check_loudness(checked, request.loudness_lufs)
    _check_writable(checked)
    return checked


def _check_loudness(checked: CheckedRequest, lufs: float) -> None:
    request = checked.request
    for option, given in (("--output -", request.output == "-"), ("--journal", request.journal)):
        if given:
            raise UsageError(
                f"--loudness and {option} exclude each other: the loudness of music is known when "
                "all of it is made"
            )
    check_loudness(lufs, checked.file_samples / checked.rate_hz)


def _outputs(request: GenerateRequest) -> list[NamedFile]:
    return named_files(
        {
            "--save": request.save,
            "--journal": request.journal,
            "--record": request.record,
            "--trace": request.timeline,
            "--output": request.output,
        }
    )


def _check_outputs_differ(request: GenerateRequest) -> None:
    for (other, one), (option, path) in combinations(_outputs(request), 2):
        if is_same_file(one, path):
            raise UsageError(f"{other} and {option} both name {path}; give two names")


def _refuse_inputs_as_outputs(request: GenerateRequest, graph: Graph) -> None:
    played = {
        "continue_from": request.continue_from,
        "inject": request.inject,
        "midi": request.midi,
    }
    inputs = list(music_inputs(request.choice, request.prompts, graph, **played))
    refuse_inputs_as_outputs(_outputs(request), inputs)
    # A session may be continued in its own file, and a journal is.
    others = [each for each in _outputs(request) if each[0] not in ("--save", "--journal")]
    refuse_inputs_as_outputs(others, named_files({"--resume": request.resume}))
    refuse_other_session(request.save, graph)


def _check_writable(checked: CheckedRequest) -> None:
    """Opens and abandons every output, so that an error comes before the weights load."""
    request = checked.request
    rate_hz, channels, samples = checked.rate_hz, checked.channels, checked.file_samples
    check_writer(request.output, rate_hz, channels, samples, request.subtype)
    for path in (request.save, request.journal, request.record, request.timeline):
        if path is not None:
            check_writable(path)
    if request.journal is not None:
        refuse_other_journal(request.journal, checked.graph, checked.saved)
