"""A folder of recorded arrays, and the rows of a report on it."""

import math
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from soundstage import documents
from soundstage.errors import Error

Status = Literal["ok", "FAIL", "not checked"]


class VerifyError(Error):
    """A folder that cannot be verified; counts as a failed verification, not as bad input."""

    exit_code = 1


@dataclass(frozen=True)
class ArrayVerdict:
    """One row of the report.

    Attributes:
        name: the array, as FILE/ARRAY without the file's extension.
        status: "ok", "FAIL", or "not checked" with the reason in `note`.
        error: largest absolute difference, or the number of wrong integers; None if not compared.
        tolerance: the largest `error` that is ok; None if not compared.
        note: a remark for users.
    """

    name: str
    status: Status
    error: float | None = None
    tolerance: float | None = None
    note: str = ""


@dataclass(frozen=True)
class VerificationReport:
    """The result of verifying a recording.

    Attributes:
        folder: the recording's folder.
        model: the recorded network.
        weights_note: the weights that ran.
        rows: one for each array, and a few on the weights.
        compared: how many recorded arrays were compared with results of the network.
    """

    folder: Path
    model: str
    weights_note: str
    rows: tuple[ArrayVerdict, ...]
    compared: int

    def count(self, status: Status) -> int:
        """Returns the number of rows with a status."""
        return sum(row.status == status for row in self.rows)

    @property
    def passed(self) -> bool:
        """Whether at least one array was compared, and no row failed."""
        return self.compared > 0 and self.count("FAIL") == 0


@dataclass(frozen=True)
class OriginalRecording:
    """The contents of a recording's folder, without the weights.

    Attributes:
        folder: the folder.
        config: the parsed config.json.
        arrays: every array of every .npz file by FILE/ARRAY.
    """

    folder: Path
    config: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    @classmethod
    def read(cls, folder: Path) -> "OriginalRecording":
        """Reads config.json and all .npz files.

        Raises:
            VerifyError: config.json or an .npz file is missing or damaged.
        """
        if not folder.is_dir():
            raise VerifyError(f"{folder}: no such folder; give a folder with a recording")
        arrays = {}
        for path in sorted(folder.glob("*.npz")):
            arrays.update(_read_npz(path))
        config = read_json(folder / "config.json", "describes the network's sizes")
        if not arrays:
            raise VerifyError(f"{folder}: nothing recorded: it has no .npz file with arrays")
        return cls(folder, config, arrays)

    def report(self, weights_note: str, rows: Iterable[ArrayVerdict]) -> VerificationReport:
        """Makes the report from its rows."""
        rows = tuple(rows)
        judged = [row for row in rows if row.name in self.arrays and row.status != "not checked"]
        return VerificationReport(
            self.folder, self.config["model"], weights_note, rows, len(judged)
        )

    def names(self, file: str) -> list[str]:
        """Returns the names of a file's arrays, without the file's name."""
        return [name.split("/")[1] for name in self.arrays if name.startswith(f"{file}/")]


def read_json(path: Path, purpose: str) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        VerifyError: the file is missing, or not a JSON object.
    """
    try:
        value = documents.read_json(path.read_bytes())
    except FileNotFoundError:
        raise VerifyError(f"{path}: missing; it {purpose}") from None
    except (OSError, ValueError) as error:
        raise VerifyError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(value, dict):
        raise VerifyError(f"{path}: must hold a JSON object")
    return value


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {f"{path.stem}/{name}": _plain(file[name]) for name in file.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise VerifyError(f"{path}: damaged or no .npz file ({error}); record it again") from error


def _plain(array: np.ndarray) -> np.ndarray:
    # NumPy reads bfloat16 as two raw bytes, which are the upper half of a float32.
    if array.dtype.kind == "V" and array.dtype.itemsize == 2:
        return (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return array


@dataclass
class Ledger:
    """The rows of a report, collected while arrays are compared.

    Attributes:
        recording: the recorded arrays.
        on_row: called with every row as soon as it exists.
        rows: the rows so far.
    """

    recording: OriginalRecording
    on_row: Callable[[ArrayVerdict], None]
    rows: list[ArrayVerdict] = field(default_factory=list)

    def add(self, row: ArrayVerdict) -> None:
        """Adds a row."""
        self.rows.append(row)
        self.on_row(row)

    def skip(self, names: Iterable[str], reason: str) -> None:
        """Adds a row "not checked" for each of the arrays."""
        for name in names:
            self.add(ArrayVerdict(name, "not checked", note=reason))

    def compare(self, name: str, result: np.ndarray, tolerance: float, note: str = "") -> None:
        """Compares numbers by their largest absolute difference.

        Args:
            name: FILE/ARRAY in the recording.
            result: the network's array; another shape than the recorded one fails.
            tolerance: the largest difference that is ok.
            note: a remark for users.
        """
        recorded = self.recording.arrays[name]
        if self._other_shape(name, result):
            return
        difference = np.abs(result.astype(np.float64) - recorded.astype(np.float64))
        error = float(difference.max(initial=0.0))
        # NaN compares as false, so it fails.
        status: Status = "ok" if error <= tolerance else "FAIL"
        if not recorded.size:
            note = "both empty"
        elif math.isnan(error):
            note = "NaN in our result or in the recording"
        self.add(ArrayVerdict(name, status, error, tolerance, note))

    def compare_exactly(self, name: str, result: np.ndarray, note: str = "") -> None:
        """Compares integers or booleans; the error is the number that differ."""
        if not self._other_shape(name, result):
            wrong = result != self.recording.arrays[name]
            self.judge(name, int(wrong.sum()), 0, note or _where(wrong))

    def judge(self, name: str, error: float, tolerance: float, note: str = "") -> None:
        """Adds a row for an error that the caller has measured."""
        status: Status = "ok" if error <= tolerance else "FAIL"
        self.add(ArrayVerdict(name, status, float(error), float(tolerance), note))

    def fail(self, names: Iterable[str], reason: str) -> None:
        """Adds a row "FAIL" for each of the arrays."""
        for name in names:
            self.add(ArrayVerdict(name, "FAIL", note=reason))

    def open(self, names: Iterable[str]) -> list[str]:
        """Returns those of the arrays that have no row yet."""
        done = {row.name for row in self.rows}
        return [name for name in names if name not in done]

    def _other_shape(self, name: str, result: np.ndarray) -> bool:
        recorded = self.recording.arrays[name].shape
        if result.shape != recorded:
            self.fail([name], f"recorded {list(recorded)}, but our result is {list(result.shape)}")
        return result.shape != recorded


def _where(wrong: np.ndarray) -> str:
    if not wrong.any():
        return ""
    first = [int(index) for index in np.argwhere(wrong)[0]] if wrong.ndim else []
    return f"{int(wrong.sum())} of {wrong.size} differ, the first at {first}"


@contextmanager
def guarded(ledger: Ledger, names: Iterable[str]) -> Iterator[None]:
    """Fails all open arrays of `names` if the network refuses the inputs that they follow from."""
    try:
        yield
    except (ValueError, TypeError, IndexError, LookupError) as error:
        reason = " ".join(str(error).split())[:200]
        ledger.fail(ledger.open(names), f"our network refuses the inputs: {reason}")
