"""`soundstage top`: the engines of a running server, their streams, slack and moves."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from soundstage.apps.commands.command import command
from soundstage.apps.commands.options import AsJson
from soundstage.apps.commands.serve import TOKEN_VARIABLE
from soundstage.apps.commands.server_health import fetch, server_address
from soundstage.errors import InputError, UsageError

EXAMPLES = """Examples:

soundstage top

soundstage top http://10.0.0.7:8080 --every 2

soundstage top --json"""

# A metric's name without `soundstage_engine_`, its column, and how a value is shown.
COLUMNS = (
    ("streams", "streams", "{:.0f}"),
    ("capacity", "fit", "{:.0f}"),
    ("spare", "time left", "{:.0%}"),
    ("rtf", "tick/chunk", "{:.2f}"),
    ("slack_seconds", "slack s", "{:.2f}"),
    ("least_slack_seconds", "least s", "{:.2f}"),
    ("ticks_total", "ticks", "{:.0f}"),
    ("underruns_total", "late", "{:.0f}"),
    ("losses_total", "lost", "{:.0f}"),
)
TIMEOUT_S = 10.0
PREFIX, ENGINE = "soundstage_", "engine_"


@command
def top(
    url: Annotated[
        str | None,
        typer.Argument(
            metavar="URL",
            help="The server's address, http:// or https://; left out = that of the server that "
            "runs on this machine, found by its command line (Linux).",
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(metavar="TOKEN", help=f"The server's token, if {TOKEN_VARIABLE} has none."),
    ] = None,
    every: Annotated[
        float,
        typer.Option(
            min=0,
            max=3600,
            metavar="SECONDS",
            help="Print again after so many seconds, until Ctrl-C; 0 = print once.",
        ),
    ] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Print the engines of a server: streams, how many fit, time left, slack, late chunks, moves.

    The figures are those of its `/metrics`. Certificates are not checked, as with `health`.
    """
    address = server_address(url)
    secret = token or os.environ.get(TOKEN_VARIABLE)
    while True:
        figures = read_figures(fetch(f"{address}/metrics", TIMEOUT_S, secret))
        if as_json:
            print(json.dumps(figures), flush=True)
        else:
            print("\n".join(lines_of(figures)), flush=True)
        if not every:
            return
        time.sleep(every)


def read_figures(text: str) -> dict[str, Any]:
    """Reads the metrics of a server.

    Args:
        text: in Prometheus' text format.

    Returns:
        By the names of the metrics without `soundstage_`, the values of those without labels;
        "moves", by reason; "engine", by the engine's number, its figures.

    Raises:
        UsageError: the extra `serve` is not installed.
        InputError: the text holds no metrics of soundstage.
    """
    try:
        from prometheus_client.parser import text_string_to_metric_families
    except ModuleNotFoundError as error:
        cure = "in soundstage's source folder, run pip install '.[serve]'"
        raise UsageError(f"top needs prometheus-client, which is not installed: {cure}") from error
    figures: dict[str, Any] = {"moves": {}, "engine": {}}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name.removeprefix(PREFIX)
            if "engine" in sample.labels:
                entry = figures["engine"].setdefault(sample.labels["engine"], {})
                entry[name.removeprefix(ENGINE)] = sample.value
            elif "reason" in sample.labels:
                figures["moves"][sample.labels["reason"]] = sample.value
            elif not sample.labels:
                figures[name] = sample.value
    if "streams" not in figures:
        raise InputError("the answer holds no metrics of `soundstage serve`: check the address")
    return figures


def lines_of(figures: dict[str, Any]) -> Iterator[str]:
    """Yields the figures as lines: a summary, and a line for each engine."""
    moves = ", ".join(f"{count:.0f} {reason}" for reason, count in figures["moves"].items())
    yield (
        f"{figures['streams_playing']:.0f} of {figures['streams']:.0f} streams play, "
        f"{figures['capacity']:.0f} fit; late chunks {figures['underruns_total']:.0f}; "
        f"moves: {moves or 'none'}"
    )
    least, most = figures.get("engines_least", 1.0), figures.get("engines_most", 1.0)
    if least < most:
        yield (
            f"{figures['engines']:.0f} engines of {least:.0f} to {most:.0f}; "
            f"{figures['engines_added_total']:.0f} added, "
            f"{figures['engines_removed_total']:.0f} removed"
        )
    header = ["engine", "state", *(column for _, column, _ in COLUMNS)]
    rows = [
        [number, _state(entry), *_cells(entry)]
        for number, entry in sorted(figures["engine"].items(), key=lambda item: int(item[0]))
    ]
    widths = [max(map(len, cells)) for cells in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))


def _state(entry: dict[str, float]) -> str:
    if not entry.get("warm", 1.0):
        return "starts"
    return "ready" if entry["ready"] else "away"


def _cells(entry: dict[str, float]) -> list[str]:
    return [form.format(entry[name]) if name in entry else "-" for name, _, form in COLUMNS]
