"""The request of `soundstage variants`, and its checks before weights are loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from soundstage.apps.commands.music_choice import (
    check_audio_output,
    check_duration,
    prompt_controls,
    total_samples,
)
from soundstage.apps.commands.pipeline_choice import PipelineChoice
from soundstage.apps.commands.variants.seeds import parse_seeds
from soundstage.apps.commands.variants.variant_list import BadList, VariantRow, read_list
from soundstage.audio.writer import SUBTYPES, find_subtype
from soundstage.errors import InputError, OutputError, UsageError
from soundstage.graph.control import ControlError
from soundstage.graph.plan import Graph
from soundstage.graph.problem import Problem
from soundstage.graph.scalar import scalars
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.sessions.controls import complete
from soundstage.runners.sessions.prompts import OnePrompt, Style, Text, parse_style, parse_text

MOST_VARIANTS = 1000


@dataclass(frozen=True)
class VariantSelection:
    """The variants to make: every combination of a prompt, or a row of a list, and a seed.

    Attributes:
        prompts: the prompts; empty = the pipeline's default prompt.
        seeds: the seeds; empty = the seed of the pipeline, or of each row of the list.
        rows: a file that lists variants; it takes the place of the prompts.
    """

    prompts: tuple[Text | Style, ...] = ()
    seeds: tuple[int, ...] = ()
    rows: Path | None = None

    @classmethod
    def parse(
        cls, prompts: Sequence[str], styles: Sequence[str], seeds: str | None, rows: Path | None
    ) -> VariantSelection:
        """Parses the arguments of a command line; opens no file.

        Raises:
            InputError: the seeds cannot be parsed.
        """
        parsed = parse_seeds(seeds, MOST_VARIANTS) if seeds is not None else ()
        return cls((*map(parse_text, prompts), *map(parse_style, styles)), parsed, rows)


@dataclass(frozen=True)
class VariantFiles:
    """The files that a run writes.

    Attributes:
        folder: holds the audio files, the manifest and the page; made if it is missing.
        suffix: ".wav", ".flac", ".ogg" or ".mp3".
        again: whether to make finished variants again.
        timeline: the timeline of the stages to write; None = none.
        subtype: how samples are stored, see `audio.writer.SUBTYPES`; None = the format's default.
    """

    folder: Path
    suffix: str = ".wav"
    again: bool = False
    timeline: Path | None = None
    subtype: str | None = None


@dataclass(frozen=True)
class VariantsRequest:
    """The variants to make and the files to write.

    Attributes:
        selection: the variants.
        files: their files.
        duration_s: seconds of audio of each; above 0, at most 24 hours.
        controls: controls of every variant whose row does not set them, by name.
        choice: the pipeline.
        batch: variants made together, at most.
        runner: the runner of the stages.
    """

    selection: VariantSelection
    files: VariantFiles
    duration_s: float
    controls: Mapping[str, Any] = field(default_factory=dict)
    choice: PipelineChoice = field(default_factory=PipelineChoice)
    batch: int = 8
    runner: RunnerChoice = field(default_factory=RunnerChoice)


@dataclass(frozen=True)
class Variant:
    """One piece of music to make.

    Attributes:
        name: its name in the list; "" = none.
        prompts: texts, audio files and style vectors; empty = the pipeline's default.
        changes: controls of the request, with the prompts as the controls they stand for.
        row: every control's value.
    """

    name: str
    prompts: tuple[OnePrompt, ...]
    changes: Mapping[str, Any]
    row: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class CheckedVariants:
    """A request that passed every check that needs no weights.

    Attributes:
        request: the request itself.
        graph: the graph that makes the music.
        variants: the variants, in the order of the request.
        total_samples: samples per channel of each.
    """

    request: VariantsRequest
    graph: Graph
    variants: tuple[Variant, ...]
    total_samples: int

    @property
    def seconds(self) -> float:
        """Duration of each variant, a whole number of samples."""
        return self.total_samples / self.graph.format.sample_rate_hz

    @property
    def chunks(self) -> int:
        """Chunks to make; the file may end within the last one."""
        return -(-self.total_samples // self.graph.format.dims["sample"])


def check_variants(request: VariantsRequest) -> CheckedVariants:
    """Checks a request; loads no weights and touches no file.

    Raises:
        UsageError: options contradict each other.
        InputError: a prompt, a control or the duration cannot be used; `ControlError` likewise.
        BadList: the list has problems.
        PipelineError: the pipeline cannot run.
        OutputError: the audio format is unknown, or the folder is a file.
    """
    check_duration(request.duration_s)
    _check_options(request)
    graph = request.choice.load()
    check_audio_output(graph)
    rows, problems = _rows(request, graph)
    variants: list[Variant] = []
    controls: dict[tuple[OnePrompt, ...], dict[str, Any]] = {}
    for row in rows:
        try:
            if row.prompts not in controls:
                controls[row.prompts] = prompt_controls(row.prompts, graph)
            changes = {**row.controls, **controls[row.prompts]}
            completed = complete(graph, changes, {})
        except (ControlError, InputError) as error:
            if request.selection.rows is None:
                raise
            problems.append(Problem(row.where, str(error)))
        else:
            variants.append(Variant(row.name, row.prompts, changes, completed))
    if problems:
        raise BadList(list(dict.fromkeys(problems)))
    total = total_samples(request.duration_s, graph)
    return CheckedVariants(request, graph, tuple(variants), total)


def _rows(request: VariantsRequest, graph: Graph) -> tuple[Sequence[VariantRow], list[Problem]]:
    """Returns every variant as a row with the request's controls, and the list's problems."""
    selection = request.selection
    problems: list[Problem] = []
    if selection.rows is not None:
        rows, problems = read_list(selection.rows, scalars(graph))
    elif selection.prompts:
        rows = [VariantRow("", prompts=(prompt,)) for prompt in selection.prompts]
    else:
        rows = [VariantRow("")]
    seeds = [{"seed": seed} for seed in selection.seeds] or [{}]
    variants = [
        replace(row, controls={**request.controls, **seed, **row.controls})
        for row in rows
        for seed in (seeds if "seed" not in row.controls else [{}])
    ]
    if len(variants) > MOST_VARIANTS:
        raise InputError(
            f"{len(variants)} variants are more than {MOST_VARIANTS}; use several folders"
        )
    return variants, problems


def _check_options(request: VariantsRequest) -> None:
    selection, files = request.selection, request.files
    if selection.rows is not None and selection.prompts:
        option = "--prompt" if isinstance(selection.prompts[0], Text) else "--style"
        raise UsageError(f"--list and {option} exclude each other: put the prompts into the list")
    for prompt in selection.prompts:
        if selection.prompts.count(prompt) > 1:
            given = (
                f"--prompt {prompt.text[:40]!r}"
                if isinstance(prompt, Text)
                else f"--style {prompt.vector}"
            )
            raise UsageError(f"{given} is given twice; vary the seed instead, with --seeds")
    if files.suffix not in SUBTYPES:
        known = ", ".join(SUBTYPES)
        raise OutputError(f"{files.suffix!r} is not an audio format; choose one of {known}")
    find_subtype("--subtype", files.suffix, files.subtype)
    if request.batch < 1:
        raise UsageError(f"--batch {request.batch}: must be at least 1")
    if files.folder.exists() and not files.folder.is_dir():
        raise OutputError(f"{files.folder}: is a file; give another --output-dir")
