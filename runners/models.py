"""Finds the published models that a graph needs and this machine lacks."""

from __future__ import annotations

from soundstage.errors import Error, ModelError, StageError
from soundstage.graph.plan import Graph, Node
from soundstage.graph.problem import Problem
from soundstage.presets.preset import preset_names, read_preset


def check_models(graph: Graph) -> list[Problem]:
    """Returns a warning for every published model that a stage needs and this machine lacks.

    The problems are warnings: the pipeline itself is correct.
    """
    return [
        Problem(
            f"stage.{node.name}",
            f"needs {model}, not downloaded",
            _command(model),
            warning=True,
        )
        for node in graph.nodes.values()
        for model in _lacking(node)
    ]


def refuse_missing_models(graph: Graph) -> None:
    """Refuses a graph whose published models are missing, before any stage is built.

    Raises:
        ModelError: models are missing; the message has their names and the download commands.
    """
    missing = dict.fromkeys(model for node in graph.nodes.values() for model in _lacking(node))
    if missing:
        commands = [_command(graph.name)] if _is_preset(graph) else map(_command, missing)
        cure = " and ".join(commands)
        raise ModelError(f"{graph.name}: needs {', '.join(missing)}, not downloaded; {cure}")


def _lacking(node: Node) -> tuple[str, ...]:
    lacking = getattr(node.cls, "lacking", None)
    if lacking is None:
        return ()
    try:
        return tuple(lacking(node.params))
    except Error:
        raise
    # A user's stage may raise anything; the error gets the stage's name.
    except Exception as error:
        what = f"stage {node.name!r}: its lacking raised {type(error).__name__}: {error}"
        raise StageError(what) from error


def _is_preset(graph: Graph) -> bool:
    """Whether a graph is that of a preset, so that one command downloads all its models."""
    name = graph.name
    return name in preset_names() and read_preset(name).digest() == graph.digest


def _command(name: str) -> str:
    return f"download with `soundstage models download {name}`"
