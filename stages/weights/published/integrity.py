"""`soundstage models verify`: every byte as recorded, every array readable and finite."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundstage.files import file_sha256
from soundstage.progress import Progress
from soundstage.stages.weights.published.catalogue import PublishedFile, PublishedModel
from soundstage.stages.weights.published.records import Records
from soundstage.stages.weights.published_files import open_published


@dataclass(frozen=True)
class FileVerdict:
    """What is true of one file.

    Attributes:
        name: where it lies in the models folder.
        faults: what is wrong with it; none = it is as it should be.
        facts: what was found, for people.
    """

    name: str
    faults: tuple[str, ...]
    facts: tuple[str, ...]

    def line(self) -> str:
        """All of it in a line."""
        return f"{'FAIL' if self.faults else 'ok':<5}{self.name}: {'; '.join(self._said())}"

    def _said(self) -> tuple[str, ...]:
        return (*self.faults, *self.facts)


def verify(model: PublishedModel, folder: Path, progress: Progress) -> Iterator[FileVerdict]:
    """Checks a model's files, one after the other.

    Args:
        model: which.
        folder: the models folder.
        progress: where news goes.

    Raises:
        ModelError: the records are damaged.
    """
    records = Records.read(folder)
    for file in model.files:
        place = folder / model.place(file)
        if place.exists():
            with progress.step(f"checking {place.name}"):
                yield _judged(model, file, place, records)
        elif not file.optional:
            fault = f"not there; `soundstage models download {model.name}` fetches it"
            yield FileVerdict(model.place(file), (fault,), ())


def _judged(
    model: PublishedModel, file: PublishedFile, place: Path, records: Records
) -> FileVerdict:
    faults, facts = [], [f"{place.stat().st_size / 1e6:.1f} MB"]
    digest = file_sha256(place)
    record = records.of(model, file)
    expected = file.sha256 or (record.sha256 if record is not None else "")
    if not expected:
        facts.append(f"SHA-256 {digest[:12]}, which nobody vouches for")
    elif digest == expected:
        facts.append(
            f"SHA-256 {digest[:12]}, as {record.when if record else 'soundstage knows it'}"
        )
    else:
        faults.append(
            f"SHA-256 is {digest[:12]}, not {expected[:12]}; `soundstage models download "
            f"{model.name}` fetches it again"
        )
    try:
        facts += _arrays(place, file)
    except ValueError as error:
        faults.append(str(error))
    return FileVerdict(model.place(file), tuple(faults), tuple(facts))


def _arrays(place: Path, file: PublishedFile) -> list[str]:
    """Reads every array, and tells how many there are.

    Raises:
        ValueError: one cannot be read or holds NaN or infinity.
    """
    source = open_published(place, file.path)
    if source is None:
        return []
    with closing(source):
        shapes = source.names() or {}
        for name, shape in shapes.items():
            array = source.read(name, shape)
            if array.size and not (np.isfinite(array.min()) and np.isfinite(array.max())):
                raise ValueError(f"{name} holds NaN or infinity")
    parameters = sum(math.prod(shape) for shape in shapes.values())
    return [f"{len(shapes)} arrays, {parameters / 1e6:.1f} M parameters, all readable"]
