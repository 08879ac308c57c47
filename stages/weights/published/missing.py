"""The published models that a stage names and that have not been fetched."""

from __future__ import annotations

from typing import Protocol

from soundstage.stages.weights.models_folder import model_paths
from soundstage.stages.weights.published.catalogue import read_catalogue


class NamesWeights(Protocol):
    """The params of a stage that has weights."""

    @property
    def weights(self) -> str:
        """A path, the name of a model, or another source of arrays."""
        ...


def lacking(params: NamesWeights) -> tuple[str, ...]:
    """Returns the names of published models that `params` names and this machine does not have.

    Shared by the stages with weights as their `lacking`; see `graph.stage.Stage`.
    """
    name = params.weights
    is_here = any(path.exists() for path in model_paths(name))
    return () if is_here or name not in read_catalogue().models else (name,)
