"""The style vector of prompts, from the pipeline's own embedder, without disturbing the music."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from soundstage.graph.control import ControlError
from soundstage.graph.plan import FromControl, Graph
from soundstage.runners.runner import Runner

KIND = "style embedding"


def embed(runner: Runner, controls: Mapping[str, Any]) -> np.ndarray:
    """Returns the style vector of one row of controls.

    Args:
        runner: its streams go on, though each stage computes one thing at a time.
        controls: every control's value, as `graph.control.to_row` makes it.

    Returns:
        float32 `[style_dim]`, a copy.

    Raises:
        ControlError: the pipeline has no stage that makes a style vector of controls alone.
        StageFailed: the stage failed.
    """
    embedder = _find_embedder(runner.graph)
    if embedder is None:
        raise ControlError(
            f"the pipeline {runner.graph.name!r} has no stage that makes a style vector of "
            "controls alone"
        )
    stage, port = embedder
    return np.array(runner.ask(stage, controls)[port][0])


def _find_embedder(graph: Graph) -> tuple[str, str] | None:
    """Returns the first stage that makes an embedding of controls alone, and its port."""
    for name, node in graph.nodes.items():
        if all(isinstance(source, FromControl) for source in node.sources.values()):
            for port_name, port in node.outputs.items():
                if port.kind == KIND:
                    return name, port_name
    return None
