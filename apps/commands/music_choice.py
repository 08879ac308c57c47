"""The options that `generate`, `play`, `variants` and `branch` share, checked without weights.

Which music to make: the pipeline, the session it continues, controls, audio clips and duration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from soundstage.apps.commands.pipeline_choice import PipelineChoice
from soundstage.errors import InputError, UsageError
from soundstage.graph.check import build
from soundstage.graph.overrides import apply
from soundstage.graph.plan import Graph
from soundstage.graph.problem import PipelineError, Problem
from soundstage.graph.spec import PipelineSpec, parse
from soundstage.runners.sessions.controls import complete
from soundstage.runners.sessions.files import SavedSession, SessionFileError
from soundstage.runners.sessions.journal_file import read_saved
from soundstage.runners.sessions.prompts import OnePrompt, Text, clip_controls, expand_prompts

LONGEST_S = 24 * 3600.0


def find_music(
    prompts: Sequence[OnePrompt],
    controls: Mapping[str, Any],
    choice: PipelineChoice,
    resume: Path | None,
    continue_from: Path | None = None,
) -> tuple[Graph, SavedSession | None, dict[str, Any]]:
    """Finds the graph, the session that it continues and the controls; loads no weights.

    Args:
        prompts: the prompts; empty = those of the session, or the pipeline's default.
        controls: values from the command line, by control; the others keep their default.
        choice: the pipeline; with `resume`, only its placements and allowed modules apply.
        resume: a session file or a journal to continue; None = a new stream.
        continue_from: an audio file to continue, which is the prompt if there is no other.

    Returns:
        The graph; the saved session or None; the controls, with `prompts` as the controls that they
        stand for.

    Raises:
        UsageError: `--set inputs.` was given with a session, which has controls of its own.
        InputError: a prompt cannot be used; `ControlError` and `SessionFileError` likewise.
        PipelineError: the pipeline cannot run, or has no output named audio.
    """
    _refuse_unused_settings(choice, resume)
    saved = read_saved(resume) if resume is not None else None
    spec = choice.read() if saved is None else _resumed_spec(saved, choice)
    graph = build(spec, choice.allow)
    check_audio_output(graph)
    changes = {**controls, **prompt_controls(prompts, graph)}
    if continue_from is not None:
        changes |= clip_controls(continue_from, changes, graph)
    complete(graph, changes, {})
    return graph, saved, changes


def _refuse_unused_settings(choice: PipelineChoice, resume: Path | None) -> None:
    unused = [setting for setting in choice.settings if setting.startswith("inputs.")]
    if resume is not None and unused:
        raise UsageError(
            f"--set {unused[0]} has no effect with --resume: the session has controls of its own; "
            "change them with --control NAME=VALUE"
        )


def _resumed_spec(saved: SavedSession, choice: PipelineChoice) -> PipelineSpec:
    if choice.names_a_graph and choice.read().digest() != saved.spec.digest():
        raise SessionFileError(
            f"{saved.path}: made by another graph (pipeline {saved.spec.name!r}); leave out "
            "--preset, --pipeline and --set: the session holds its own pipeline"
        )
    return parse(apply(saved.spec.as_dict(), (), choice.placements))


def check_audio_output(graph: Graph) -> None:
    """Refuses a graph without an output named audio.

    Raises:
        PipelineError: it has none.
    """
    if "audio" not in graph.outputs:
        cure = 'add audio = "stage.port"'
        raise PipelineError([Problem("outputs", "the pipeline has no output named audio", cure)])


def prompt_controls(prompts: Sequence[OnePrompt], graph: Graph) -> dict[str, Any]:
    """Returns the controls that prompts stand for, by name; none for no prompts.

    Raises:
        InputError: a text is not UTF-8, or an audio file cannot be used.
        ControlError: a weight or a text is out of range.
    """
    for prompt in prompts:
        _refuse_undecodable(prompt)
    return expand_prompts(prompts, graph) if prompts else {}


def _refuse_undecodable(prompt: OnePrompt) -> None:
    """Refuses a text from the command line with bytes that are not UTF-8."""
    if isinstance(prompt, Text):
        try:
            prompt.text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"prompt {prompt.text[:40]!r} is not text in UTF-8") from error


def check_duration(duration_s: float) -> None:
    """Refuses a duration that no command makes.

    Raises:
        InputError: it is not a number above 0, or longer than 24 hours.
    """
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise InputError(f"duration {duration_s:g}: must be a number of seconds above 0")
    if duration_s > LONGEST_S:
        raise InputError(
            f"duration {duration_s:g} s is more than 24 hours: make it in parts, with --save and "
            "--resume"
        )


def total_samples(duration_s: float, graph: Graph) -> int:
    """Returns the samples per channel of a duration.

    Raises:
        InputError: the duration is shorter than one sample.
    """
    total = round(duration_s * graph.format.sample_rate_hz)
    if total < 1:
        raise InputError(f"duration {duration_s:g} s is shorter than one sample")
    return total


def check_clip_options(continue_from: Path | None, keep_clip: bool, resume: Path | None) -> None:
    """Refuses options that contradict each other.

    Raises:
        UsageError: names two options that do.
    """
    if continue_from is not None and resume is not None:
        raise UsageError(
            "--continue-from and --resume exclude each other: the music continues one of them"
        )
    if keep_clip and continue_from is None:
        raise UsageError("--keep-clip needs --continue-from: there is no clip to keep")


def read_clips(
    continue_from: Path | None, inject: Path | None, graph: Graph
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Reads the clip to continue and the clip to play in, at the codec's rate and channels.

    Returns:
        Both as float32 [sample, channel]; None in place of a path that is None.

    Raises:
        NotContinuable: the pipeline cannot continue a clip.
        NotInjectable: the pipeline takes no live input.
        InputError: as `audio.clips.read_audio`.
    """
    # late, as decoders come with them
    from soundstage.audio.clips import read_audio
    from soundstage.runners.sessions.continuation import find_ends
    from soundstage.runners.sessions.injection import inject_control

    rate_hz, channels = graph.format.sample_rate_hz, graph.format.channels
    if continue_from is not None:
        find_ends(graph)
    if inject is not None:
        inject_control(graph)
    clip, injected = (
        None if path is None else read_audio(path, rate_hz, channels)
        for path in (continue_from, inject)
    )
    return clip, injected


def read_notes(path: Path | None, graph: Graph) -> np.ndarray | None:
    """Reads the notes of a MIDI file, for a graph that hears notes; None without a path.

    Raises:
        NoNotes: the pipeline hears no notes.
        Exception: as `runners.sessions.notes.read_midi`.
    """
    from soundstage.runners.sessions.notes import notes_control, read_midi

    if path is None:
        return None
    notes_control(graph)
    return read_midi(path, graph.format)
