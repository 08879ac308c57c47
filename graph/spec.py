"""The contents of a pipeline file, before any of its stages is imported."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from soundstage.documents import DocumentError, NotADocument, read_toml
from soundstage.graph import validation
from soundstage.graph.format import Format
from soundstage.graph.problem import PipelineError, Problem, suggest

SCHEMA = 1


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class FeedbackSpec(_Table):
    """An input that reads the previous tick: `{ from = "stage.port", delay = 1, init = 0.0 }`.

    Attributes:
        from_: "stage.port", an output.
        delay: 1, the tick before.
        init: every value in the first tick.
    """

    from_: str = Field(alias="from")
    delay: Literal[1]
    init: int | float


class StageSpec(_Table):
    """One `[stage.NAME]` table.

    Attributes:
        use: "module:Class"; modules that begin with "stages." are soundstage's own.
        params: settings of the class.
        inputs: the source of every input: "stage.port", "in.control", "clock.chunk", or feedback.
    """

    use: str
    params: dict[str, Any] = {}
    inputs: dict[str, str | FeedbackSpec] = {}


class PlacementSpec(_Table):
    """The placement of one stage: `"gpu:0"` is short for `{ device = "gpu:0" }`.

    Attributes:
        device: "auto", "cpu", "gpu", "gpu:1", "tpu:0", ... A bare platform with several replicas
            gives each a device of its own.
        replicas: copies of the stage; a tick's rows are divided among them.
        spares: further copies, ready to replace one that dies. For Ray.
        gpus: the share of a GPU that a replica takes; None = an equal part of what the explicit
            shares leave. For Ray; in-process, devices are shared freely.
        chips: TPU chips a replica takes; None = 1. For Ray.
        node: the value of the label "soundstage-node" that a replica's machine must have; "" =
            any machine. For Ray.
        resources: Ray's custom resources that a replica takes, by name.
    """

    device: str = "auto"
    replicas: int = 1
    spares: int = 0
    gpus: int | float | None = None
    chips: int | None = None
    node: str = ""
    resources: dict[str, int | float] = {}

    def __str__(self) -> str:
        copies = self.device if self.replicas == 1 else f"{self.device} x {self.replicas}"
        spares = "1 spare" if self.spares == 1 else f"{self.spares} spares"
        return f"{copies} + {spares}" if self.spares else copies


class PipelineSpec(_Table):
    """A whole pipeline file.

    Attributes:
        schema_: the version of the file format.
        name: the pipeline's name.
        note: a sentence that is printed whenever the pipeline plays.
        format: every length, rate and depth of the music.
        inputs: controls, which may change between two chunks, and their defaults.
        outputs: the pipeline's outputs: the "stage.port" of each.
        stage: the stages by name.
        placement: where stages run, by name, and the default.
    """

    schema_: Literal[1] = Field(alias="schema")
    name: str
    note: str = ""
    format: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    outputs: dict[str, str]
    stage: dict[str, StageSpec]
    placement: dict[str, str | PlacementSpec] = {}

    def placement_of(self, stage: str) -> PlacementSpec:
        """The placement of `stage`: its own entry, else `default`, else "auto"."""
        entry = self.placement.get(stage, self.placement.get("default", "auto"))
        return PlacementSpec(device=entry) if isinstance(entry, str) else entry

    def as_dict(self) -> dict[str, Any]:
        """The file's contents as plain tables that `parse` accepts."""
        return self.model_dump(by_alias=True, mode="json")

    def digest(self) -> str:
        """SHA-256 of what the graph computes: its format, stages, wiring and outputs.

        Names, notes, defaults of controls and placement are left out: they change no byte.
        """
        identity = self.as_dict()
        for key in ("name", "note", "inputs", "placement"):
            del identity[key]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Reads TOML.

    Args:
        text: the file's contents.
        where: the name of the file, quoted in problems.

    Raises:
        PipelineError: the text is not TOML, or is beyond the limits of `soundstage.documents`.
    """
    try:
        return read_toml(text)
    except NotADocument as error:
        raise PipelineError([Problem(where, f"not valid TOML: {error}")]) from error
    except DocumentError as error:
        raise PipelineError([Problem(where, str(error))]) from error


def parse(tables: Mapping[str, Any]) -> PipelineSpec:
    """Turns a file's tables into a spec.

    Raises:
        PipelineError: with one problem for every key that is unknown, missing or of a wrong type.
    """
    try:
        return PipelineSpec.model_validate(dict(tables))
    except ValidationError as error:
        raise PipelineError(_problems(error)) from error


def parse_format(table: Mapping[str, Any]) -> tuple[Format | None, list[Problem]]:
    """Turns the `[format]` table into a `Format`.

    Returns:
        The format, or None, and the table's problems.
    """
    known = list(Format.__dataclass_fields__)
    problems = [
        Problem(f"format.{key}", "no such key", suggest(key, known))
        for key in table
        if key not in known
    ]
    if problems:
        return None, problems
    try:
        return validation.read(Format, table), []
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            where = ".".join(["format", *map(str, error["loc"])])
            what, cure = validation.explain(error)
            problems += [Problem(where, part, cure) for part in what.split("; ")]
        return None, problems


def _problems(invalid: ValidationError) -> list[Problem]:
    problems: dict[tuple[str, str], Problem] = {}
    for error in invalid.errors(include_url=False):
        if _is_other_branch(error):
            continue
        # pydantic's path also names the branch of a union it tried, which is no key of the file.
        path = [str(part) for part in error["loc"] if str(part) not in _BRANCHES]
        where = ".".join(path) or "pipeline"
        what, cure = validation.explain(error)
        if error["type"] == "extra_forbidden":
            what, cure = "no such key", suggest(path[-1], _known_keys(path[:-1]))
        elif where == "schema" and error["type"] == "literal_error":
            what, cure = f"schema {error['input']!r} is not known", f"this version reads {SCHEMA}"
        elif error["type"] == "literal_error":
            what, cure = f"delay {error['input']!r} does not exist", "write delay = 1"
        problems.setdefault((where, what), Problem(where, what, cure))
    return list(problems.values())


_BRANCHES = frozenset({"str", "int", "float", "FeedbackSpec", "PlacementSpec"})


def _is_other_branch(error: ErrorDetails) -> bool:
    """Whether an error is about the branch of a union that the value does not belong to."""
    branch = error["loc"][-1] if error["loc"] else ""
    if branch == "str":
        return isinstance(error["input"], Mapping)
    return branch == "int" or (error["type"] == "model_type" and branch in _BRANCHES)


def _known_keys(path: list[str]) -> list[str]:
    if not path:
        table: type[_Table] = PipelineSpec
    elif path[0] == "stage":
        table = StageSpec if len(path) == 2 else FeedbackSpec
    else:
        table = PlacementSpec
    return [field.alias or name for name, field in table.model_fields.items()]
