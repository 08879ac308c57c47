"""Holds the memo of a stage against the contract: it is a pure function of the state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from soundstage.graph import wire
from soundstage.graph.declaration import memo_of
from soundstage.graph.port import Tensor
from soundstage.runners.hosts.memo import Arrays, call_alone, checked
from soundstage.testing.new_process import device_arrays

# Ticks in a row, each with the memo of the one before.
_TICKS = 3


def memo_faults(
    stage: Any, inputs: Mapping[str, Tensor], kept_rows: Sequence[int]
) -> Iterator[str]:
    """Calls a stage for some ticks, and compares its memos with rebuilt ones.

    Args:
        stage: the built stage; without a memo, nothing is checked.
        inputs: a value for each input port; in later ticks the state is that of the tick before.
        kept_rows: rows that are compared while the state of the others changes; the first of them
            is 0.

    Yields:
        The faults.

    Raises:
        MemoError: the stage does not return a memo.
        Exception: any error of the stage.
    """
    names = memo_of(type(stage))
    if not names:
        return
    rows = len(inputs[names[0]])
    give = device_arrays(stage).given
    given = give(inputs)
    outputs, memo = call_alone(stage, given)
    for _ in range(_TICKS):
        state = give({name: outputs[name] for name in names})
        rebuilt = _copy(checked(stage.rebuild(**state), rows))
        assert memo is not None  # the stage has one
        yield from _differences(memo, rebuilt, range(rows), "what `rebuild` makes of the state")
        index = np.array([row if row in kept_rows else kept_rows[0] for row in range(rows)])
        others = give({name: np.asarray(value)[index] for name, value in state.items()})
        again = checked(stage.rebuild(**others), rows)
        yield from _differences(again, rebuilt, kept_rows, "the same when another row changes")
        expected = _copy(stage(**{**given, **state}, memo=_copy(memo))[0])
        outputs, memo = stage(**{**given, **state}, memo=stage.rebuild(**state))
        yield from _differences(
            outputs, expected, range(rows), "the same with a kept memo and a rebuilt one"
        )


def _copy(arrays: Arrays) -> dict[str, Any]:
    """Copies arrays that a call may overwrite."""
    return {
        name: np.array(value) if hasattr(value, "shape") else value
        for name, value in arrays.items()
    }


def _differences(one: Arrays, other: Arrays, rows: Sequence[int], what: str) -> Iterator[str]:
    if one.keys() != other.keys():
        yield f"the memo has {sorted(one)}, and a rebuilt one has {sorted(other)}"
        return
    for name, value in one.items():
        for row in rows:
            if not _same(value[row], other[name][row]):
                yield f"{name!r} of a row is not {what}"
                break


def _same(one: Any, other: Any) -> bool:
    if not hasattr(one, "shape"):
        return bool(one == other)
    return wire.equal(np.asarray(one), np.asarray(other))
