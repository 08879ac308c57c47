"""The catalogue of published models, and the models that each preset needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any

from soundstage.documents import read_toml
from soundstage.errors import InputError


@dataclass(frozen=True)
class PublishedFile:
    """A file in a publisher's repository.

    Attributes:
        path: in the repository.
        optional: the model is complete without it.
        sha256: hex digits; "" = not known to the catalogue.
        bytes: its size; 0 = not known to the catalogue.
        reported_sha256: hex digits, or the first of them, as third parties report them; "" = not
            reported.
        reported_bytes: its size as third parties report it; 0 = not reported.
    """

    path: str
    optional: bool = False
    sha256: str = ""
    bytes: int = 0
    reported_sha256: str = ""
    reported_bytes: int = 0

    def compared_with_reports(self, digest: str, size: int) -> str:
        """Returns how a file of this SHA-256 and size compares with reports; "" = none exist."""
        if not self.reported_sha256 and not self.reported_bytes:
            return ""
        same_size = not self.reported_bytes or size == self.reported_bytes
        if same_size and digest.startswith(self.reported_sha256):
            return "as third parties report it"
        return (
            f"third parties report {self.reported_bytes / 1e6:.1f} MB, SHA-256 "
            f"{self.reported_sha256[:12]}: compare before you trust it"
        )

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class PublishedModel:
    """A model that can be fetched.

    Attributes:
        name: the bare name that a pipeline's `weights` may hold.
        description: the model in a few words, for people.
        repository: "owner/name" on the hub.
        revision: a branch, tag or commit of the repository.
        card: the URL of the page that describes the model.
        files: its files.
    """

    name: str
    description: str
    repository: str
    revision: str
    card: str
    files: tuple[PublishedFile, ...]

    def local_name(self, file: PublishedFile) -> str:
        """Returns the path of one of the files, relative to the models folder."""
        if len(self.files) == 1:
            return f"{self.name}{PurePosixPath(file.path).suffix}"
        return f"{self.name}/{file.name}"


@dataclass(frozen=True)
class Terms:
    """The terms of use of the models.

    Attributes:
        weights: the licence of the weights.
        code: the licence of the publishers' code.
        summary: the terms in a line; the models' cards have them in full.
    """

    weights: str
    code: str
    summary: str


@dataclass(frozen=True)
class Catalogue:
    """All models that can be fetched.

    Attributes:
        models: by name.
        terms: the terms of use of all models.
    """

    models: Mapping[str, PublishedModel]
    terms: Terms

    @classmethod
    def parse(cls, text: str) -> "Catalogue":
        """Parses the text of a catalogue, such as `catalogue.toml`."""
        tables = read_toml(text)
        models = {
            name: PublishedModel(
                name,
                table["what"],
                **tables["publisher"][table["publisher"]],
                files=tuple(PublishedFile(**file) for file in table["files"]),
            )
            for name, table in tables["model"].items()
        }
        return cls(models, Terms(**tables["terms"]))

    @cached_property
    def presets(self) -> dict[str, tuple[str, ...]]:
        """The models that each preset needs; presets that need none are left out."""
        from soundstage.graph.pipeline_file import read_tables
        from soundstage.presets.preset import preset_names, preset_path

        needs = {name: self.needed(read_tables(preset_path(name))) for name in preset_names()}
        return {name: needed for name, needed in needs.items() if needed}

    def needed(self, tables: Mapping[str, Any]) -> tuple[str, ...]:
        """Returns the names of the models that a pipeline's stages name.

        Args:
            tables: the parsed pipeline file.
        """
        stages = tables.get("stage", {}).values()
        named = [stage.get("params", {}).get("weights") for stage in stages]
        return tuple(name for name in self.models if name in named)

    def find(self, name: str) -> tuple[PublishedModel, ...]:
        """Returns the model of a name, or all models that the preset of that name needs.

        Raises:
            InputError: no model and no preset has that name; the message lists both.
        """
        if name in self.models:
            return (self.models[name],)
        if name in self.presets:
            return tuple(self.models[needed] for needed in self.presets[name])
        raise InputError(
            f"no model called {name!r}: give a model ({', '.join(self.models)}), or a preset for "
            f"all models that it needs ({', '.join(self.presets)})"
        )


def read_catalogue() -> Catalogue:
    """Reads the catalogue that ships with soundstage."""
    return Catalogue.parse(
        (files("soundstage.stages.weights.published") / "catalogue.toml").read_text("utf-8")
    )
