"""Reads lists of variants: prompts and controls of each row, or all problems of a list."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from soundstage.apps.commands.variants.variant_files import (
    LISTS,
    WORDS,
    Table,
    read_tables,
)
from soundstage.errors import InputError
from soundstage.graph.control import ControlError, to_row
from soundstage.graph.problem import Problem, suggest
from soundstage.graph.scalar import Scalar
from soundstage.runners.sessions.prompts import (
    Audio,
    OnePrompt,
    Style,
    Text,
    parse_audio,
    parse_style,
    parse_text,
)

LONGEST_NAME = 80


@dataclass(frozen=True)
class VariantRow:
    """One row of a list.

    Attributes:
        where: the row's file and position, for error messages.
        name: the variant's name; "" = none.
        prompts: texts, then audio files, then style vectors; empty = the pipeline's default.
        controls: the scalar controls that the row sets; the seed is one of them.
    """

    where: str
    name: str = ""
    prompts: tuple[OnePrompt, ...] = ()
    controls: Mapping[str, int | float] = field(default_factory=dict)


class BadList(InputError):
    """A list that cannot be used; `problems` holds all of its problems."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def read_list(path: Path, numbers: Mapping[str, Scalar]) -> tuple[list[VariantRow], list[Problem]]:
    """Reads a list in a format of `apps.commands.variants.variant_files.read_tables`.

    Relative paths of audio files and style vectors start at the list's folder.

    Args:
        path: the file.
        numbers: the pipeline's scalar controls, by name.

    Returns:
        The valid rows, and the problems of the others.

    Raises:
        InputError: the file cannot be read at all.
    """
    tables, problems = read_tables(path, numbers)
    rows = []
    for where, table in tables:
        row_problems = list(_row_problems(where, table, numbers))
        problems += row_problems
        if not row_problems:
            rows.append(_row(where, table, path.parent, numbers))
    return rows, problems


def _row_problems(where: str, table: Table, numbers: Mapping[str, Scalar]) -> Iterator[Problem]:
    for key, value in table.items():
        if key in LISTS:
            texts = list(_list_problems(key, value))
        elif key == "name":
            texts = list(_name_problems(value))
        elif key in numbers:
            texts = list(_number_problems(key, value, numbers[key]))
        else:
            yield Problem(f"{where}: {key}", "unknown key", suggest(key, (*WORDS, *numbers)))
            continue
        for text in texts:
            yield Problem(f"{where}: {key}", text)


def _name_problems(value: Any) -> Iterator[str]:
    if not (isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()):
        yield f"expected a line of 1 to {LONGEST_NAME} characters, got {value!r}"


def _number_problems(key: str, value: Any, scalar: Scalar) -> Iterator[str]:
    try:
        to_row(key, value, scalar.port, {})
    except ControlError as error:
        yield str(error).removeprefix(f"{key}: ")


def _list_problems(key: str, value: Any) -> Iterator[str]:
    items = value if isinstance(value, list) else [value]
    if not items:
        yield "expected at least one; leave the key out for the pipeline's default"
    inner = "text" if key == "prompts" else "file"
    for item in items:
        known = isinstance(item, dict) and item.keys() <= {inner, "weight"}
        if isinstance(item, str) and item:
            continue
        if not (known and isinstance(item.get(inner), str)):
            yield f'expected "{inner.upper()}:WEIGHT" or {{ {inner}, weight }}, got {item!r}'
        elif not _is_number(item.get("weight", 1.0)):
            yield f"expected a number as weight, got {item['weight']!r}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _row(where: str, table: Table, folder: Path, numbers: Collection[str]) -> VariantRow:
    audio = _prompts(
        table.get("audio", []), parse_audio, lambda t: Audio(t["file"], weight=_weight(t))
    )
    styles = _prompts(table.get("styles", []), parse_style, lambda t: Style(t["file"], _weight(t)))
    return VariantRow(
        where,
        table.get("name", ""),
        (
            *_prompts(table.get("prompts", []), parse_text, lambda t: Text(t["text"], _weight(t))),
            *(replace(prompt, source=folder / prompt.path) for prompt in audio),
            *(Style(folder / prompt.vector, prompt.weight) for prompt in styles),
        ),
        {key: table[key] for key in numbers if key in table},
    )


def _prompts(value: Any, parse: Callable[[str], Any], make: Callable[[Table], Any]) -> list[Any]:
    items = value if isinstance(value, list) else [value]
    return [parse(item) if isinstance(item, str) else make(item) for item in items]


def _weight(table: Table) -> float:
    return float(table.get("weight", 1.0))
