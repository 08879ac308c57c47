"""Reads files that list variants, TOML or CSV, as one table of keys and values for each row."""

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from soundstage.documents import DocumentError, NotADocument, read_toml
from soundstage.errors import InputError
from soundstage.graph.control import read_number
from soundstage.graph.problem import Problem, suggest

LISTS = ("prompts", "audio", "styles")
# The columns of every list; beside them, each scalar control of the pipeline is one.
WORDS = ("name", *LISTS)
BETWEEN = "|"  # separates the prompts in one cell of a CSV file

Table: TypeAlias = Mapping[str, Any]


def read_tables(
    path: Path, numbers: Collection[str]
) -> tuple[list[tuple[str, Table]], list[Problem]]:
    """Reads a .toml file of `[[variant]]` tables, or a .csv file with a line of column names.

    Args:
        path: the file.
        numbers: the columns that hold numbers: names of scalar controls.

    Returns:
        The rows, each as its file and position and its table; and the problems of the file, such
        as unknown columns. Values are as written; cells of a CSV file become numbers and lists.

    Raises:
        InputError: the file cannot be read, is neither TOML nor CSV, or holds no row.
    """
    suffix = path.suffix.lower()
    if suffix not in (".toml", ".csv"):
        raise InputError(f"{path}: a list of variants is a .toml or a .csv file")
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"{path}: cannot be read: {reason}") from error
    tables, problems = _toml(path, text) if suffix == ".toml" else _csv(path, text, numbers)
    if not tables and not problems:
        raise InputError(f"{path}: holds no variant")
    return tables, problems


def _toml(path: Path, text: str) -> tuple[list[tuple[str, Table]], list[Problem]]:
    try:
        document = read_toml(text)
    except NotADocument as error:
        raise InputError(f"{path}: is not TOML: {error}") from error
    except DocumentError as error:
        raise InputError(f"{path}: {error}") from error
    tables = document.pop("variant", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InputError(f"{path}: variant is a list of tables; write [[variant]] above each row")
    problems = [
        Problem(f"{path}: {key}", "unknown key", "write [[variant]] above each row")
        for key in document
    ]
    return [
        (f"{path}: variant {number}", table) for number, table in enumerate(tables, 1)
    ], problems


def _csv(
    path: Path, text: str, numbers: Collection[str]
) -> tuple[list[tuple[str, Table]], list[Problem]]:
    lines = list(_lines(path, text))
    if not lines:
        return [], []
    columns, known = [name.strip() for name in lines[0][1]], (*WORDS, *numbers)
    problems = [
        Problem(f"{path}: column {name!r}", "unknown column", suggest(name, known))
        for name in columns
        if name not in known
    ]
    problems += [
        Problem(f"{path}: column {name!r}", "is given twice", "keep one")
        for name in dict.fromkeys(columns)
        if columns.count(name) > 1
    ]
    tables = []
    for number, cells in lines[1:]:
        where = f"{path}: line {number}"
        if len(cells) > len(columns):
            counts = f"{len(cells)} cells under {len(columns)} columns"
            problems.append(Problem(where, counts, 'put text with a comma between "quotes"'))
        else:
            tables.append((where, _table(columns, cells, numbers)))
    return tables, problems


def _lines(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Returns the lines that are not empty, each with its number."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: {error}") from error


def _table(columns: Sequence[str], cells: Sequence[str], numbers: Collection[str]) -> Table:
    """Returns the values of one line by column; an empty cell has none."""
    texts = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if cell.strip()}
    table: dict[str, Any] = {}
    for name, text in texts.items():
        if name in LISTS:
            table[name] = [part.strip() for part in text.split(BETWEEN)]
        elif name in WORDS:
            table[name] = text
        elif name in numbers:
            table[name] = read_number(text)
    return table
