"""Functions of the public API: from a preset's name or a pipeline file to an open session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from soundstage.errors import UsageError
from soundstage.graph.check import build
from soundstage.graph.check import check as check_spec
from soundstage.graph.overrides import apply
from soundstage.graph.pipeline_file import read_tables
from soundstage.graph.plan import Graph
from soundstage.graph.problem import PipelineError, Problem
from soundstage.graph.spec import PipelineSpec, parse
from soundstage.graph.state import State
from soundstage.presets.preset import DEFAULT, fill_from_preset, is_pipeline_file, preset_path
from soundstage.runners.choice import RunnerChoice, RunnerKind
from soundstage.runners.devices import check_devices
from soundstage.runners.models import refuse_missing_models
from soundstage.runners.runner import Runner
from soundstage.runners.sessions.journal_file import read_saved
from soundstage.runners.sessions.prompts import clip_controls
from soundstage.runners.sessions.session import Session


def read_spec(
    preset: str | Path | None = None,
    pipeline: str | Path | None = None,
    settings: Iterable[str] = (),
    placements: Iterable[str] = (),
) -> PipelineSpec:
    """Reads a pipeline and applies overrides, without checking its edges.

    The arguments are those of `load`.

    Raises:
        UsageError: `preset` and `pipeline` are two files.
        PipelineError: the file or preset cannot be read, or an override cannot be applied.
    """
    if preset is not None and is_pipeline_file(preset):
        if pipeline is not None:
            raise UsageError(f"{preset} and {pipeline} name two pipelines; give one of them")
        preset, pipeline = None, preset
    named = DEFAULT if preset is None else str(preset)
    tables = read_tables(preset_path(named) if pipeline is None else Path(pipeline))
    if pipeline is not None and preset is not None:
        tables = fill_from_preset(tables, read_tables(preset_path(named)))
    return parse(apply(tables, settings, placements))


def load(
    preset: str | Path | None = None,
    pipeline: str | Path | None = None,
    settings: Iterable[str] = (),
    placements: Iterable[str] = (),
    allow: Iterable[str] = (),
) -> Graph:
    """Reads and checks a pipeline, without loading weights.

    Args:
        preset: the name of a preset, or a pipeline file in place of `pipeline`: a path, or text
            that ends in .toml, contains / or is the name of a file. Without preset and pipeline,
            the default preset is read.
        pipeline: a pipeline file. With a preset as well, the graph is the file's, and stages of
            the same name and class have the preset's `params`.
        settings: overrides such as "decode.use=stages.toy:SineDecode".
        placements: overrides such as "decode=cpu".
        allow: module prefixes, besides "stages.", that `use` may name.

    Raises:
        PipelineError: the pipeline cannot run; the error lists all its problems.
    """
    return build(read_spec(preset, pipeline, settings, placements), allow)


def check(
    preset: str | Path | None = None,
    pipeline: str | Path | None = None,
    settings: Iterable[str] = (),
    placements: Iterable[str] = (),
    allow: Iterable[str] = (),
) -> tuple[Graph | None, list[Problem]]:
    """Finds all problems of a pipeline, warnings included; loads no weights.

    The arguments are those of `load`.

    Returns:
        The graph, or None if it cannot run, and the problems.
    """
    try:
        return check_spec(read_spec(preset, pipeline, settings, placements), allow)
    except PipelineError as error:
        return None, list(error.problems)


def check_placement(graph: Graph, choice: RunnerChoice) -> list[Problem]:
    """Finds the stages whose devices are missing where the runner would run them.

    Args:
        graph: the graph to run.
        choice: the kind of runner. With Ray, the machines are those of the cluster at the address;
            without one, this machine alone.

    Raises:
        UsageError: the extra `ray` is not installed.
        ClusterError: there is no Ray cluster at the address.
    """
    if choice.kind == "local":
        return check_devices(graph)
    with needing_ray():
        from soundstage.runners.ray.placement import check_cluster
    return check_cluster(graph.nodes.values(), choice.address)


def open_runner(graph: Graph, choice: RunnerChoice | RunnerKind = "local") -> Runner:
    """Builds a graph's stages on their devices and loads their weights.

    Args:
        graph: the graph to run.
        choice: the kind of runner; "ray" starts a cluster on this machine, until the runner is
            closed.

    Raises:
        PipelineError: a stage is placed on a device that does not exist, or cannot be built.
        ModelError: published models that the graph needs are not on this machine.
        UsageError: the extra `ray` is not installed.
        ClusterError: there is no Ray cluster at the address.
    """
    if not isinstance(choice, RunnerChoice):
        choice = RunnerChoice(choice)
    make = _ray_runner if choice.kind == "ray" else _local_runner
    return make(graph, choice)


def _local_runner(graph: Graph, choice: RunnerChoice) -> Runner:
    from soundstage.runners.hosts.host import REMEMBERED
    from soundstage.runners.local import WINDOW, LocalRunner

    if problems := check_devices(graph):
        raise PipelineError(problems)
    refuse_missing_models(graph)
    window, remembered = choice.window or WINDOW, choice.remembered or REMEMBERED
    return LocalRunner(graph, window, remembered, choice.validate)


def _ray_runner(graph: Graph, choice: RunnerChoice) -> Runner:
    with needing_ray():
        from soundstage.runners.ray.ray_runner import RayRunner, RaySettings
    settings = RaySettings(address=choice.address)
    return RayRunner(
        graph, settings if choice.window is None else replace(settings, window=choice.window)
    )


@contextmanager
def needing_ray() -> Iterator[None]:
    """Turns a missing Ray into an error with its cure.

    Raises:
        UsageError: the extra `ray` is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        cure = "in soundstage's source folder, run `pip install '.[ray]'`, or use --runner local"
        raise UsageError(f"--runner ray: Ray is not installed; {cure}") from error


def open(
    preset: str | Path | None = None,
    pipeline: str | Path | None = None,
    *,
    rows: Sequence[Mapping[str, Any]] | None = None,
    settings: Iterable[str] = (),
    placements: Iterable[str] = (),
    allow: Iterable[str] = (),
    lookahead: int = 0,
    runner: RunnerChoice | RunnerKind = "local",
    warm_up: bool = False,
    continue_from: str | Path | np.ndarray | None = None,
    **controls: Any,
) -> Session:
    """Opens a session of one stream, or of one stream a row.

    Args:
        preset: the name of a preset, or a pipeline file: `open("pipeline.toml")`.
        pipeline: a pipeline file (see `load` for both together).
        rows: per row, the controls that differ from `controls`; None = one row.
        settings: overrides such as "sample.params.size=large".
        placements: overrides such as "decode=cpu".
        allow: module prefixes, besides "stages.", that `use` may name.
        lookahead: chunks made ahead of the requested one (see `Session`).
        runner: the kind of runner (see `open_runner`).
        warm_up: whether to compile everything now instead of during the first chunk.
        continue_from: a clip that the music of every row continues: an audio file, or float32
            [sample, channel] at the format's rate. The first chunk begins with the last `fade_s`
            of the clip, decoded from its tokens. Rows without a prompt have a file as their
            prompt, but an array is none.
        **controls: controls of every row, by name, e.g. temperature=0.9, seed=7. `prompts` is short
            for four of them: a list of texts, `Text` and `Audio`. A text may have a weight behind a
            colon, as on the command line, "jazz trio:0.5", or be a tuple ("jazz trio", 0.5).

    Raises:
        UsageError: a text or a table stands where a list is meant.
        PipelineError: the pipeline cannot run.
        ControlError: a control is refused.
        NotContinuable: the pipeline cannot continue a clip.
        InputError: the clip cannot be used.
    """
    if isinstance(rows, str | Mapping):
        raise UsageError("rows is a list with a table of controls for each row: write rows=[{...}]")
    graph = load(preset, pipeline, settings, placements, allow)
    streams = [str(row) for row in range(1 if rows is None else len(rows))]
    state = None if continue_from is None else _continued(graph, continue_from, streams)
    built = open_runner(graph, runner)
    try:
        row_controls = [{**controls, **row} for row in (rows if rows is not None else [{}])]
        if isinstance(continue_from, str | Path):
            row_controls = [
                {**row, **clip_controls(continue_from, row, graph)} for row in row_controls
            ]
        session = Session(built, row_controls, state=state, lookahead=lookahead, owns_runner=True)
        if warm_up:
            built.warm_up(len(row_controls))
    except BaseException:
        built.close()
        raise
    return session


def _continued(graph: Graph, clip: str | Path | np.ndarray, streams: Sequence[str]) -> State:
    from soundstage.runners.sessions.continuation import continued_state, find_ends, read_clip

    find_ends(graph)
    audio = clip if isinstance(clip, np.ndarray) else read_clip(clip, graph)
    return continued_state(graph, audio, streams)


def resume(
    path: str | Path,
    *,
    placements: Iterable[str] = (),
    allow: Iterable[str] = (),
    lookahead: int = 0,
    runner: RunnerChoice | RunnerKind = "local",
) -> Session:
    """Opens a saved session with its own pipeline.

    Args:
        path: a file that `Session.save` or `Session.journal` wrote.
        placements: overrides such as "decode=cpu"; a placement changes no byte of the audio.
        allow: module prefixes, besides "stages.", that `use` may name.
        lookahead: chunks made ahead of the requested one (see `Session`).
        runner: the kind of runner (see `open_runner`).

    Raises:
        SessionFileError: the file is damaged, or was saved with other weights.
        PipelineError: the pipeline cannot run on this machine.
    """
    saved = read_saved(Path(path))
    spec = parse(apply(saved.spec.as_dict(), (), placements))
    built = open_runner(build(spec, allow), runner)
    try:
        return Session.resume(built, saved, lookahead=lookahead, owns_runner=True)
    except BaseException:
        built.close()
        raise
