"""`soundstage verify`: proves our networks, and a converted checkpoint, against recordings."""

import zlib
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TextIO

import numpy as np

from soundstage.stages.verification import depthformer, spectrostream
from soundstage.stages.verification.recording import (
    ArrayVerdict,
    Ledger,
    Recording,
    VerificationReport,
    VerifyError,
    read_json,
)
from soundstage.stages.weights.array_source import ArraySource, WeightsError
from soundstage.stages.weights.sources import open_source
from soundstage.stages.weights.t5x import T5xSource

__all__ = [
    "ArrayVerdict",
    "VerificationReport",
    "VerifyError",
    "print_heading",
    "print_report",
    "print_row",
    "print_summary",
    "verify",
]

CHECKS = {
    "depthformer": depthformer.check,
    "spectrostream": spectrostream.check,
}


def verify(
    folder: Path, on_row: Callable[[ArrayVerdict], None] = lambda row: None
) -> VerificationReport:
    """Runs our network on the recorded inputs of a folder and compares the results.

    Args:
        folder: with config.json, weights (`*.safetensors`, or a T5X checkpoint as a folder or
            .tar) and recorded arrays in .npz files, laid out as the recordings of the originals.
        on_row: called with every row as it comes.

    Raises:
        VerifyError: config, weights or recorded arrays are missing or damaged, or do not fit
            each other.
    """
    recording = Recording.read(folder)
    model = recording.config.get("model")
    if model not in CHECKS:
        known = " or ".join(f'"{name}"' for name in CHECKS)
        raise VerifyError(f"{folder / 'config.json'}: model is {model!r}; it must be {known}")
    ledger = Ledger(recording, on_row)
    try:
        with ExitStack() as opened:
            sources = _open_weights(folder, opened)
            CHECKS[model](recording, sources[0], ledger)
            _check_manifest(folder / "manifest.json", sources[0], ledger)
            for other in sources[1:]:
                _check_equal(sources[0], other, ledger)
            note = sources[0].note
    except WeightsError as error:
        raise VerifyError(str(error)) from error
    ledger.skip(ledger.open(recording.arrays), "unknown, or what it needs is not in the recording")
    return recording.report(note, ledger.rows)


def _open_weights(folder: Path, opened: ExitStack) -> list[ArraySource]:
    """Every form of the weights in a folder: the safetensors together, then T5X checkpoints."""
    sources: list[ArraySource] = []
    if any(folder.glob("*.safetensors")):
        sources.append(opened.enter_context(closing(open_source(str(folder.resolve())))))
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    checkpoints = [*sorted(folder.glob("*.tar")), *filter(_is_checkpoint, [folder, *inside])]
    sources += [opened.enter_context(closing(T5xSource(path))) for path in checkpoints]
    if not sources:
        raise VerifyError(
            f"{folder}: no weights; put *.safetensors files or a T5X checkpoint (a folder or "
            ".tar) beside config.json"
        )
    return sources


def _is_checkpoint(folder: Path) -> bool:
    return (folder / "checkpoint").is_file() or any(folder.glob("target.*/.zarray"))


def _check_equal(first: ArraySource, other: ArraySource, ledger: Ledger) -> None:
    """Compares a second form of the weights, array by array, with the one that ran."""
    shapes, others = first.names() or {}, other.names() or {}
    wrong = sorted(set(shapes) ^ set(others))
    for name in set(shapes) & set(others):
        if shapes[name] != others[name] or not np.array_equal(
            first.read(name, shapes[name]), other.read(name, shapes[name])
        ):
            wrong.append(name)
    note = f"not as in {first.note}: {', '.join(wrong[:3])}" if wrong else f"as in {first.note}"
    ledger.judge(f"{other.note}: {len(others)} weights", len(wrong), 0, note)


def _check_manifest(path: Path, source: ArraySource, ledger: Ledger) -> None:
    """Compares every array of the weights with its checksum in manifest.json, if there is one."""
    if not path.exists():
        return
    tensors = read_json(path, "lists checksums of the weights").get("tensors")
    if not isinstance(tensors, dict):
        raise VerifyError(f"{path}: has no object called tensors")
    shapes = source.names() or {}
    wrong = [
        name
        for name, entry in tensors.items()
        if name not in shapes
        or not isinstance(entry, dict)
        or zlib.crc32(source.read(name, shapes[name]).tobytes()) != entry.get("crc32")
    ]
    note = f"wrong or missing: {', '.join(wrong[:3])}" if wrong else ""
    ledger.judge(f"manifest/crc32 of {len(tensors)} weights", len(wrong), 0, note)


def print_row(row: ArrayVerdict, stream: TextIO) -> None:
    """Prints one line: the array, its largest error, the tolerance, the verdict, a note."""
    numbers = f"{'':>10} {'':>10}"
    if row.error is not None and row.tolerance is not None:
        numbers = f"{row.error:>10.3g} {row.tolerance:>10.3g}"
    print(f"{row.name:<52} {numbers}  {row.status:<11}  {row.note}".rstrip(), file=stream)


def print_heading(stream: TextIO) -> None:
    """Prints what the columns of `print_row` are."""
    columns = f"{'array':<52} {'max error':>10} {'tolerance':>10}  {'verdict':<11}  note"
    print(columns, file=stream)


def print_summary(report: VerificationReport, stream: TextIO) -> None:
    """Prints the verdict on the whole recording in one line."""
    counts = f"{report.count('ok')} ok, {report.count('FAIL')} FAIL"
    counts += f", {report.count('not checked')} not checked"
    verdict = "passed" if report.passed else "FAILED"
    if not report.compared:
        verdict += ": nothing could be checked"
    print(f"{report.model} with {report.weights_note}: {counts}: {verdict}", file=stream)


def print_report(report: VerificationReport, stream: TextIO) -> None:
    """Prints heading, every row and the summary."""
    print_heading(stream)
    for row in report.rows:
        print_row(row, stream)
    print_summary(report, stream)
