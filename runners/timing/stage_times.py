"""Reads the times of stages from timelines, as input of the planner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError
from itertools import pairwise
from math import inf, isfinite
from pathlib import Path
from statistics import median
from typing import Any

from soundstage.documents import DocumentError, read_json
from soundstage.errors import InputError
from soundstage.graph.placement import placement_problems
from soundstage.graph.problem import PipelineError, suggest
from soundstage.graph.spec import PipelineSpec, parse
from soundstage.runners.timing.critical_path import in_order
from soundstage.runners.wiring import split

_WORK = frozenset({"transfer", "compute", "reuse"})
_LANE = " (replica "
_CURE = "write one with `soundstage generate --trace FILE.json`"


@dataclass(frozen=True)
class StageTimes:
    """The seconds of one replica of a stage for one tick, by its number of rows.

    Attributes:
        steady_s: median over all ticks; small if most ticks reused an earlier output.
        steered_s: median over the ticks in which the stage computed.
    """

    steady_s: Mapping[int, float]
    steered_s: Mapping[int, float]


@dataclass(frozen=True)
class Measured:
    """The measured times of a pipeline's stages.

    Attributes:
        spec: the pipeline that ran, with its placement.
        times: the times of every stage.
        rows: the greatest number of rows of a tick.
        ticks: the number of ticks of all timelines.
        assumed: the stages whose times were not measured but given.
    """

    spec: PipelineSpec
    times: Mapping[str, StageTimes]
    rows: int
    ticks: int
    assumed: frozenset[str] = frozenset()

    def with_times(self, assumed_s: Mapping[str, Mapping[int, float]]) -> Measured:
        """Returns the same with times of other devices in place of the measured ones.

        Args:
            assumed_s: seconds of a tick by the number of rows, of some stages.

        Raises:
            InputError: a stage is not in the pipeline.
        """
        for name in assumed_s:
            if name not in self.times:
                cure = suggest(name, self.times) or f"its stages are {', '.join(self.times)}"
                raise InputError(f"{self.spec.name} has no stage {name!r}; {cure}")
        given = {name: StageTimes(by_rows, by_rows) for name, by_rows in assumed_s.items()}
        return replace(self, times={**self.times, **given}, assumed=frozenset(assumed_s))


def seconds_for(measured_s: Mapping[int, float], rows: int) -> float:
    """Estimates the time for a number of rows from the times for other numbers.

    Between two measured numbers, the time is interpolated linearly. Beyond them it is extrapolated,
    but never falls and never grows faster than the number of rows. A single measurement is scaled
    by the number of rows.

    Args:
        measured_s: seconds by number of rows, at least one entry.
        rows: the number of rows, at least 1.
    """
    known = sorted(measured_s)
    if rows in measured_s:
        return measured_s[rows]
    if len(known) == 1:
        return measured_s[known[0]] * rows / known[0]
    low, high = next((pair for pair in pairwise(known) if rows < pair[1]), (known[-2], known[-1]))
    slope_s = (measured_s[high] - measured_s[low]) / (high - low)
    on_line_s = measured_s[low] + (rows - low) * slope_s
    if low < rows < high:
        return on_line_s
    nearest = low if rows < low else high
    in_proportion_s = measured_s[nearest] * rows / nearest
    least_s, most_s = sorted((in_proportion_s, measured_s[nearest]))
    return min(max(on_line_s, least_s), most_s)


def read_times(paths: Sequence[Path]) -> Measured:
    """Reads timelines of one pipeline, which may have different numbers of rows.

    Args:
        paths: files that `--trace` wrote; at least one.

    Raises:
        InputError: a file is not a timeline, lacks stages, or is of another graph than the first.
        PipelineError: the pipeline of a timeline is not valid.
    """
    documents = [(path, _read(path)) for path in paths]
    specs = [_spec(path, document) for path, document in documents]
    for path, spec in zip(paths, specs, strict=True):
        if spec.digest() != specs[0].digest():
            raise InputError(f"{path}: is of another graph than {paths[0]}")
    ticks: dict[str, dict[int, list[_Tick]]] = {}
    total = rows = 0
    for (path, document), spec in zip(documents, specs, strict=True):
        replicas = {name: spec.placement_of(name).replicas for name in spec.stage}
        own_ticks = list(_ticks(path, document["traceEvents"], replicas))
        lacking = [name for name in spec.stage if name not in {tick.stage for tick in own_ticks}]
        if lacking:
            raise InputError(f"{path}: lacks the stages {', '.join(lacking)}; {_CURE}")
        for tick in own_ticks:
            ticks.setdefault(tick.stage, {}).setdefault(tick.rows, []).append(tick)
        total += max(_count(own_ticks, name) for name in spec.stage)
        rows = max(rows, *(tick.of_rows for tick in own_ticks))
    return Measured(specs[0], {name: _times(ticks[name]) for name in specs[0].stage}, rows, total)


def read_assumed(words: Iterable[str]) -> dict[str, dict[int, float]]:
    """Reads "STAGE=SECONDS" and "STAGE=SECONDS@ROWS" as seconds by stage and number of rows.

    Raises:
        InputError: a word has another form, or a number is not positive.
    """
    assumed_s: dict[str, dict[int, float]] = {}
    for word in words:
        name, _, value = word.partition("=")
        seconds, at, rows = value.partition("@")
        try:
            number = int(rows) if at else 1
            time_s = float(seconds)
        except ValueError:
            number, time_s = 0, 0.0
        if not name or number < 1 or not 0 < time_s < inf:
            raise InputError(
                f"{word!r} is no time of a stage; write STAGE=SECONDS or STAGE=SECONDS@ROWS, e.g. "
                "sample=0.185@16"
            )
        assumed_s.setdefault(name, {})[number] = time_s
    return assumed_s


@dataclass(frozen=True)
class _Tick:
    """One replica of a stage in one tick: its rows of the tick's `of_rows`, and its time."""

    stage: str
    replica: int
    rows: int
    of_rows: int
    seconds: float
    computed: bool


def _count(ticks: Sequence[_Tick], stage: str) -> int:
    return sum(tick.stage == stage and tick.replica == 0 for tick in ticks)


def _times(by_rows: Mapping[int, Sequence[_Tick]]) -> StageTimes:
    steady_s, steered_s = {}, {}
    for rows, ticks in by_rows.items():
        steady_s[rows] = median(tick.seconds for tick in ticks)
        computed = [tick.seconds for tick in ticks if tick.computed]
        steered_s[rows] = median(computed) if computed else steady_s[rows]
    return StageTimes(steady_s, steered_s)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document = read_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except DocumentError as error:
        raise InputError(f"{path}: is no timeline: {error}; {_CURE}") from error
    if not isinstance(document, dict) or not isinstance(document.get("traceEvents"), list):
        raise InputError(f"{path}: is no timeline: it has no traceEvents; {_CURE}")
    return document


def _spec(path: Path, document: Mapping[str, Any]) -> PipelineSpec:
    metadata = document.get("otherData")
    tables = metadata.get("pipeline") if isinstance(metadata, dict) else None
    if not isinstance(tables, dict):
        raise InputError(f"{path}: is no timeline of soundstage: it names no pipeline; {_CURE}")
    spec = parse(tables)
    problems = [
        problem
        for name in spec.stage
        for problem in placement_problems(f"placement.{name}", spec.placement_of(name))
    ]
    if problems:
        raise PipelineError(problems)
    try:
        in_order(spec)
    except CycleError as error:
        raise InputError(f"{path}: its pipeline has a cycle without a delay") from error
    return spec


def _ticks(path: Path, events: Sequence[Any], replicas: Mapping[str, int]) -> Iterator[_Tick]:
    """Yields every tick of every lane; a tick starts with a "queue" or with another chunk."""
    try:
        lanes = {
            event["tid"]: _lane(event["args"]["name"])
            for event in events
            if event["ph"] == "M" and event["name"] == "thread_name"
        }
        work: dict[int, list[dict[str, Any]]] = {}
        for event in events:
            if event["ph"] == "X" and lanes[event["tid"]][0] in replicas:
                _check(event)
                work.setdefault(event["tid"], []).append(event)
        for tid, spans in work.items():
            stage, replica = lanes[tid]
            for group in _groups(sorted(spans, key=lambda span: float(span["ts"]))):
                rows = group[0]["args"]["rows"]
                part = split(rows, replicas[stage])[replica]
                seconds = sum(span["dur"] for span in group if span["cat"] in _WORK) / 1e6
                computed = any(span["cat"] == "compute" for span in group)
                yield _Tick(stage, replica, part.stop - part.start, rows, seconds, computed)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"{path}: is a damaged timeline ({error!r}); {_CURE}") from error


def _check(span: Mapping[str, Any]) -> None:
    if not isfinite(span["dur"]) or span["dur"] < 0:
        raise ValueError(f"a span of {span['dur']} us")
    if not isinstance(span["args"]["rows"], int) or span["args"]["rows"] < 1:
        raise ValueError(f"a tick of {span['args']['rows']} rows")


def _groups(spans: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    for span in spans:
        same_chunk = group and span["args"]["chunk"] == group[0]["args"]["chunk"]
        if _worked(group) and (span["cat"] == "queue" or not same_chunk):
            yield group
            group = []
        group.append(span)
    if _worked(group):
        yield group


def _worked(spans: Sequence[Mapping[str, Any]]) -> bool:
    return any(span["cat"] in _WORK for span in spans)


def _lane(name: str) -> tuple[str, int]:
    """Returns stage and replica of a lane, from its name in the timeline."""
    stage, separator, replica = name.partition(_LANE)
    return stage, int(replica.rstrip(")")) if separator else 0
