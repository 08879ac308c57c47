"""Published models that a graph's stages need and that are not on this machine."""

from __future__ import annotations

from soundstage.errors import ModelError
from soundstage.graph.plan import Graph, Node
from soundstage.graph.problem import Problem
from soundstage.presets.preset import preset_names, read_preset


def check_models(graph: Graph) -> list[Problem]:
    """A warning for every stage whose published models have not been fetched.

    Warnings, because the pipeline is right: it only cannot run here yet.
    """
    return [
        Problem(f"stage.{node.name}", f"needs {model}, not here yet", _command(model), warning=True)
        for node in graph.nodes.values()
        for model in _lacking(node)
    ]


def refuse_missing_models(graph: Graph) -> None:
    """Refuses a graph before any of its stages is built, if it lacks published models.

    Raises:
        ModelError: naming every model that is not here, and the commands that fetch them.
    """
    missing = dict.fromkeys(model for node in graph.nodes.values() for model in _lacking(node))
    if missing:
        commands = [_command(graph.name)] if _is_preset(graph) else map(_command, missing)
        cure = " and ".join(commands)
        raise ModelError(f"{graph.name}: needs {', '.join(missing)}, not here yet; {cure}")


def _lacking(node: Node) -> tuple[str, ...]:
    lacking = getattr(node.cls, "lacking", None)
    return () if lacking is None else lacking(node.params)


def _is_preset(graph: Graph) -> bool:
    """Whether a graph is a preset's own: then one command fetches all that it needs."""
    name = graph.name
    return name in preset_names() and read_preset(name).digest() == graph.digest


def _command(name: str) -> str:
    return f"fetch with `soundstage models download {name}`"
