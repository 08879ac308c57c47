"""The timeline of a run: a trace-event JSON file, for ui.perfetto.dev or chrome://tracing.

Each stage has a lane with its spans. Arrows show the messages; those of feedback end in the next
tick. Marks show when a listener needs each chunk, and a counter how late the chunk is. Events are
written as they occur, one a line; the file appears when the run has ended without an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from soundstage.files import growing, reporting
from soundstage.graph.plan import FromPast, FromStage, Graph
from soundstage.runners.runner import Chunk
from soundstage.runners.spans import Span
from soundstage.runners.timing.timings import Timings

_PID = 1
_PLAYBACK_TID = 1
_REPLICAS = 1000  # lanes are sorted by stage, then by replica


@dataclass
class _Run:
    """Consecutive ticks of one session, or of one batch of variants.

    Attributes:
        start_s: the start of the first chunk.
        last: the last chunk.
        made: the number of chunks.
        marked: the number of chunks with a mark.
        end_s: the end of the last chunk.
    """

    start_s: float
    last: Chunk
    made: int = 0
    marked: int = 0
    end_s: float = field(default=float("-inf"))

    def continues_with(self, chunk: Chunk) -> bool:
        return chunk.tick.streams == self.last.tick.streams and chunk.tick.chunks == tuple(
            index + 1 for index in self.last.tick.chunks
        )


class TimelineWriter:
    """A writer of a timeline, from `open_timeline`.

    Attributes:
        timings: the times of the stages so far.
    """

    def __init__(self, path: Path, stream: BinaryIO, graph: Graph) -> None:
        self.timings = Timings()
        self._path = path
        self._stream = stream
        self._graph = graph
        self._lanes: dict[tuple[str, int], int] = {}
        self._run: _Run | None = None
        self._origin_s: float | None = None
        self._ids = 0
        self._separator = ""

    def write(self, chunk: Chunk) -> None:
        """Appends one chunk's spans, arrows, mark and lateness; ignores a chunk without spans.

        Raises:
            OutputError: the file cannot be written.
        """
        self.timings.add(chunk)
        if not chunk.spans:
            return
        if self._origin_s is None:
            self._origin_s = min(span.start_s for span in chunk.spans)
        start_s, end_s = _extent(chunk.spans)
        if self._run is None or not self._run.continues_with(chunk):
            self._end_run()
            self._run = _Run(start_s, chunk)
        for span in chunk.spans:
            self._write_span(span, len(chunk.tick.streams))
        self._write_arrows(chunk, self._run.last)
        self._write_life(chunk, start_s, end_s)
        self._run.last = chunk
        self._run.made += 1
        self._run.end_s = end_s
        self._write_lateness(self._run)
        while self._run.marked < self._run.made and self._due_s(self._run) <= end_s:
            self._write_mark(self._run)

    def start(self, version: str) -> None:
        """Writes the part before the first event."""
        spec = self._graph.spec.as_dict()
        metadata = {
            "software": f"soundstage {version}",
            "graph": self._graph.digest,
            "pipeline": spec,
        }
        head = {"displayTimeUnit": "ms", "otherData": metadata}
        self._write_text(json.dumps(head)[:-1] + ', "traceEvents": [')
        self._name("process_name", 0, name=f"soundstage: {self._graph.name}")
        self._name_lane(_PLAYBACK_TID, "playback", 0)

    def end(self) -> None:
        """Writes the part after the last event."""
        self._end_run()
        self._write_text("\n]}\n")

    def _write_span(self, span: Span, rows: int) -> None:
        start_us, end_us = self._us(span.start_s), self._us(span.end_s)
        lane = self._lane(span)
        args = {"chunk": span.tick, "rows": rows}
        duration_us = round(end_us - start_us, 3)
        self._event("X", span.kind, span.kind, start_us, lane, dur=duration_us, args=args)

    def _write_arrows(self, chunk: Chunk, before: Chunk) -> None:
        """Writes an arrow for each message; those of feedback start in the tick before."""
        now, past = _by_stage(chunk.spans), _by_stage(before.spans)
        for node in self._graph.nodes.values():
            feeds: dict[tuple[str, bool], None] = {}
            for source in node.sources.values():
                if isinstance(source, FromStage | FromPast):
                    feeds[source.stage, isinstance(source, FromPast)] = None
            for stage, is_past in feeds:
                if is_past and before is chunk:
                    continue  # there is no tick before the first one
                sent = (past if is_past else now).get(stage, {})
                for spans in now.get(node.name, {}).values():
                    self._write_arrow(_last(sent.values()), spans[0], is_past)

    def _write_arrow(self, tail: Span | None, head: Span, is_past: bool) -> None:
        if tail is None:
            return
        self._ids += 1
        name = f"{tail.stage} to {head.stage}"
        kind = "feedback" if is_past else "message"
        # The middle of a span, not its end, is certainly in no other span.
        middle_us = self._us((tail.start_s + tail.end_s) / 2)
        self._event("s", name, kind, middle_us, self._lane(tail), id=self._ids)
        start_us = self._us(head.start_s)
        self._event("f", name, kind, start_us, self._lane(head), id=self._ids, bp="e")

    def _write_life(self, chunk: Chunk, start_s: float, end_s: float) -> None:
        self._ids += 1
        args = {"chunk": chunk.tick.chunks[0]}
        # One name for all: a viewer gives each name its own track.
        for ph, moment_s in (("b", start_s), ("e", end_s)):
            ts = self._us(moment_s)
            self._event(ph, "chunk", "chunk", ts, _PLAYBACK_TID, id=self._ids, args=args)

    def _write_lateness(self, run: _Run) -> None:
        late_s = run.end_s - run.start_s - run.made * self._graph.format.chunk_s
        ts = self._us(run.end_s)
        self._event("C", "lateness", "deadline", ts, 0, args={"s": round(late_s, 6)})

    def _write_mark(self, run: _Run) -> None:
        index = run.last.tick.chunks[0] - (run.made - 1) + run.marked
        due_us = self._us(self._due_s(run))
        self._event("i", f"chunk {index} due", "deadline", due_us, _PLAYBACK_TID, s="t")
        run.marked += 1

    def _due_s(self, run: _Run) -> float:
        """Returns the deadline of the next chunk without a mark, in real time from the start."""
        return run.start_s + (run.marked + 1) * self._graph.format.chunk_s

    def _end_run(self) -> None:
        """Writes one mark after the end, which shows the time left; more would stretch the view."""
        if self._run is not None and self._run.marked < self._run.made:
            self._write_mark(self._run)

    def _lane(self, span: Span) -> int:
        key = (span.stage, span.replica)
        if key not in self._lanes:
            self._lanes[key] = _PLAYBACK_TID + 1 + len(self._lanes)
            name = span.stage + (f" (replica {span.replica})" if span.replica else "")
            order = (1 + list(self._graph.nodes).index(span.stage)) * _REPLICAS + span.replica
            self._name_lane(self._lanes[key], name, order)
        return self._lanes[key]

    def _name_lane(self, tid: int, name: str, order: int) -> None:
        self._name("thread_name", tid, name=name)
        self._name("thread_sort_index", tid, sort_index=order)

    def _name(self, what: str, tid: int, **args: str | int) -> None:
        self._event("M", what, "__metadata", 0.0, tid, args=args)

    def _event(self, ph: str, name: str, cat: str, ts: float, tid: int, **more: Any) -> None:
        event = {"ph": ph, "name": name, "cat": cat, "ts": ts, "pid": _PID, "tid": tid, **more}
        self._write_text(f"{self._separator}\n{json.dumps(event, allow_nan=False)}")
        self._separator = ","

    def _write_text(self, text: str) -> None:
        with reporting(self._path):
            self._stream.write(text.encode())

    def _us(self, moment_s: float) -> float:
        """Microseconds since the first span, to the nanosecond."""
        assert self._origin_s is not None
        return round((moment_s - self._origin_s) * 1e6, 3)


@contextmanager
def open_timeline(path: Path, graph: Graph, version: str) -> Iterator[TimelineWriter]:
    """Opens a timeline; the file appears when the block ends without an exception.

    Args:
        path: the file.
        graph: the graph that runs.
        version: soundstage's version.

    Yields:
        The writer.

    Raises:
        OutputError: the file cannot be written.
    """
    with growing(path) as stream:
        writer = TimelineWriter(path, stream, graph)
        writer.start(version)
        yield writer
        writer.end()


def _extent(spans: Iterable[Span]) -> tuple[float, float]:
    """Returns the start of the first and the end of the last span that is not a queue."""
    work = [span for span in spans if span.kind != "queue"]
    return min(span.start_s for span in work), max(span.end_s for span in work)


def _by_stage(spans: Iterable[Span]) -> Mapping[str, Mapping[int, list[Span]]]:
    """Returns the spans of each stage and replica, in order, without queues."""
    by_stage: dict[str, dict[int, list[Span]]] = {}
    for span in spans:
        if span.kind != "queue":
            by_stage.setdefault(span.stage, {}).setdefault(span.replica, []).append(span)
    return by_stage


def _last(lanes: Iterable[list[Span]]) -> Span | None:
    """Returns the last span of a stage, in which it sent its message."""
    return max((lane[-1] for lane in lanes), key=lambda span: span.end_s, default=None)
