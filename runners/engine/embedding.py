"""The style of prompts, asked of the pipeline's own embedder, beside the music."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from soundstage.graph.plan import FromControl, Graph
from soundstage.runners.engine.refusals import ControlRefused
from soundstage.runners.local import LocalRunner
from soundstage.runners.runner import Runner

KIND = "style embedding"


def embed(runner: Runner, controls: Mapping[str, Any]) -> np.ndarray:
    """The embedding of one row of controls.

    Args:
        runner: what makes the music; it is not disturbed, though the stage takes one at a time.
        controls: every control's value, as `graph.control.to_row` makes it.

    Returns:
        float32 `[style_dim]`.

    Raises:
        ControlRefused: the pipeline has no stage that embeds prompts, or it runs elsewhere.
        StageFailed: the stage failed.
    """
    found = _find(runner.graph)
    if found is None:
        raise ControlRefused(f"the pipeline {runner.graph.name!r} has no stage that embeds prompts")
    if not isinstance(runner, LocalRunner):
        raise ControlRefused("styles are embedded only where the stages run in this process")
    stage, port = found
    return np.array(runner.ask(stage, controls)[port][0])


def _find(graph: Graph) -> tuple[str, str] | None:
    """The first stage that makes an embedding of controls alone, and its port."""
    for name, node in graph.nodes.items():
        if all(isinstance(source, FromControl) for source in node.sources.values()):
            for port_name, port in node.outputs.items():
                if port.kind == KIND:
                    return name, port_name
    return None
