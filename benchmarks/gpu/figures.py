"""The figures that `on_gpu.py` collects: a JSON file that grows step by step, and its tables."""

from __future__ import annotations

import argparse
import json
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def peak_gb(device: Any) -> float:
    stats = device.memory_stats()
    if stats:
        return stats["peak_bytes_in_use"] / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # the process, on a CPU


def tables(figures: Mapping[str, Any]) -> str:
    """Returns the figures as Markdown."""
    lines: list[str] = []
    for key, found in figures.items():
        lines += [f"### {key}", "", *_table(found), ""]
    return "\n".join(lines)


def _table(found: Any) -> list[str]:
    """Returns a table with one line for each entry; entries that are dicts get columns."""
    if not isinstance(found, Mapping):
        return [str(found)]
    flat = {name: _flat(each) for name, each in found.items()}
    columns = list(dict.fromkeys(column for each in flat.values() for column in each))
    head = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    return head + [
        f"| {name} | " + " | ".join(_cell(each.get(column, "")) for column in columns) + " |"
        for name, each in flat.items()
    ]


def _flat(value: Any, before: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {before or "value": value}
    flat: dict[str, Any] = {}
    for name, each in value.items():
        flat |= _flat(each, f"{before} {name}".strip())
    return flat


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def key(args: argparse.Namespace) -> str:
    """Returns the name of a step's figures in the file."""
    if args.step in ("machine", "parity", "fused"):
        return args.step
    products = "" if args.products == "auto" else f" {args.products}"
    size = "" if args.step == "frames" else f" {args.size}"
    return f"{args.step}{products}{size}, {' '.join(map(str, args.rows))}"


def kept(args: argparse.Namespace) -> dict[str, Any]:
    """Returns what the step has found before it failed."""
    return _figures(args.json).get(key(args), {})


def _figures(path: Path | None) -> dict[str, Any]:
    return json.loads(path.read_text()) if path and path.exists() else {}


def keep(args: argparse.Namespace, found: Any) -> None:
    """Writes what a step has found so far into the file, beside the figures of other steps."""
    if args.json is None:
        return
    figures = _figures(args.json)
    whole = args.json.with_suffix(".new")
    whole.write_text(json.dumps(figures | {key(args): found}, indent=1) + "\n")
    whole.replace(args.json)
