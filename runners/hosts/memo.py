"""Memos: what a stage derived from its state, kept from one tick to the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from soundstage.errors import Error
from soundstage.graph import wire
from soundstage.graph.declaration import memo_of

# By name, an array of NumPy or JAX with a leading row axis.
Arrays: TypeAlias = Mapping[str, Any]
Give: TypeAlias = Callable[[Arrays], Arrays]


class MemoError(Error, TypeError):
    """A stage returned something else than its memo."""

    exit_code = 7


@dataclass(frozen=True, eq=False)
class _Kept:
    """The memo of the rows of one call, and the state that it belongs to, of as many rows."""

    state: Arrays
    memo: Arrays


class Memos:
    """The memos of one built stage: a cache, by the content of the state that each belongs to.

    A memo is a pure function of the state: it changes no byte whether one is found or rebuilt. So
    they never leave the process, and are not saved.

    Rows hit or miss by themselves. Missing rows are rebuilt in one call of as many rows as the
    tick has, since compilers may round differently for other numbers of rows.

    Attributes:
        newest: the memo that the last call returned, until it is kept.
    """

    def __init__(self, stage: Any, names: Sequence[str], most: int, give: Give) -> None:
        """Makes an empty cache.

        Args:
            stage: the built stage.
            names: the inputs that its memo is a function of.
            most: the most memos to keep, each of all rows of a call.
            give: returns inputs as the stage gets them.
        """
        self._stage = stage
        self._names = names
        self._give = give
        self.newest: Arrays | None = None
        self._kept: deque[_Kept] = deque(maxlen=most)

    @classmethod
    def of(cls, stage: Any, most: int, give: Give) -> Memos | None:
        """Makes an empty cache for a stage; None if the stage has no memo."""
        names = memo_of(type(stage))
        return cls(stage, names, most, give) if names else None

    def call(self, inputs: Arrays, given: Arrays) -> Any:
        """Calls the stage with its memo.

        Args:
            inputs: a value for each input port.
            given: the same, as the stage gets them.

        Returns:
            The outputs, as the stage returns them.

        Raises:
            MemoError: the stage does not return a memo beside its outputs.
            Exception: any error of the stage.
        """
        self.newest = None
        memo = self.take({name: inputs[name] for name in self._names})
        answer = self._stage(**given, memo=memo)
        if not isinstance(answer, tuple) or len(answer) != 2:
            kind = type(answer).__name__
            raise MemoError(f"it returned {kind}, not a tuple of its outputs and its memo")
        self.newest = checked(answer[1], len(inputs[self._names[0]]))
        return answer[0]

    def keep(self, outputs: Arrays) -> None:
        """Keeps the memo of the last call, in place of the one that was not used for longest.

        Args:
            outputs: the outputs of the call, which never change; the memo belongs to the state
                among them.
        """
        if self.newest is not None:
            state = {name: outputs[name] for name in self._names}
            self._kept.append(_Kept(state, self.newest))
        self.newest = None

    def take(self, state: Arrays) -> Arrays:
        """Returns the memo of a state.

        A memo whose rows are all taken in their order is given away, so that the stage may let JAX
        overwrite it in place.

        Args:
            state: by name, an array with a leading row axis.

        Raises:
            MemoError: `rebuild` does not return a memo.
            Exception: any error of `rebuild`.
        """
        same = next((kept for kept in self._kept if _are_identical(kept.state, state)), None)
        if same is not None:
            return self._give_away(same)
        rows = len(next(iter(state.values())))
        places = [self._find(state, row) for row in range(rows)]
        whole = places[0][0] if places[0] is not None else None
        if whole is not None and places == [(whole, row) for row in range(_rows(whole.state))]:
            return self._give_away(whole)
        missing = [row for row, place in enumerate(places) if place is None]
        if not missing:
            return _gather([(kept.memo, row) for kept, row in filter(None, places)])
        rebuilt = self.rebuild(state, missing)
        if len(missing) == rows:
            return rebuilt
        return _gather(
            [
                (rebuilt, row) if place is None else (place[0].memo, place[1])
                for row, place in enumerate(places)
            ]
        )

    def rebuild(self, state: Arrays, missing: Sequence[int]) -> Arrays:
        """Rebuilds the memo of some rows; the other rows of the result have no meaning.

        Those rows get the state of a missing one: a row is then not slower than the missing ones.

        Raises:
            MemoError: `rebuild` does not return a memo.
            Exception: any error of `rebuild`.
        """
        rows = range(len(next(iter(state.values()))))
        if len(missing) < len(rows):
            index = np.array([row if row in missing else missing[0] for row in rows])
            state = {name: _read_only(value[index]) for name, value in state.items()}
        return checked(self._stage.rebuild(**self._give(state)), len(rows))

    def _find(self, state: Arrays, row: int) -> tuple[_Kept, int] | None:
        """Returns the newest memo of a row's state, and its row there; the same row is likelier."""
        for kept in reversed(self._kept):
            size = _rows(kept.state)
            for place in sorted(range(size), key=lambda place: place != row):
                if _same_row(kept.state, place, state, row):
                    return kept, place
        return None

    def _give_away(self, kept: _Kept) -> Arrays:
        self._kept.remove(kept)
        return kept.memo


def call_alone(stage: Any, inputs: Arrays) -> tuple[Any, Arrays | None]:
    """Calls a stage outside of a runner, with a rebuilt memo if it has one.

    Args:
        stage: the built stage.
        inputs: a value for each input port.

    Returns:
        The outputs, as the stage returns them, and the memo; None if it has none.

    Raises:
        MemoError: the stage does not return a memo.
        Exception: any error of the stage.
    """
    memos = Memos.of(stage, 1, dict)
    if memos is None:
        return stage(**inputs), None
    outputs = memos.call(inputs, inputs)
    return outputs, memos.newest


def checked(memo: Any, rows: int) -> Arrays:
    """Returns a memo.

    Raises:
        MemoError: it is no mapping of arrays of so many rows.
    """
    if not isinstance(memo, Mapping) or not memo:
        raise MemoError(f"its memo is {type(memo).__name__}, not a mapping of arrays by name")
    for name, array in memo.items():
        shape = getattr(array, "shape", None)
        if not shape or shape[0] != rows:
            what = type(array).__name__ if shape is None else f"of shape {list(shape)}"
            raise MemoError(f"its memo's {name!r} is {what}, not an array with {rows} rows")
    return memo


def _rows(arrays: Arrays) -> int:
    return len(next(iter(arrays.values())))


def _are_identical(one: Arrays, other: Arrays) -> bool:
    return all(one[name] is value for name, value in other.items())


def _same_row(one: Arrays, place: int, other: Arrays, row: int) -> bool:
    return all(
        wire.equal(np.asarray(one[name][place]), np.asarray(value[row]))
        for name, value in other.items()
    )


def _gather(places: Sequence[tuple[Arrays, int]]) -> Arrays:
    """Makes a memo of rows of others."""
    return {
        name: _concatenate([memo[name][row : row + 1] for memo, row in places])
        for name in places[0][0]
    }


def _concatenate(parts: list[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    import jax.numpy as jnp  # late: a process whose stages compute with NumPy does not load JAX

    return jnp.concatenate(parts)


def _read_only(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        array.flags.writeable = False
    return array
