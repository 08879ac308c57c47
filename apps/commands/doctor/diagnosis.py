"""The work of `soundstage doctor`: describe the machine, measure the pipeline, advise."""

from __future__ import annotations

from soundstage.apps.commands.doctor.advice import advise
from soundstage.apps.commands.doctor.machine import describe_machine
from soundstage.apps.commands.doctor.measurement import examine
from soundstage.apps.commands.doctor.report import Diagnosis
from soundstage.errors import ModelError
from soundstage.graph.plan import Graph
from soundstage.progress import Progress
from soundstage.runners.models import refuse_missing_models
from soundstage.stages.weights.models_folder import model_paths
from soundstage.stages.weights.published.catalogue import read_catalogue


def diagnose(graph: Graph, chunks: int, progress: Progress) -> Diagnosis:
    """Describes the machine and, if no weights are missing, measures some chunks.

    Args:
        graph: the graph to measure.
        chunks: chunks to measure, at least 1.
        progress: shows the steps.

    Raises:
        PipelineError: a stage cannot be built here.
        WeightsError: weights are damaged.
        StageFailed: a stage failed.
    """
    with progress.step("looking at this machine"):
        machine = describe_machine()
    needed = read_catalogue().needed(graph.spec.as_dict())
    models = {name: _path(name) for name in needed}
    try:
        refuse_missing_models(graph)
    except ModelError as error:
        return Diagnosis(graph, machine, models, str(error), None, ())
    examination = examine(graph, chunks, progress)
    advice = tuple(advise(graph, machine, examination))
    return Diagnosis(graph, machine, models, "", examination, advice)


def _path(model: str) -> str | None:
    return next((str(path) for path in model_paths(model) if path.exists()), None)
