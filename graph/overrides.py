"""Overrides: changes of a pipeline by `--set` and `--place`."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from soundstage.documents import DocumentError, NotADocument, read_toml
from soundstage.graph.problem import PipelineError, Problem
from soundstage.graph.texts import texts

# Letters of an override that a problem quotes.
LONGEST = 200
_FORMS = "write STAGE.use=, STAGE.params.KEY=, STAGE.inputs.PORT=, format.KEY= or inputs.KEY="


def apply(
    tables: dict[str, Any], settings: Iterable[str] = (), placements: Iterable[str] = ()
) -> dict[str, Any]:
    """Applies overrides to a file's tables and returns new ones.

    Args:
        tables: the parsed file.
        settings: "sample.params.size=large", "decode.use=stages.toy:SineDecode",
            "format.chunk_s=1.0", "inputs.temperature=0.9". A value is read as TOML, or as text if
            it is not TOML. A new `use` drops the stage's params, which belong to the old class.
        placements: "decode=cpu", "default=gpu:0", "sample={ device = 'gpu', replicas = 2 }".

    Raises:
        UsageError: `settings` or `placements` is a text, or holds something else than texts.
        PipelineError: with one problem for every override that is malformed or names no stage.
    """
    settings, placements = texts("settings", settings), texts("placements", placements)
    tables = deepcopy(tables)
    problems: list[Problem] = []
    # `use` first, in whatever order the overrides come: it empties the params.
    for text in sorted(settings, key=lambda text: not text.partition("=")[0].endswith(".use")):
        problems += _applied(_set, tables, "--set", text)
    for text in placements:
        problems += _applied(_place, tables, "--place", text)
    if problems:
        raise PipelineError(problems)
    return tables


def _applied(
    override: Callable[[dict[str, Any], str, str], Problem | None],
    tables: dict[str, Any],
    option: str,
    text: str,
) -> list[Problem]:
    where = f"{option} {text if len(text) <= LONGEST else f'{text[:LONGEST]}...'}"
    try:
        problem = override(tables, where, text)
    except DocumentError as error:
        return [Problem(where, str(error).removeprefix("value: "))]
    return [] if problem is None else [problem]


def _place(tables: dict[str, Any], where: str, text: str) -> Problem | None:
    stage, equals, device = text.partition("=")
    if not (stage and equals and device):
        return Problem(where, "not a placement", "write STAGE=DEVICE")
    if stage != "default" and stage not in tables.get("stage", {}):
        return _no_stage(where, stage, tables)
    written = _value(device) if device.startswith("{") else device
    tables.setdefault("placement", {})[stage] = written
    return None


def _set(tables: dict[str, Any], where: str, text: str) -> Problem | None:
    path, equals, written = text.partition("=")
    keys = path.split(".")
    if not equals or len(keys) < 2 or not all(keys):
        return Problem(where, "not an override", _FORMS)
    value = _value(written)
    if keys[0] in ("format", "inputs") and len(keys) == 2:
        tables.setdefault(keys[0], {})[keys[1]] = value
        return None
    stage = tables.get("stage", {}).get(keys[0])
    if stage is None:
        return _no_stage(where, keys[0], tables)
    if keys[1:] == ["use"]:
        if stage.get("use") != value:
            stage.pop("params", None)
        stage["use"] = value
    elif keys[1] in ("params", "inputs") and len(keys) == 3:
        stage.setdefault(keys[1], {})[keys[2]] = value
    else:
        return Problem(where, f"a stage has no {'.'.join(keys[1:])!r} to set", _FORMS)
    return None


def _no_stage(where: str, stage: str, tables: dict[str, Any]) -> Problem:
    stages = ", ".join(tables.get("stage", {}))
    return Problem(where, f"no stage named {stage!r}", f"the stages are {stages}")


def _value(written: str) -> Any:
    try:
        tables = read_toml(f"value = {written}")
    except NotADocument:
        return written
    # More than one key: the value is text of several lines, one of which looks like TOML.
    return tables["value"] if len(tables) == 1 else written
