"""Records of fetched files: kept in the models folder, and checked at every later download."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

from soundstage.documents import read_json
from soundstage.errors import ModelError
from soundstage.files import replacing
from soundstage.stages.weights.published.catalogue import PublishedFile, PublishedModel

FILE = "records.json"
SCHEMA = 1


@dataclass(frozen=True)
class Record:
    """One file as it was first fetched.

    Attributes:
        sha256: hex digits.
        bytes: its size.
        day: the day of the download, ISO 8601.
        origin: where it came from, for people.
    """

    sha256: str
    bytes: int
    day: str
    origin: str

    @property
    def summary(self) -> str:
        """The day and the origin, for people."""
        return f"recorded {self.day} from {self.origin}"


@dataclass(frozen=True)
class Records:
    """All records of one models folder.

    Attributes:
        commits: by the model's name, the commit of its repository that its files came from.
        files: by the model's name and the file's published path, joined by a colon.
        terms: the repositories whose terms have been shown.
    """

    commits: Mapping[str, str]
    files: Mapping[str, Record]
    terms: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> "Records":
        """Reads the records of a models folder; without a file of them there are none.

        Raises:
            ModelError: the file is damaged.
        """
        path = folder / FILE
        try:
            content = read_json(path.read_text("utf-8"))
            if content["schema"] != SCHEMA:
                raise ValueError(f"schema {content['schema']} is not {SCHEMA}")
            files = {name: Record(**record) for name, record in content["files"].items()}
            return cls(dict(content["commits"]), files, tuple(content["terms"]))
        except FileNotFoundError:
            return cls({}, {}, ())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{path}: damaged ({error}); delete it: the next download records the hashes again"
            ) from error

    def write(self, folder: Path) -> None:
        """Writes the file, whole or not at all.

        Raises:
            OutputError: the folder cannot be written.
        """
        content = {"schema": SCHEMA, **asdict(self)}
        with replacing(folder / FILE) as stream:
            stream.write(json.dumps(content, indent=2, sort_keys=True).encode() + b"\n")

    def of(self, model: PublishedModel, file: PublishedFile) -> Record | None:
        """Returns the record of a file; None = there is none."""
        return self.files.get(_key(model, file))

    def with_file(self, model: PublishedModel, file: PublishedFile, record: Record) -> "Records":
        """Returns these records and one more."""
        return replace(self, files={**self.files, _key(model, file): record})

    def with_commit(self, model: PublishedModel, commit: str) -> "Records":
        """Returns these records with the commit that a model's files came from."""
        return replace(self, commits={**self.commits, model.name: commit})

    def with_terms(self, repository: str) -> "Records":
        """Returns these records, with a repository among those whose terms have been shown."""
        return replace(self, terms=tuple(sorted({*self.terms, repository})))

    def without(self, model: PublishedModel) -> "Records":
        """Returns these records without a model's files and commit."""
        removed = {_key(model, file) for file in model.files}
        files = {key: record for key, record in self.files.items() if key not in removed}
        commits = {name: commit for name, commit in self.commits.items() if name != model.name}
        return replace(self, files=files, commits=commits)


def new_record(sha256: str, size: int, origin: str) -> Record:
    """Returns the record of a file that was fetched today."""
    return Record(sha256, size, date.today().isoformat(), origin)


def _key(model: PublishedModel, file: PublishedFile) -> str:
    return f"{model.name}:{file.path}"
