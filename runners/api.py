"""The front door's functions: from a preset's name or a file to a session that plays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from soundstage.presets.preset import DEFAULT, fill_from_preset, preset_path
from soundstage.runners.choice import RunnerChoice, RunnerKind
from soundstage.runners.devices import NoDevice
from soundstage.runners.models import refuse_missing_models
from soundstage.runners.runner import Runner
from soundstage.runners.sessions.journal_file import read_saved
from soundstage.runners.sessions.session import Session


def read_spec(
    preset: str | None = None,
    pipeline: str | Path | None = None,
    settings: Iterable[str] = (),
    placements: Iterable[str] = (),
) -> PipelineSpec:
    """Reads a pipeline and applies overrides; checks no edge yet.

    Args:
        preset: a pipeline that ships with soundstage, by name. With neither, the default preset.
        pipeline: a pipeline file. Given both, the file is the graph and the preset gives the
            `params` of every stage that both have with the same class.
        settings: overrides such as "decode.use=stages.toy:SineDecode".
        placements: overrides such as "decode=cpu".

    Raises:
        PipelineError: the file or preset cannot be read, or an override cannot be applied.
    """
    path = Path(pipeline) if pipeline is not None else preset_path(preset or DEFAULT)
    tables = read_tables(path)
    if pipeline is not None and preset is not None:
        tables = fill_from_preset(tables, read_tables(preset_path(preset)))
    return parse(apply(tables, settings, placements))


def load(
    preset: str | None = None,
    pipeline: str | Path | None = None,
    settings: Iterable[str] = (),
    placements: Iterable[str] = (),
    allow: Iterable[str] = (),
) -> Graph:
    """Reads and checks a pipeline; loads no weights.

    Args:
        preset: see `read_spec`, as for the other arguments.
        pipeline: see `read_spec`.
        settings: see `read_spec`.
        placements: see `read_spec`.
        allow: module prefixes, besides "stages.", that `use` may name.

    Raises:
        PipelineError: with every problem found.
    """
    return build(read_spec(preset, pipeline, settings, placements), allow)


def check(
    preset: str | None = None,
    pipeline: str | Path | None = None,
    settings: Iterable[str] = (),
    placements: Iterable[str] = (),
    allow: Iterable[str] = (),
) -> tuple[Graph | None, list[Problem]]:
    """Finds everything that is wrong with a pipeline, warnings included; loads no weights.

    Arguments are those of `load`. Returns the graph, or None when it cannot run.
    """
    try:
        return check_spec(read_spec(preset, pipeline, settings, placements), allow)
    except PipelineError as error:
        return None, list(error.problems)


def open_runner(graph: Graph, choice: RunnerChoice | RunnerKind = "local") -> Runner:
    """Builds a graph's stages, weights and all, on the devices they are placed on.

    Args:
        graph: what will run.
        choice: what runs it; "ray" alone starts a cluster on this machine for as long.

    Raises:
        PipelineError: a stage is placed on a device that is not there, or cannot be built.
        ModelError: published models that it needs have not been fetched.
        UsageError: the extra `ray` is not installed.
        ClusterError: there is no Ray cluster at the address.
    """
    if not isinstance(choice, RunnerChoice):
        choice = RunnerChoice(choice)
    make = _ray_runner if choice.kind == "ray" else _local_runner
    try:
        return make(graph, choice)
    except NoDevice as error:
        raise PipelineError([Problem("placement", str(error), "--place STAGE=auto")]) from error


def _local_runner(graph: Graph, choice: RunnerChoice) -> Runner:
    from soundstage.runners.host import REMEMBERED
    from soundstage.runners.local import WINDOW, LocalRunner

    refuse_missing_models(graph)
    return LocalRunner(graph, choice.window or WINDOW, choice.remembered or REMEMBERED)


def _ray_runner(graph: Graph, choice: RunnerChoice) -> Runner:
    try:
        from soundstage.runners.ray.ray_runner import RayRunner, RaySettings
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        cure = "install it with `pip install 'soundstage[ray]'`, or use --runner local"
        raise UsageError(f"--runner ray: Ray is not installed; {cure}") from error
    settings = RaySettings(address=choice.address)
    return RayRunner(
        graph, settings if choice.window is None else replace(settings, window=choice.window)
    )


def open(
    preset: str | None = None,
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
    """Opens a session: one stream, or one a row.

    Args:
        preset: a pipeline that ships with soundstage, by name.
        pipeline: a pipeline file (see `read_spec` for both together).
        rows: per row, the controls in which it differs from `controls`; None is one row.
        settings: overrides such as "sample.params.size=large".
        placements: overrides such as "decode=cpu".
        allow: module prefixes, besides "stages.", that `use` may name.
        lookahead: chunks made ahead of the one asked for (see `Session`).
        runner: what runs the stages (see `open_runner`).
        warm_up: compile everything now rather than during the first chunk.
        continue_from: what the music of every row goes on from: an audio file, or float32
            [sample, channel] at the format's rate. The first chunk begins with the last `fade_s`
            of it, as the codec renders it.
        **controls: controls of every row, by name, e.g. prompts, temperature, seed.

    Raises:
        PipelineError: the pipeline cannot run.
        ControlError: a control is refused.
        NotContinuable: the pipeline cannot go on from audio.
        InputError: the audio to go on from cannot be used.
    """
    graph = load(preset, pipeline, settings, placements, allow)
    streams = [str(row) for row in range(1 if rows is None else len(rows))]
    state = None if continue_from is None else _continued(graph, continue_from, streams)
    opened = open_runner(graph, runner)
    try:
        own = [{**controls, **row} for row in (rows if rows is not None else [{}])]
        session = Session(opened, own, state=state, lookahead=lookahead, owns_runner=True)
        if warm_up:
            opened.warm_up(len(own))
    except BaseException:
        opened.close()
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
    """Opens a saved session with the pipeline it was made by.

    Args:
        path: a file that `Session.save` or `Session.journal` wrote.
        placements: overrides such as "decode=cpu": where stages run changes no byte.
        allow: module prefixes, besides "stages.", that `use` may name.
        lookahead: chunks made ahead of the one asked for (see `Session`).
        runner: what runs the stages (see `open_runner`).

    Raises:
        SessionFileError: the file is damaged, or its weights are not these.
        PipelineError: its pipeline cannot run here.
    """
    saved = read_saved(Path(path))
    spec = parse(apply(saved.spec.as_dict(), (), placements))
    opened = open_runner(build(spec, allow), runner)
    try:
        return Session.resume(opened, saved, lookahead=lookahead, owns_runner=True)
    except BaseException:
        opened.close()
        raise
