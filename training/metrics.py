"""The metrics of a run: a CSV file that a resumed run continues without repeating a step."""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from soundstage.errors import Error


class MetricsError(Error):
    """A metrics file is not the one that the run's checkpoint belongs to."""


class MetricsFile:
    """Appends one row a logged step: the step, the seconds spent, and the metrics.

    Args:
        path: the file; its folder must exist. The first row appended decides the columns.
        keep_bytes: length of the file when the checkpoint was saved; whatever follows came from
            steps that will be repeated, and is cut off.

    Raises:
        OSError: the file cannot be written.
        MetricsError: the file is shorter than that.
    """

    def __init__(self, path: Path, keep_bytes: int = 0) -> None:
        self._path = path
        size = path.stat().st_size if path.exists() else 0
        if size < keep_bytes:
            raise MetricsError(
                f"{path} has {size} bytes, but the checkpoint was saved at {keep_bytes}: the "
                "metrics of this run are gone; start another run folder"
            )
        self._file = path.open("ab")
        self._file.truncate(keep_bytes)
        self._columns = _columns(path) if keep_bytes else None

    def append(self, step: int, seconds: float, metrics: Mapping[str, float]) -> None:
        """Writes one row.

        Args:
            step: the step that gave the metrics, counted from 0.
            seconds: time spent training so far, over all processes.
            metrics: the values by name; the names of the first row.

        Raises:
            ValueError: the names differ from those of the first row.
        """
        columns = metric_columns(metrics)
        if self._columns is None:
            self._columns = columns
            self._write(columns)
        if columns != self._columns:
            raise ValueError(f"{self._path} has the columns {self._columns}, got {columns}")
        self._write(metric_values(step, seconds, metrics))

    def flushed_bytes(self) -> int:
        """Writes all rows to disk and returns the length of the file."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._path.stat().st_size

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _write(self, row: Sequence[str]) -> None:
        self._file.write(csv_bytes([row]))
        self._file.flush()


def metric_columns(metrics: Mapping[str, float]) -> list[str]:
    """Returns the columns of a file of metrics."""
    return ["step", "seconds", *metrics]


def metric_values(step: int, seconds: float, metrics: Mapping[str, float]) -> list[str]:
    """Returns the row of a step in a file of metrics."""
    return [str(step), f"{seconds:.2f}", *(f"{value:.6g}" for value in metrics.values())]


def csv_bytes(rows: Iterable[Sequence[str]]) -> bytes:
    """Returns rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def read_metrics(path: Path) -> dict[str, list[float]]:
    """Reads a metrics file and returns its values by column.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else {})}


def _columns(path: Path) -> list[str]:
    with path.open(newline="") as file:
        return next(csv.reader(file))
