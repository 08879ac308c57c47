"""`soundstage models verify`: checks hashes against the records and reads every array."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from soundstage.files import file_sha256
from soundstage.progress import Progress
from soundstage.stages.weights.array_source import check_finite
from soundstage.stages.weights.published.catalogue import PublishedFile, PublishedModel
from soundstage.stages.weights.published.records import Records
from soundstage.stages.weights.published_files import open_published


@dataclass(frozen=True)
class FileVerdict:
    """The result of checking one file.

    Attributes:
        name: its path in the models folder.
        problems: what is wrong with the file, for people; none = it is in order.
        facts: its size, hash and arrays, for people.
    """

    name: str
    problems: tuple[str, ...]
    facts: tuple[str, ...]

    def line(self) -> str:
        """Returns the whole verdict in a line."""
        details = "; ".join((*self.problems, *self.facts))
        return f"{'FAIL' if self.problems else 'ok':<5}{self.name}: {details}"


def verify(model: PublishedModel, folder: Path, progress: Progress) -> Iterator[FileVerdict]:
    """Checks a model's files, one after the other.

    Args:
        model: the model.
        folder: the models folder.
        progress: shows which file is being checked.

    Raises:
        ModelError: the records are damaged.
    """
    records = Records.read(folder)
    for file in model.files:
        path = folder / model.local_name(file)
        if path.exists():
            with progress.step(f"checking {path.name}"):
                yield _verdict(model, file, path, records)
        elif not file.optional:
            problem = f"missing; `soundstage models download {model.name}` fetches it"
            yield FileVerdict(model.local_name(file), (problem,), ())


def _verdict(
    model: PublishedModel, file: PublishedFile, path: Path, records: Records
) -> FileVerdict:
    problems, facts = [], [f"{path.stat().st_size / 1e6:.1f} MB"]
    digest = file_sha256(path)
    record = records.of(model, file)
    expected = file.sha256 or (record.sha256 if record is not None else "")
    if not expected:
        facts.append(f"SHA-256 {digest[:12]}, not recorded and so not checked")
    elif digest == expected:
        facts.append(f"SHA-256 {digest[:12]}, as {record.summary if record else 'catalogued'}")
    else:
        problems.append(
            f"SHA-256 is {digest[:12]}, not {expected[:12]}; `soundstage models download "
            f"{model.name}` fetches it again"
        )
    try:
        facts += _array_facts(path, file)
    except ValueError as error:
        problems.append(str(error))
    return FileVerdict(model.local_name(file), tuple(problems), tuple(facts))


def _array_facts(path: Path, file: PublishedFile) -> list[str]:
    """Reads every array of a file, and counts them.

    Raises:
        ValueError: an array cannot be read, or holds NaN or infinity.
    """
    source = open_published(path, file.path)
    if source is None:
        return []
    with closing(source):
        shapes = source.names() or {}
        for name, shape in shapes.items():
            check_finite(source.note, name, source.read(name, shape))
    parameters = sum(math.prod(shape) for shape in shapes.values())
    return [f"{len(shapes)} arrays, {parameters / 1e6:.1f} M parameters, all readable"]
