"""Writes chunks to audio files, one for each row, and shows audio in a notebook."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from soundstage.audio.html_player import MEDIA_TYPES, html_player, player_of
from soundstage.audio.source import SampleArray
from soundstage.audio.writer import open_writer
from soundstage.errors import InputError, StageError, UsageError
from soundstage.graph.format import Format
from soundstage.graph.plan import Graph
from soundstage.runners.sessions.provenance import describe
from soundstage.runners.traces.message_columns import read_columns
from soundstage.version import version

if TYPE_CHECKING:
    from soundstage.audio.provenance import Provenance
    from soundstage.runners.runner import Chunk

# A file, or a list of files, one for each row.
Paths: TypeAlias = str | Path | Sequence[str | Path]
# The most bytes of a file that are copied into a notebook.
MOST_EMBEDDED_BYTES = 16 << 20


@dataclass(frozen=True)
class Recording:
    """Audio that was written to files; a notebook shows a player for each.

    Attributes:
        paths: the files, one for each row.
        seconds: the duration of each.
        clipped_samples: samples, over all channels and files, that exceeded full scale and were
            cut off.
    """

    paths: tuple[Path, ...]
    seconds: float
    clipped_samples: int

    def _repr_html_(self) -> str:
        return "".join(map(_file_player, self.paths))


@dataclass(frozen=True)
class RecordingPlan:
    """What is written to the files.

    Attributes:
        graph: the graph that makes the chunks.
        weights: digest and note of every stage with weights, by stage.
        rows: per row, every control's value.
        count: the number of chunks.
        samples: samples per channel; the last chunk may have more.
    """

    graph: Graph
    weights: Mapping[str, Mapping[str, str]]
    rows: Sequence[Mapping[str, Any]]
    count: int
    samples: int

    def provenance(self, row: int) -> Provenance:
        """Returns what makes a row, for the file's tags."""
        return describe(self.graph, self.weights, self.rows[row], (), self.count, version())


def plan_of(chunk: Chunk) -> RecordingPlan:
    """Returns the plan of a chunk's own audio."""
    samples = chunk.graph.format.dims["sample"]
    return RecordingPlan(chunk.graph, chunk.weights, chunk.tick.controls, 1, samples)


def chunks_of(seconds: float, format: Format) -> tuple[int, int]:
    """Returns the number of chunks of a duration, and its samples per channel.

    Raises:
        InputError: the duration is not a finite number of at least one sample.
    """
    number = float(seconds) if isinstance(seconds, int | float | np.number) else math.nan
    samples = round(number * format.sample_rate_hz) if math.isfinite(number) else 0
    if samples < 1:
        raise InputError(f"seconds = {seconds!r}: give a finite number above 0")
    return -(-samples // format.dims["sample"]), samples


def write_recording(paths: Paths, plan: RecordingPlan, chunks: Iterable[Chunk]) -> Recording:
    """Writes chunks to one file for each row; the files appear when all chunks are written.

    Args:
        paths: the .wav, .flac, .ogg or .mp3 files; one alone for one row.
        plan: what is written.
        chunks: the chunks; the first is made when all files are open.

    Raises:
        UsageError: the number of files is not that of the rows, or the graph makes no audio.
        OutputError: a file cannot be written.
        StageError: a sample is not finite.
    """
    files = _check_paths(paths, len(plan.rows))
    _refuse_no_sound(plan.graph)
    format = plan.graph.format
    rate_hz, channels = format.sample_rate_hz, format.channels
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                open_writer(path, rate_hz, channels, plan.provenance(row), plan.samples)
            )
            for row, path in enumerate(files)
        ]
        for chunk in chunks:
            for writer, audio in zip(writers, chunk.audio, strict=True):
                with naming_stage(chunk):
                    writer.write(audio[: plan.samples - writer.samples])
    clipped_samples = sum(writer.clipped_samples for writer in writers)
    return Recording(files, plan.samples / rate_hz, clipped_samples)


@contextmanager
def naming_stage(chunk: Chunk) -> Iterator[None]:
    """Adds to an error about a number that is not finite the stage that made the first of them.

    Args:
        chunk: the chunk whose audio the block writes.

    Raises:
        StageError: the block raised it.
    """
    try:
        yield
    except StageError as error:
        made = (name for name in chunk.graph.nodes if _is_not_finite(chunk.messages[name]))
        name = next(made, None)
        if name is None:
            raise
        what = f"{error}; the first such number is from the stage {name!r}"
        raise StageError(what) from error


def _is_not_finite(message: Any) -> bool:
    columns = read_columns(message).ports.values()
    numbers = [row for column in columns if column.dtype != "utf8" for row in column.rows]
    return not all(np.isfinite(row).all() for row in numbers)


def _check_paths(paths: Paths, rows: int) -> tuple[Path, ...]:
    """Returns the files of all rows.

    Raises:
        UsageError: their number is not that of the rows, or a file is named twice.
    """
    files = tuple(map(Path, [paths] if isinstance(paths, str | Path) else paths))
    if len(files) != rows:
        raise UsageError(
            f"{rows} row{'s' * (rows > 1)} and {len(files)} file{'s' * (len(files) != 1)}: give a "
            "list with one file for each row"
        )
    if len(set(files)) < rows:
        raise UsageError(f"{files[0]}: two rows cannot be written to one file")
    return files


def chunk_players(chunk: Chunk) -> str:
    """Returns a player for each row of a chunk, as HTML.

    Raises:
        UsageError: the graph makes no audio.
    """
    _refuse_no_sound(chunk.graph)
    plan, players = plan_of(chunk), []
    for row, audio in enumerate(chunk.audio):
        where = f"row {row}, " if len(plan.rows) > 1 else ""
        caption = f"{where}chunk {chunk.tick.chunks[row]}: {plan.provenance(row).title}"
        finite = np.nan_to_num(audio, posinf=0.0, neginf=0.0)
        players.append(player_of(SampleArray(finite, chunk.sample_rate), caption))
    return "".join(players)


def _refuse_no_sound(graph: Graph) -> None:
    source = graph.outputs.get("audio")
    port = graph.port(source) if source is not None else None
    if port is None or port.dtype != "float32" or port.shape != ("sample", "channel"):
        kind = f"{port.dtype} {list(port.shape)}" if port is not None else "missing"
        raise UsageError(
            f"the pipeline {graph.name!r} makes no audio that can be written: its output audio is "
            f"{kind}, and not float32 ['sample', 'channel']"
        )


def _file_player(path: Path) -> str:
    from soundstage.audio.reader import open_audio  # late: WAV is written without libsndfile

    media_type = MEDIA_TYPES.get(path.suffix.lower())
    if media_type is None:  # standard output
        return ""
    try:
        with open_audio(path) as source:
            embedded = path.stat().st_size <= MOST_EMBEDDED_BYTES
            caption = str(path) if embedded else f"{path}: too long to be played here"
            encoded = path.read_bytes() if embedded else None
            return html_player(source, encoded, media_type, caption)
    except InputError as error:
        return f"<p>{escape(str(error))}</p>"
