"""Compares a network and its weights with a folder of recordings."""

import zlib
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from soundstage.stages.weights.array_source import ArraySource, WeightsError
from soundstage.stages.weights.sources import open_source
from soundstage.stages.weights.t5x import T5xSource
from soundstage.verification import depthformer, magenta_rt2, spectrostream
from soundstage.verification.recording import (
    ArrayVerdict,
    Ledger,
    OriginalRecording,
    VerificationReport,
    VerifyError,
    read_json,
)

CHECKS = {
    "depthformer": depthformer.check,
    "magenta-rt-2": magenta_rt2.check,
    "spectrostream": spectrostream.check,
}


def verify(
    folder: Path, on_row: Callable[[ArrayVerdict], None] = lambda row: None
) -> VerificationReport:
    """Runs the network on the recorded inputs of a folder and compares the results.

    Args:
        folder: holds config.json, weights (`*.safetensors`, or a T5X checkpoint as a folder or
            .tar) and recorded arrays in .npz files, as in the recordings of the originals.
        on_row: called with every row of the report as soon as it exists.

    Returns:
        The report, one row for each array.

    Raises:
        VerifyError: config, weights or recorded arrays are missing, damaged, or do not fit each
            other.
    """
    recording = OriginalRecording.read(folder)
    model = recording.config.get("model")
    if model not in CHECKS:
        known = " or ".join(f'"{name}"' for name in CHECKS)
        raise VerifyError(f"{folder / 'config.json'}: model is {model!r}, but must be {known}")
    ledger = Ledger(recording, on_row)
    try:
        with ExitStack() as stack:
            sources = _open_weights(folder, stack)
            CHECKS[model](recording, sources[0], ledger)
            _check_manifest(folder / "manifest.json", sources[0], ledger)
            for other in sources[1:]:
                _check_equal(sources[0], other, ledger)
            note = sources[0].note
    except WeightsError as error:
        raise VerifyError(str(error)) from error
    ledger.skip(ledger.open(recording.arrays), "unknown, or an array it needs is missing")
    return recording.report(note, ledger.rows)


def _open_weights(folder: Path, stack: ExitStack) -> list[ArraySource]:
    """Opens every form of the weights in a folder: the safetensors files, then T5X checkpoints."""
    sources: list[ArraySource] = []
    if any(folder.glob("*.safetensors")):
        sources.append(stack.enter_context(closing(open_source(str(folder.resolve())))))
    subfolders = sorted(path for path in folder.iterdir() if path.is_dir())
    checkpoints = [*sorted(folder.glob("*.tar")), *filter(_is_checkpoint, [folder, *subfolders])]
    sources += [stack.enter_context(closing(T5xSource(path))) for path in checkpoints]
    if not sources:
        raise VerifyError(
            f"{folder}: no weights; put *.safetensors files or a T5X checkpoint (a folder or "
            ".tar) beside config.json"
        )
    return sources


def _is_checkpoint(folder: Path) -> bool:
    return (folder / "checkpoint").is_file() or any(folder.glob("target.*/.zarray"))


def _check_equal(first: ArraySource, other: ArraySource, ledger: Ledger) -> None:
    """Compares a second form of the weights with the one that ran, array by array."""
    shapes, others = first.names() or {}, other.names() or {}
    wrong = sorted(set(shapes) ^ set(others))
    for name in set(shapes) & set(others):
        if shapes[name] != others[name] or not np.array_equal(
            first.read(name, shapes[name]), other.read(name, shapes[name])
        ):
            wrong.append(name)
    note = f"equal to {first.note}"
    if wrong:
        note = f"different from {first.note}: {', '.join(wrong[:3])}"
    ledger.judge(f"{other.note}: {len(others)} weights", len(wrong), 0, note)


def _check_manifest(path: Path, source: ArraySource, ledger: Ledger) -> None:
    """Compares every array of the weights with its checksum in manifest.json, if that exists."""
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
