"""A plan as people and programs read it: the table of times, two predictions, what to paste."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json import dumps
from typing import Any

from soundstage.graph.spec import PlacementSpec
from soundstage.runners.timing.planner import Machines, Prediction
from soundstage.runners.timing.stage_times import Measured, seconds_for


@dataclass(frozen=True)
class PlacementPlan:
    """What `soundstage plan` found.

    Attributes:
        measured: what the stages took.
        machines: what there is to run on.
        present: how the present placement does.
        proposed: the proposal; equal to `present` if none is faster.
        chunk_s: how much music a chunk is.
        deadline_s: how often there must be a chunk.
    """

    measured: Measured
    machines: Machines
    present: Prediction
    proposed: Prediction
    chunk_s: float
    deadline_s: float

    def lines(self) -> Iterator[str]:
        """For people."""
        measured, rows = self.measured, self.proposed.rows
        yield f"pipeline {measured.spec.name}, {measured.ticks} chunks measured, {rows} row(s)"
        yield ""
        yield from self._table()
        yield ""
        yield from self._said("present", self.present)
        if self.proposed is self.present:
            yield "proposed  the present placement: none is faster on these devices"
        else:
            yield from self._said("proposed", self.proposed)
        met = "met" if self.proposed.tick_s <= self.deadline_s else "MISSED"
        spare_s = self.deadline_s - self.proposed.tick_s
        yield f"deadline  a chunk every {self.deadline_s:g} s: {met}, {_ms(spare_s)} to spare"
        yield from self._cautions()
        yield ""
        yield "[placement]"
        yield from (f"{name} = {toml(entry)}" for name, entry in self.proposed.placement.items())
        yield ""
        yield self.options()

    def as_dict(self) -> dict[str, Any]:
        """For programs: seconds, and stages by name."""
        rows = self.proposed.rows
        return {
            "pipeline": self.measured.spec.name,
            "rows": rows,
            "chunks_measured": self.measured.ticks,
            "stages": {
                name: {
                    "steady_s": seconds_for(times.steady_s, rows),
                    "steered_s": seconds_for(times.steered_s, rows),
                }
                for name, times in self.measured.times.items()
            },
            "present": self._as_dict(self.present),
            "proposed": self._as_dict(self.proposed),
            "deadline_s": self.deadline_s,
            "meets_deadline": self.proposed.tick_s <= self.deadline_s,
            "cautions": list(self._cautions()),
        }

    def options(self) -> str:
        """The proposal as options of a command."""
        words = []
        for name, entry in self.proposed.placement.items():
            words += ["--place", f"{name}={option(entry)}"]
        return shlex.join([*words, "--window", str(self.proposed.window)])

    def _table(self) -> Iterator[str]:
        rows, names = self.proposed.rows, list(self.measured.spec.stage)
        spec = self.measured.spec
        then = spec.model_copy(update={"placement": dict(self.proposed.placement)})
        width = max(len("stage"), *map(len, names))
        yield f"{'stage':<{width}}  ms a chunk  after a steer  present     proposed"
        for name, times in self.measured.times.items():
            steady = 1000 * seconds_for(times.steady_s, rows)
            steered = 1000 * seconds_for(times.steered_s, rows)
            places = f"{spec.placement_of(name)!s:<10}  {then.placement_of(name)}"
            yield f"{name:<{width}}  {steady:10.1f}  {steered:13.1f}  {places}"

    def _said(self, title: str, prediction: Prediction) -> Iterator[str]:
        tick = f"a chunk every {_ms(prediction.tick_s)}"
        yield f"{title:<10}{tick}: {self._speed(prediction)}; {limit(prediction)}"
        path = " -> ".join(prediction.path)
        yield f"{'':10}steer to audio {_ms(prediction.latency_s)}: {path}"

    def _speed(self, prediction: Prediction) -> str:
        if not prediction.tick_s:
            return "faster than can be told"
        streams = prediction.rows * self.chunk_s / prediction.tick_s
        return f"{1 / prediction.tick_s:.2f} chunks/s, {streams:.1f} streams in real time"

    def _cautions(self) -> Iterator[str]:
        """What the prediction takes for granted and was not measured."""
        if self.present.gpus > self.machines.all_gpus:
            yield (
                f"caution   the present placement names {self.present.gpus} GPUs; there are "
                f"{self.machines.all_gpus}"
            )
        known = {rows for times in self.measured.times.values() for rows in times.steady_s}
        spec = self.measured.spec.model_copy(update={"placement": dict(self.proposed.placement)})
        split = any(spec.placement_of(name).replicas > 1 for name in spec.stage)
        if len(known) == 1 and (split or self.proposed.rows not in known):
            yield (
                f"caution   measured with {min(known)} row(s) alone: other numbers are taken in "
                "proportion; give another timeline as well"
            )

    def _as_dict(self, prediction: Prediction) -> dict[str, Any]:
        tick_s = prediction.tick_s
        return {
            "placement": {
                name: entry if isinstance(entry, str) else _given(entry)
                for name, entry in prediction.placement.items()
            },
            "tick_s": tick_s,
            "chunks_per_s": 1 / tick_s if tick_s else None,
            "streams_in_real_time": prediction.rows * self.chunk_s / tick_s if tick_s else None,
            "steer_to_audio_s": prediction.latency_s,
            "path": list(prediction.path),
            "cycle_s": prediction.cycle_s,
            "cycle": list(prediction.cycle),
            "limit": limit(prediction),
            "window": prediction.window,
            "gpus": prediction.gpus,
        }


def limit(prediction: Prediction) -> str:
    """What keeps a tick from being shorter."""
    if prediction.limited_by_cycle:
        ring = " -> ".join([*prediction.cycle, prediction.cycle[0]])
        return f"limited by the feedback cycle {ring}, which no pipelining beats"
    busiest = prediction.busiest
    return f"limited by {busiest.device}, busy with {', '.join(busiest.stages)}"


def toml(entry: str | PlacementSpec) -> str:
    """One entry of `[placement]`, as a file has it."""
    return dumps(entry, ensure_ascii=False) if isinstance(entry, str) else _table(_given(entry))


def option(entry: str | PlacementSpec) -> str:
    """One entry, as `--place` takes it behind `STAGE=`."""
    return entry if isinstance(entry, str) else toml(entry)


def _given(entry: PlacementSpec) -> dict[str, Any]:
    return {"device": entry.device} | entry.model_dump(exclude_defaults=True)


def _table(values: Mapping[str, Any]) -> str:
    pairs = (f"{_key(key)} = {_value(value)}" for key, value in values.items())
    return "{ " + ", ".join(pairs) + " }"


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() and name.isascii() else dumps(name)


def _value(value: Any) -> str:
    return _table(value) if isinstance(value, Mapping) else dumps(value, ensure_ascii=False)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.{0 if abs(seconds) >= 0.01 else 1}f} ms"
