"""What is known of fetched models: kept in the models folder, checked from then on."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

from soundstage.errors import ModelError
from soundstage.files import replacing
from soundstage.stages.weights.published.catalogue import PublishedFile, PublishedModel

FILE = "records.json"
SCHEMA = 1


@dataclass(frozen=True)
class Record:
    """One file as it first came.

    Attributes:
        sha256: hex digits.
        bytes: its size.
        day: when it came, ISO 8601.
        origin: where from, for people.
    """

    sha256: str
    bytes: int
    day: str
    origin: str

    @property
    def when(self) -> str:
        """When and from where, for people."""
        return f"recorded {self.day} from {self.origin}"


@dataclass(frozen=True)
class Records:
    """Everything recorded in one models folder.

    Attributes:
        commits: by model's name, the commit of its repository that its files came from.
        files: by model's name and file's published path, joined by a colon.
        terms: the repositories whose terms have been shown.
    """

    commits: Mapping[str, str]
    files: Mapping[str, Record]
    terms: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> "Records":
        """Reads the records of a models folder; none where there are none yet.

        Raises:
            ModelError: they are damaged.
        """
        path = folder / FILE
        try:
            found = json.loads(path.read_text("utf-8"))
            if found["schema"] != SCHEMA:
                raise ValueError(f"schema {found['schema']} is not {SCHEMA}")
            files = {name: Record(**record) for name, record in found["files"].items()}
            return cls(dict(found["commits"]), files, tuple(found["terms"]))
        except FileNotFoundError:
            return cls({}, {}, ())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{path}: damaged ({error}); delete it, and hashes are recorded anew at the next "
                "download"
            ) from error

    def write(self, folder: Path) -> None:
        """Writes them, whole or not at all.

        Raises:
            OutputError: the folder cannot be written to.
        """
        content = {"schema": SCHEMA, **asdict(self)}
        with replacing(folder / FILE) as stream:
            stream.write(json.dumps(content, indent=2, sort_keys=True).encode() + b"\n")

    def of(self, model: PublishedModel, file: PublishedFile) -> Record | None:
        """What is recorded of a file; None if it never came."""
        return self.files.get(_key(model, file))

    def with_file(self, model: PublishedModel, file: PublishedFile, record: Record) -> "Records":
        """These and one more."""
        return replace(self, files={**self.files, _key(model, file): record})

    def with_commit(self, model: PublishedModel, commit: str) -> "Records":
        """These, and where a model's files come from."""
        return replace(self, commits={**self.commits, model.name: commit})

    def with_terms(self, repository: str) -> "Records":
        """These, and that a repository's terms have been shown."""
        return replace(self, terms=tuple(sorted({*self.terms, repository})))

    def without(self, model: PublishedModel) -> "Records":
        """These without what is known of a model."""
        gone = {_key(model, file) for file in model.files}
        files = {key: record for key, record in self.files.items() if key not in gone}
        commits = {key: at for key, at in self.commits.items() if key != model.name}
        return replace(self, files=files, commits=commits)


def new_record(sha256: str, size: int, origin: str) -> Record:
    """A file that came today."""
    return Record(sha256, size, date.today().isoformat(), origin)


def _key(model: PublishedModel, file: PublishedFile) -> str:
    return f"{model.name}:{file.path}"
