"""Completes and checks the controls of a row before they reach a stream."""

from collections.abc import Mapping
from typing import Any

from soundstage.errors import StageError
from soundstage.graph.control import ControlError, to_row
from soundstage.graph.plan import FromControl, Graph, Node
from soundstage.graph.problem import suggest


def complete(
    graph: Graph, changes: Mapping[str, Any], current: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns one row's controls after a change.

    Args:
        graph: the graph with the controls.
        changes: new values by control name.
        current: current values; a control in neither has the pipeline's default.

    Returns:
        Every control's value, as `graph.control.to_row` returns it.

    Raises:
        ControlError: a name is unknown, a value does not fit its port, or a stage refuses them.
    """
    unknown = [name for name in changes if name not in graph.controls]
    if unknown:
        cure = _wiring(graph, unknown[0]) or suggest(unknown[0], graph.controls)
        raise ControlError(f"the pipeline {graph.name!r} has no control {unknown[0]!r}; {cure}")
    row = {name: control.default for name, control in graph.controls.items()} | dict(current)
    for name, value in changes.items():
        row[name] = to_row(name, value, graph.controls[name].port, graph.format.dims)
    for node in graph.nodes.values():
        _check_lengths(node, row)
        _check_refusal(node, row)
    return row


def _wiring(graph: Graph, name: str) -> str:
    """Returns how to wire an input that a stage has and the pipeline leaves unwired; "" = none."""
    for node in graph.nodes.values():
        if name in node.cls.inputs.keys() - node.sources.keys():
            settings = f"--set {node.name}.inputs.{name}=in.{name} --set inputs.{name}=VALUE"
            return f"its stage {node.name!r} has that input, not wired: wire it with {settings}"
    return ""


def _fed_by_controls(node: Node) -> dict[str, str]:
    """Returns, by input name, the control of every input that a control feeds."""
    return {
        key: source.name for key, source in node.sources.items() if isinstance(source, FromControl)
    }


def _check_lengths(node: Node, row: Mapping[str, Any]) -> None:
    """Checks that ragged inputs of a stage with the same first dimension are equally long."""
    first: dict[str, str] = {}
    for key, control in _fed_by_controls(node).items():
        port = node.inputs[key]
        if not port.ragged:
            continue
        other = first.setdefault(port.shape[0], control)
        if len(row[control]) != len(row[other]):
            raise ControlError(
                f"{other} has {len(row[other])} entries but {control} has {len(row[control])}: "
                "give one of each"
            )


def _check_refusal(node: Node, row: Mapping[str, Any]) -> None:
    refusal = getattr(node.cls, "refusal", None)
    if refusal is None:
        return
    try:
        unwired = dict.fromkeys(node.cls.inputs.keys() - node.sources.keys())
        fed = {key: row[control] for key, control in _fed_by_controls(node).items()}
        reason = refusal(unwired | fed)
    # A user's stage may raise anything; the error gets the stage's name.
    except Exception as error:
        what = f"stage {node.name!r}: its refusal raised {type(error).__name__}: {error}"
        raise StageError(what) from error
    if reason:
        raise ControlError(reason)
