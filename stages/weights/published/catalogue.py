"""Which published models there are, and which of them a preset needs."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any

from soundstage.errors import InputError


@dataclass(frozen=True)
class PublishedFile:
    """A file as its publisher names it.

    Attributes:
        path: in the repository.
        optional: a repository without it is complete.
        sha256: hex digits; "" = not known to us.
        bytes: its size; 0 = not known to us.
    """

    path: str
    optional: bool = False
    sha256: str = ""
    bytes: int = 0

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class PublishedModel:
    """A model that can be fetched.

    Attributes:
        name: the bare name that a pipeline's `weights` may hold.
        what: what it is, for people.
        repository: where it is published.
        revision: a branch, tag or commit there.
        card: the page that describes it.
        files: what it consists of.
    """

    name: str
    what: str
    repository: str
    revision: str
    card: str
    files: tuple[PublishedFile, ...]

    def place(self, file: PublishedFile) -> str:
        """Where a file lies in the models folder, relative to it."""
        if len(self.files) == 1:
            return f"{self.name}{PurePosixPath(file.path).suffix}"
        return f"{self.name}/{file.name}"


@dataclass(frozen=True)
class Terms:
    """What using the models means.

    Attributes:
        weights: the licence of the weights.
        code: the licence of their makers' code.
        summary: the usage terms in a line; the model's card has them in full.
    """

    weights: str
    code: str
    summary: str


@dataclass(frozen=True)
class Catalogue:
    """Every model that can be fetched.

    Attributes:
        models: by name.
        terms: of all of them.
    """

    models: Mapping[str, PublishedModel]
    terms: Terms

    @classmethod
    def parse(cls, text: str) -> "Catalogue":
        """Reads a catalogue, such as `catalogue.toml`."""
        tables = tomllib.loads(text)
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
        """The models that each preset needs; only presets that need any."""
        from soundstage.graph.pipeline_file import read_tables
        from soundstage.presets.preset import preset_names, preset_path

        needs = {name: self.needed(read_tables(preset_path(name))) for name in preset_names()}
        return {name: needed for name, needed in needs.items() if needed}

    def needed(self, tables: Mapping[str, Any]) -> tuple[str, ...]:
        """The names of the models that a pipeline's stages name.

        Args:
            tables: the pipeline's file.
        """
        stages = tables.get("stage", {}).values()
        named = [stage.get("params", {}).get("weights") for stage in stages]
        return tuple(name for name in self.models if name in named)

    def find(self, name: str) -> tuple[PublishedModel, ...]:
        """The models meant by a name: one model's, or a preset's.

        Raises:
            InputError: it is neither; lists what there is.
        """
        if name in self.models:
            return (self.models[name],)
        if name in self.presets:
            return tuple(self.models[needed] for needed in self.presets[name])
        raise InputError(
            f"no model called {name!r}: there are {', '.join(self.models)}, and all that a preset "
            f"needs as {', '.join(self.presets)}"
        )


def read_catalogue() -> Catalogue:
    """The catalogue that ships with soundstage."""
    return Catalogue.parse(
        (files("soundstage.stages.weights.published") / "catalogue.toml").read_text("utf-8")
    )
