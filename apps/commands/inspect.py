"""The command `soundstage inspect`: prints the facts and the provenance of a file."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soundstage.apps.commands.command import command
from soundstage.apps.commands.options import Allow, AsJson
from soundstage.errors import UsageError

if TYPE_CHECKING:
    from soundstage.runners.made_by import MadeBy
    from soundstage.runners.sessions.files import SavedSession

EXAMPLES = """Examples:

soundstage inspect out.wav --plot out.png

soundstage inspect evening.session --json"""


@command
def inspect(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="An audio file, a session, a journal or a trace of a recorded run."
        ),
    ],
    plot: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Draw waveform and spectrogram into this PNG file."),
    ] = None,
    as_json: AsJson = False,
    allow: Allow = None,
) -> None:
    """Print the facts of a file: length, loudness, silence, and what made it.

    For audio, prints the provenance in the file's tags. For a session, a journal or a recorded
    run, prints the pipeline, the weights and the number of chunks or ticks.
    """
    from soundstage.runners.traces.recorded_run import kind_of

    kind = kind_of(file) or "audio"
    if kind != "audio" and plot is not None:
        raise UsageError(f"--plot draws audio, but {file} is a {kind}")
    if plot is not None:
        from soundstage.apps.commands.same_files import refuse_inputs_as_outputs

        refuse_inputs_as_outputs([("--plot", plot)], [("FILE", file)])
    read = {
        "audio": _audio,
        "session": _session,
        "journal": _journal,
        "recorded run": _trace,
    }
    facts, lines = read[kind](file, tuple(allow or ()))
    if plot is not None:
        from soundstage.audio.plots import plot as draw

        draw(file, plot)
    if as_json:
        print(json.dumps(_plain(facts), indent=2, allow_nan=False))
        return
    for line in lines:
        print(_printable(line))


def _audio(file: Path, allow: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    from soundstage.audio.inspection import inspect as read

    facts = read(file)
    return asdict(facts), facts.lines()


def _session(file: Path, allow: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    from soundstage.runners.sessions.files import read_session

    return _saved(read_session(file), "session", allow)


def _journal(file: Path, allow: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    from soundstage.runners.sessions.journal_file import read_journal

    journal = read_journal(file)
    facts, lines = _saved(journal.session, "journal", allow)
    facts |= {
        "version": journal.version,
        "committed": journal.chunks,
        "samples": journal.samples,
    }
    counts = f"{journal.samples} samples, in {journal.chunks} chunks"
    return facts, [*lines, f"written     {counts}, by soundstage {journal.version}"]


def _saved(
    saved: "SavedSession", kind: str, allow: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    from soundstage.graph.check import build
    from soundstage.runners.sessions.provenance import describe
    from soundstage.version import version

    graph = build(saved.spec, allow)
    state, rows = saved.restore(graph, saved.weights)
    provenances = [
        describe(graph, saved.weights, row, (), chunk, version())
        for row, chunk in zip(rows, state.chunks, strict=True)
    ]
    facts = {
        "pipeline": graph.name,
        "graph": graph.digest,
        "streams": list(map(asdict, provenances)),
        "made_by": dict(saved.made_by.facts),
    }
    lines = [saved.path.name, f"{kind} of  pipeline {graph.name}, graph {graph.digest}"]
    for stream, provenance in zip(state.streams, provenances, strict=True):
        lines += [f"stream      {stream}"] if len(provenances) > 1 else []
        # The first line names the version that made an audio file; a session does not hold it.
        lines += provenance.lines()[1:]
    return facts, [*lines, *_made_by(saved.made_by)]


def _trace(file: Path, allow: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    from soundstage.runners.traces.trace import read_trace

    trace = read_trace(file)
    sizes: dict[str, int] = {}
    ticks = 0
    for entry in trace.entries():
        sizes[entry.stage] = sizes.get(entry.stage, 0) + len(entry.message)
        ticks = entry.tick + 1
    facts = {
        "pipeline": trace.spec.name,
        "graph": trace.graph_digest,
        "version": trace.version,
        "made_by": dict(trace.made_by.facts),
        "weights": dict(trace.weights),
        "ticks": ticks,
        "complete": trace.complete,
        "bytes": sizes,
    }
    ending = "" if trace.complete else ", cut short: the run was stopped"
    lines = [
        file.name,
        f"recorded by soundstage {trace.version}, pipeline {trace.spec.name}, "
        f"graph {trace.graph_digest}",
        f"ticks       {ticks}{ending}",
    ]
    lines += [f"messages    {stage}: {size / 1000:.1f} kB" for stage, size in sizes.items()]
    lines += [
        f"weights     {stage}: {entry['note']} ({entry['digest'][:12]})"
        for stage, entry in trace.weights.items()
    ]
    return facts, [*lines, *_made_by(trace.made_by)]


def _made_by(made_by: "MadeBy") -> list[str]:
    difference = made_by.difference()
    lines = [f"made with   {made_by}"] if made_by.facts else []
    return lines + ([f"warning     {difference}"] if difference else [])


def _plain(value: Any) -> Any:
    """Replaces floats that JSON cannot hold, such as the level of silence, by None."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else " " for c in line)
