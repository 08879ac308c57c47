"""Compares two runs message by message: the first difference, and the sizes of all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from soundstage.errors import InputError
from soundstage.graph.wire import WireError
from soundstage.runners.traces.deviation import PortComparison, PortDeviation
from soundstage.runners.traces.message_columns import Column, Columns, read_columns

if TYPE_CHECKING:
    import pyarrow as pa

_HEADING = ("port", "kind", "values", "differing", "max error", "agreement")
_LONGEST_TEXT = 40


@dataclass(frozen=True)
class Difference:
    """The first value in which two runs differ.

    Attributes:
        tick: the number of the tick in the runs, from 0.
        stage: the stage of the message; "in" for the controls.
        port: the port's name.
        row: the number of the row, from 0.
        stream: the row's stream.
        index: the index in the row's array; () for a scalar.
        dims: the names of the dimensions of `index`.
        left: the left run's value; None if it has no such value.
        right: the right run's value; None if it has no such value.
    """

    tick: int
    stage: str
    port: str
    row: int
    stream: str
    index: tuple[int, ...]
    dims: tuple[str, ...]
    left: Any
    right: Any

    def __str__(self) -> str:
        where = " ".join(f"{n}={i}" for n, i in zip(self.dims, self.index, strict=True))
        place = f"tick {self.tick}, stage {self.stage}, port {self.port}, row {self.row}"
        return f"{place}, [{where}]: {_spelled(self.left)} against {_spelled(self.right)}"


@dataclass(frozen=True, repr=False)
class Comparison:
    """The comparison of two runs; `str` returns a table for people.

    Attributes:
        left: the name of the first run.
        right: the name of the second run.
        ticks: the number of ticks of each run.
        tolerance: the largest error of floats that counts as equal; 0 = the bytes must be equal.
            Whole numbers and text have no tolerance: two codec tokens are equal or not.
        ports: every port that both runs have.
        first: the first difference, in the order of the stages' messages; None if there is none.
        faults: differences besides values: a tick, stage, port or row that only one run has.
        notes: differences that do not count: pipelines, weights, versions.
    """

    left: str
    right: str
    ticks: tuple[int, int]
    tolerance: float
    ports: tuple[PortComparison, ...]
    first: Difference | None
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether all messages are equal, within `tolerance`."""
        return not self.faults and all(port.differing == 0 for port in self.ports)

    def within(self, tolerance: float) -> bool:
        """Whether no error exceeds `tolerance`; 0 = the bytes must be equal."""
        return not self.faults and all(port.within(tolerance) for port in self.ports)

    def __bool__(self) -> bool:
        """Whether the runs are equal, for `assert comparison`."""
        return self.equal

    def __repr__(self) -> str:
        return f"<Comparison: {'; '.join(self._summary())}>"

    def __str__(self) -> str:
        lines = [*self._summary(), *(f"note: {note}" for note in self.notes)]
        table = _table([_HEADING, *map(_cells, self.ports)])
        return "\n".join(line.rstrip() for line in [*lines, "", *table])

    def _summary(self) -> list[str]:
        """Returns the verdict and its reasons, one a line."""
        verdict, link = ("are equal", "within") if self.equal else ("differ", "by more than")
        if self.tolerance:
            verdict += f" {link} {self.tolerance:g}"
        amount = (
            f"{_counted(min(self.ticks), 'tick')}, {_counted(len(self.ports), 'port')} compared"
        )
        first = [f"first: {self.first}"] if self.first else []
        return [f"{self.left} and {self.right} {verdict}: {amount}", *first, *self.faults]

    def as_json(self) -> str:
        """Returns the comparison as JSON; numbers that are not finite are null."""
        facts = asdict(self) | {"equal": self.equal}
        return json.dumps(_plain(facts), indent=2, allow_nan=False)


class Comparer:
    """Compares two runs tick by tick; keeps no more than one tick in memory."""

    def __init__(self, left: str, right: str, tolerance: float = 0.0) -> None:
        if not tolerance >= 0 or math.isinf(tolerance):
            raise InputError(f"tolerance {tolerance:g}: must be a finite number of at least 0")
        self._names = (left, right)
        self._tolerance = tolerance
        self._ticks = 0
        self._deviations: dict[tuple[str, str], PortDeviation] = {}
        self._first: Difference | None = None
        # By stage, port or another key, so that a fault of every tick is reported once.
        self._faults: dict[tuple[str, ...], str] = {}
        # By stage, the only run with messages of it.
        self._alone: dict[str, str] = {}

    def add(self, left: Mapping[str, pa.Buffer], right: Mapping[str, pa.Buffer]) -> None:
        """Compares one tick: the messages of both runs by stage.

        Raises:
            InputError: a message cannot be read.
        """
        for stage in [*left, *(stage for stage in right if stage not in left)]:
            if stage in left and stage in right:
                one, other = (
                    self._read(name, stage, messages[stage])
                    for name, messages in zip(self._names, (left, right), strict=True)
                )
                self._compare(stage, one, other)
            else:
                self._alone[stage] = self._names[stage not in left]
        self._ticks += 1

    def finish(self, ticks: tuple[int, int] | None = None, notes: Sequence[str] = ()) -> Comparison:
        """Returns the comparison.

        Args:
            ticks: the number of ticks of each run; None = the number of added ticks.
            notes: other differences.
        """
        ticks = ticks or (self._ticks, self._ticks)
        if ticks[0] != ticks[1]:
            left, right = self._names
            self._fault(
                f"{left} has {_counted(ticks[0], 'tick')} and {right} has {ticks[1]}", "ticks"
            )
        for run in dict.fromkeys(self._alone.values()):
            stages = [stage for stage, only in self._alone.items() if only == run]
            self._fault(f"only {run} has messages of these stages: {', '.join(stages)}", run)
        ports = tuple(deviation.result(*key) for key, deviation in self._deviations.items())
        faults = tuple(self._faults.values())
        return Comparison(
            *self._names, ticks, self._tolerance, ports, self._first, faults, tuple(notes)
        )

    def _read(self, name: str, stage: str, message: pa.Buffer) -> Columns:
        try:
            return read_columns(message)
        except WireError as error:
            raise InputError(f"{name}: tick {self._ticks}, stage {stage!r}: {error}") from error

    def _compare(self, stage: str, left: Columns, right: Columns) -> None:
        for what in ("streams", "chunks"):
            one, other = getattr(left, what), getattr(right, what)
            if one != other:
                difference = f"{what} {_listed(one)} against {_listed(other)}"
                self._fault(f"tick {self._ticks} has {difference}", what)
        for port in [*left.ports, *(port for port in right.ports if port not in left.ports)]:
            if port not in left.ports or port not in right.ports:
                has, lacks = self._names if port in left.ports else self._names[::-1]
                self._fault(f"port {stage}.{port} is in {has} and not in {lacks}", stage, port)
            else:
                self._compare_port(stage, port, left, right)

    def _compare_port(self, stage: str, port: str, left: Columns, right: Columns) -> None:
        one, other = left.ports[port], right.ports[port]
        if one.spelled_type != other.spelled_type:
            types = f"{one.spelled_type} against {other.spelled_type}"
            self._fault(f"port {stage}.{port} is {types}", stage, port)
            return
        deviation = self._deviations.get((stage, port))
        if deviation is None:
            deviation = PortDeviation(one.kind, one.dtype, self._tolerance)
            self._deviations[stage, port] = deviation
        for row in range(min(len(one.rows), len(other.rows))):
            index = deviation.add(one.rows[row], other.rows[row])
            if index is not None and self._first is None:
                place = (self._ticks, stage, port, row, left.streams[row], index, one.dims)
                self._first = Difference(*place, _value(one, row, index), _value(other, row, index))

    def _fault(self, text: str, *key: str) -> None:
        self._faults.setdefault(key, text)


def _value(column: Column, row: int, index: tuple[int, ...]) -> Any:
    try:
        value = column.rows[row][index]
    except IndexError:
        return None
    return value.item() if isinstance(value, np.ndarray) else value


def _cells(port: PortComparison) -> tuple[str, ...]:
    agreement = ""
    if not port.unequal:
        agreement = "equal"
    elif port.snr_db is not None:
        agreement = f"{port.snr_db:.1f} dB"
    elif port.agreement_percent is not None:
        # Rounded down: 100 % only if all are equal.
        agreement = f"{math.floor(100 * port.agreement_percent) / 100:.2f} %"
    error = "" if port.dtype == "utf8" else f"{port.max_error:.3g}"
    name = f"{port.stage}.{port.port}"
    return (name, port.kind, str(port.values), str(port.differing), error, agreement)


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Returns aligned lines: the first two columns to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(values: Sequence[object]) -> str:
    shown = ", ".join(map(str, values[:4]))
    return f"[{shown}, ... {len(values)} in all]" if len(values) > 4 else f"[{shown}]"


def _spelled(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST_TEXT else value[:_LONGEST_TEXT] + "...")
    return str(value)


def _plain(value: Any) -> Any:
    """Converts a value to JSON's types."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
