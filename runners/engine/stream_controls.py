"""A client's controls: checked, with errors in words, before a stage sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from soundstage.graph.control import ControlError
from soundstage.graph.plan import Graph
from soundstage.runners.engine.refusals import ControlRefused
from soundstage.runners.sessions.controls import complete
from soundstage.runners.sessions.injection import KIND
from soundstage.runners.sessions.prompts import written_out

# Limits of one stream's controls, for all streams wait for the same stages.
MOST_ENTRIES = 64
LONGEST_TEXT = 2_000


def steered(graph: Graph, changes: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """Returns one stream's controls after a change.

    Args:
        graph: the graph they steer.
        changes: new values by name; "prompts" is short for the prompt controls.
        current: present values; a control that is in neither is at the pipeline's default.

    Returns:
        Every control's value, as `graph.control.to_row` makes it.

    Raises:
        ControlRefused: a name is unknown, a value does not fit its port or is refused by a stage,
            a text is longer than `LONGEST_TEXT` or a list than `MOST_ENTRIES`, or the control
            carries live input.
    """
    try:
        changes = written_out(changes, graph)
        for name, value in changes.items():
            _refuse_live(graph, name)
            _refuse_large(name, value)
        return complete(graph, changes, current)
    except ControlError as error:
        raise ControlRefused(str(error)) from error


def same_controls(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Returns whether two streams' controls, as `steered` returns them, are equal."""
    return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)


def _same(one: object, other: object) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))


def _refuse_live(graph: Graph, name: str) -> None:
    control = graph.controls.get(name)
    if control is not None and control.port.kind == KIND:
        raise ControlError(f"{name}: live input cannot be set as a control; send it as audio")


def _refuse_large(name: str, value: object) -> None:
    if isinstance(value, str):
        _refuse_long(name, value)
    elif isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0):
        if len(value) > MOST_ENTRIES:
            raise ControlError(f"{name}: {len(value)} entries; at most {MOST_ENTRIES}")
        for entry in value:
            _refuse_long(name, entry)


def _refuse_long(name: str, entry: object) -> None:
    if isinstance(entry, str) and len(entry) > LONGEST_TEXT:
        raise ControlError(f"{name}: a text of {len(entry)} characters; at most {LONGEST_TEXT}")
