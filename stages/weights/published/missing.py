"""Which published models a stage names that have not been fetched."""

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
    """The names of published models that `params` names and that are not on this machine.

    Shared by the stages with weights as their `lacking`; see `graph.stage.Stage`.
    """
    name = params.weights
    here = any(path.exists() for path in model_paths(name))
    return () if here or name not in read_catalogue().models else (name,)
