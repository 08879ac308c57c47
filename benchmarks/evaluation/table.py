"""A report of tables, as JSON and as Markdown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from soundstage.documents import read_json

Cell: TypeAlias = str | float | int | None
Row: TypeAlias = Mapping[str, Cell]


@dataclass(frozen=True)
class Section:
    """One table.

    Attributes:
        title: the heading.
        note: how the values were measured and what to compare them with.
        rows: cells by column; all rows have the columns of the first.
    """

    title: str
    note: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Report:
    """The measurements of one run.

    Attributes:
        about: the pipeline, the corpus and the settings.
        sections: the tables.
    """

    about: Mapping[str, Cell]
    sections: Sequence[Section]


def to_json(report: Report) -> str:
    """Returns a report as JSON, with unrounded values."""
    return json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> Report:
    """Reads a report that `to_json` wrote.

    Raises:
        ValueError: the text is no report.
    """
    try:
        record = read_json(text)
        return Report(record["about"], [Section(**section) for section in record["sections"]])
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a report of a model: {error}") from error


def to_markdown(report: Report) -> str:
    """Returns a report as Markdown: one table a section, values with three digits."""
    parts = ["\n".join(f"- {name}: {_cell(value)}" for name, value in report.about.items())]
    for section in report.sections:
        parts += [f"## {section.title}", " ".join(section.note.split())]
        if section.rows:
            parts.append(_table(section.rows))
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[Row]) -> str:
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(row[column]) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        rounded = f"{value:.3g}"
        return f"{value:.0f}" if "e+" in rounded else rounded
    return str(value).replace("|", "\\|")
