"""The report of `soundstage plan`, as text lines and as JSON."""

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
    """The result of `soundstage plan`.

    Attributes:
        measured: the stages' measured times.
        machines: the machines to place stages on.
        present: the prediction for the present placement.
        proposed: the prediction for the proposal; `present` itself if none is faster.
        chunk_s: seconds of music in a chunk.
        deadline_s: the longest time between two chunks, in seconds.
        price: what all machines cost an hour, in any currency; None = not said.
    """

    measured: Measured
    machines: Machines
    present: Prediction
    proposed: Prediction
    chunk_s: float
    deadline_s: float
    price: float | None = None

    def lines(self) -> Iterator[str]:
        """Yields the report as lines of text."""
        measured, rows = self.measured, self.proposed.rows
        yield f"pipeline {measured.spec.name}, {measured.ticks} chunks measured, {rows} row(s)"
        yield ""
        yield from self._table()
        yield ""
        yield from self._prediction("present", self.present)
        if self.proposed is self.present:
            yield "proposed  the present placement: none is faster on these devices"
        else:
            yield from self._prediction("proposed", self.proposed)
        met = "met" if self.proposed.tick_s <= self.deadline_s else "MISSED"
        spare_s = self.deadline_s - self.proposed.tick_s
        yield f"deadline  a chunk every {self.deadline_s:g} s: {met}, {_ms(spare_s)} to spare"
        if (cost := self._cost(self.proposed)) is not None:
            yield f"cost      {cost:.3g} for an hour of music, with all streams in use"
        yield from self._cautions()
        yield ""
        yield "[placement]"
        yield from (f"{name} = {toml(entry)}" for name, entry in self.proposed.placement.items())
        yield ""
        yield self.options()

    def as_dict(self) -> dict[str, Any]:
        """Returns the report as JSON values, in seconds."""
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
        """Returns the proposed placement as the command-line options that set it."""
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

    def _prediction(self, title: str, prediction: Prediction) -> Iterator[str]:
        tick = f"a chunk every {_ms(prediction.tick_s)}"
        yield f"{title:<10}{tick}: {self._speed(prediction)}; {limit(prediction)}"
        path = " -> ".join(prediction.path)
        yield f"{'':10}steer to audio {_ms(prediction.latency_s)}: {path}"

    def _speed(self, prediction: Prediction) -> str:
        if not prediction.tick_s:
            return "too fast to measure"
        streams = self._streams(prediction)
        return f"{1 / prediction.tick_s:.2f} chunks/s, {streams:.1f} streams in real time"

    def _streams(self, prediction: Prediction) -> float:
        """The number of streams in real time; `tick_s` must not be 0."""
        return prediction.rows * self.chunk_s / prediction.tick_s

    def _cost(self, prediction: Prediction) -> float | None:
        if self.price is None or not prediction.tick_s:
            return None
        return self.price / self._streams(prediction)

    def _cautions(self) -> Iterator[str]:
        """Yields the assumptions of the prediction that were not measured."""
        if self.present.gpus > self.machines.all_gpus:
            yield (
                f"caution   the present placement names {self.present.gpus} GPUs, but the machines "
                f"have {self.machines.all_gpus}"
            )
        assumed = self.measured.assumed
        if assumed:
            yield f"caution   given with --time, not measured: {', '.join(sorted(assumed))}"
        measured = {
            name: self.measured.times[name] for name in self.measured.times.keys() - assumed
        }
        known = {rows for times in measured.values() for rows in times.steady_s}
        spec = self.measured.spec.model_copy(update={"placement": dict(self.proposed.placement)})
        split = any(spec.placement_of(name).replicas > 1 for name in spec.stage)
        if len(known) == 1 and (split or self.proposed.rows not in known):
            yield (
                f"caution   measured with {min(known)} row(s) alone: times for other numbers of "
                "rows are scaled in proportion; add a timeline with another number of rows"
            )

    def _as_dict(self, prediction: Prediction) -> dict[str, Any]:
        tick_s = prediction.tick_s
        return {
            "placement": {
                name: entry if isinstance(entry, str) else _fields(entry)
                for name, entry in prediction.placement.items()
            },
            "tick_s": tick_s,
            "chunks_per_s": 1 / tick_s if tick_s else None,
            "streams_in_real_time": self._streams(prediction) if tick_s else None,
            "cost_of_an_hour_of_music": self._cost(prediction),
            "steer_to_audio_s": prediction.latency_s,
            "path": list(prediction.path),
            "cycle_s": prediction.cycle_s,
            "cycle": list(prediction.cycle),
            "limit": limit(prediction),
            "window": prediction.window,
            "gpus": prediction.gpus,
        }


def limit(prediction: Prediction) -> str:
    """Returns what limits the length of a tick: a feedback cycle or a device."""
    if prediction.limited_by_cycle:
        cycle = " -> ".join([*prediction.cycle, prediction.cycle[0]])
        return f"limited by the feedback cycle {cycle}, which a larger window does not shorten"
    busiest = prediction.busiest
    return f"limited by {busiest.device}, busy with {', '.join(busiest.stages)}"


def toml(entry: str | PlacementSpec) -> str:
    """Returns an entry of `[placement]` as TOML."""
    return dumps(entry, ensure_ascii=False) if isinstance(entry, str) else _table(_fields(entry))


def option(entry: str | PlacementSpec) -> str:
    """Returns an entry as the value of `--place STAGE=`."""
    return entry if isinstance(entry, str) else toml(entry)


def _fields(entry: PlacementSpec) -> dict[str, Any]:
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
