"""What `soundstage variants` is asked for, checked as far as that goes without weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from soundstage.apps.commands.generate.request import refuse_bytes, refuse_duration, total_samples
from soundstage.apps.commands.pipeline_choice import PipelineChoice
from soundstage.apps.commands.variants.seeds import parse_seeds
from soundstage.apps.commands.variants.variant_list import BadList, VariantRow, read_list
from soundstage.audio.writer import EXTENSIONS
from soundstage.errors import InputError, OutputError, UsageError
from soundstage.graph.control import ControlError
from soundstage.graph.plan import Graph
from soundstage.graph.problem import PipelineError, Problem
from soundstage.graph.scalar import scalars
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.sessions.controls import complete
from soundstage.runners.sessions.prompts import Audio, Text, expand_prompts, parse_text

MOST = 1000


@dataclass(frozen=True)
class Wanted:
    """Which variants to make.

    Attributes:
        prompts: one variant each, times the seeds; empty = the pipeline's default.
        seeds: empty = the pipeline's, or each row's own.
        rows: a file that lists variants, instead of prompts.
    """

    prompts: tuple[Text, ...] = ()
    seeds: tuple[int, ...] = ()
    rows: Path | None = None

    @classmethod
    def read(cls, prompts: Sequence[str] | None, seeds: str | None, rows: Path | None) -> Wanted:
        """Reads what a command line says.

        Raises:
            InputError: the seeds cannot be read.
        """
        read = parse_seeds(seeds, MOST) if seeds is not None else ()
        return cls(tuple(map(parse_text, prompts or ())), read, rows)


@dataclass(frozen=True)
class VariantFiles:
    """Where the variants go.

    Attributes:
        folder: made if it is missing.
        suffix: ".wav", ".flac", ".ogg" or ".mp3".
        again: make those too that are there already.
        timeline: where to write the timeline of the stages.
    """

    folder: Path
    suffix: str = ".wav"
    again: bool = False
    timeline: Path | None = None


@dataclass(frozen=True)
class VariantsRequest:
    """What to make, and where to put it.

    Attributes:
        wanted: which variants.
        destination: where they go.
        duration_s: seconds of audio of each.
        controls: the controls of every variant that has none of its own, by name.
        choice: the pipeline.
        batch: how many variants are made together, at most.
        runner: what runs the stages.
    """

    wanted: Wanted
    destination: VariantFiles
    duration_s: float
    controls: Mapping[str, Any] = field(default_factory=dict)
    choice: PipelineChoice = field(default_factory=PipelineChoice)
    batch: int = 8
    runner: RunnerChoice = field(default_factory=RunnerChoice)


@dataclass(frozen=True)
class Variant:
    """One piece of music to make.

    Attributes:
        name: what a person calls it; "" = nothing.
        prompts: as they were asked for; empty = the pipeline's default.
        changes: the controls asked for, prompts taken apart into theirs.
        row: every control's value.
    """

    name: str
    prompts: tuple[Text | Audio, ...]
    changes: Mapping[str, Any]
    row: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class CheckedVariants:
    """An order that can be carried out, unless weights or a stage object.

    Attributes:
        order: what was asked for.
        graph: what will run.
        variants: what to make, in order.
        total_samples: samples per channel of each.
    """

    order: VariantsRequest
    graph: Graph
    variants: tuple[Variant, ...]
    total_samples: int

    @property
    def seconds(self) -> float:
        """How long each will be, a whole number of samples."""
        return self.total_samples / self.graph.format.sample_rate_hz

    @property
    def chunks(self) -> int:
        """How many chunks that takes; the last one may be cut."""
        return -(-self.total_samples // self.graph.format.dims["sample"])


def plan(order: VariantsRequest) -> CheckedVariants:
    """Checks an order; loads no weights and touches no file.

    Raises:
        UsageError: options contradict each other.
        InputError: a prompt, a control or the duration cannot be used; `ControlError` likewise.
        BadList: something in the list is wrong.
        PipelineError: the pipeline cannot run.
        OutputError: no such format, or the folder is none.
    """
    refuse_duration(order.duration_s)
    _refuse_options(order)
    graph = order.choice.load()
    if "audio" not in graph.outputs:
        cure = 'add audio = "stage.port"'
        raise PipelineError([Problem("outputs", "variants needs an output named audio", cure)])
    rows, problems = _rows(order, graph)
    variants: list[Variant] = []
    expanded: dict[tuple[Text | Audio, ...], dict[str, Any]] = {}
    for row in rows:
        try:
            if row.prompts not in expanded:
                expanded[row.prompts] = _expand(row.prompts, graph)
            changes = {**row.controls, **expanded[row.prompts]}
            made = complete(graph, changes, {})
        except (ControlError, InputError) as error:
            if order.wanted.rows is None:
                raise
            problems.append(Problem(row.where, str(error)))
        else:
            variants.append(Variant(row.name, row.prompts, changes, made))
    if problems:
        raise BadList(list(dict.fromkeys(problems)))
    return CheckedVariants(order, graph, tuple(variants), total_samples(order.duration_s, graph))


def _rows(order: VariantsRequest, graph: Graph) -> tuple[Sequence[VariantRow], list[Problem]]:
    """Every variant as a row, controls filled up; and what is wrong with the list."""
    wanted = order.wanted
    rows, problems = ([], []) if wanted.rows is None else read_list(wanted.rows, scalars(graph))
    if wanted.rows is None:
        rows = [VariantRow("", prompts=(prompt,)) for prompt in wanted.prompts] or [VariantRow("")]
    seeds = [{"seed": seed} for seed in wanted.seeds] or [{}]
    made = [
        replace(row, controls={**order.controls, **seed, **row.controls})
        for row in rows
        for seed in (seeds if "seed" not in row.controls else [{}])
    ]
    if len(made) > MOST:
        raise InputError(f"{len(made)} variants are more than {MOST}; use several folders")
    return made, problems


def _expand(prompts: Sequence[Text | Audio], graph: Graph) -> dict[str, Any]:
    for prompt in prompts:
        refuse_bytes(prompt)
    return expand_prompts(prompts, graph.format) if prompts else {}


def _refuse_options(order: VariantsRequest) -> None:
    wanted, destination = order.wanted, order.destination
    if wanted.rows is not None and wanted.prompts:
        raise UsageError("--list and --prompt both say what to make; put the prompts into the list")
    for prompt in wanted.prompts:
        if wanted.prompts.count(prompt) > 1:
            raise UsageError(f"--prompt {prompt.text[:40]!r} is there twice; vary the seed instead")
    if destination.suffix not in EXTENSIONS:
        known = ", ".join(EXTENSIONS)
        raise OutputError(f"{destination.suffix!r} is no audio format; choose one of {known}")
    if order.batch < 1:
        raise UsageError(f"--batch {order.batch}: must be at least 1")
    if destination.folder.exists() and not destination.folder.is_dir():
        raise OutputError(f"{destination.folder}: is a file; give a folder")
