"""What `soundstage doctor` does."""

from __future__ import annotations

from soundstage.apps.commands.doctor.advice import advise
from soundstage.apps.commands.doctor.machine import look_around
from soundstage.apps.commands.doctor.measurement import examine
from soundstage.apps.commands.doctor.report import Diagnosis
from soundstage.errors import ModelError
from soundstage.graph.plan import Graph
from soundstage.progress import Progress
from soundstage.runners.models import refuse_missing_models
from soundstage.stages.weights.models_folder import model_paths
from soundstage.stages.weights.published.catalogue import read_catalogue


def diagnose(graph: Graph, chunks: int, progress: Progress) -> Diagnosis:
    """Looks at the machine and, if the weights are here, plays some chunks for nobody.

    Args:
        graph: what somebody would like to play.
        chunks: how many chunks to measure, at least 1.
        progress: where to show how far it is.

    Raises:
        PipelineError: a stage cannot be built here.
        WeightsError: weights are damaged.
        StageFailed: a stage failed.
    """
    with progress.step("looking around"):
        machine = look_around()
    needed = read_catalogue().needed(graph.spec.as_dict())
    models = {name: _place(name) for name in needed}
    try:
        refuse_missing_models(graph)
    except ModelError as error:
        return Diagnosis(graph, machine, models, str(error), None, ())
    found = examine(graph, chunks, progress)
    return Diagnosis(graph, machine, models, "", found, tuple(advise(graph, machine, found)))


def _place(model: str) -> str | None:
    return next((str(path) for path in model_paths(model) if path.exists()), None)
