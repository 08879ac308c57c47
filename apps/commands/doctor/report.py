"""The report of `soundstage doctor`, as text lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from soundstage.apps.commands.doctor.machine import Machine
from soundstage.apps.commands.doctor.measurement import Examination
from soundstage.graph.plan import Graph
from soundstage.runners.timing.stage_times import seconds_for


@dataclass(frozen=True)
class Diagnosis:
    """The result of `soundstage doctor`.

    Attributes:
        graph: the measured graph.
        machine: the machine.
        models: the path of every published model that the graph needs, by name; None = missing.
        missing: the error about missing models; "" if none is missing.
        examination: the measurements; None if models are missing.
        advice: sentences.
    """

    graph: Graph
    machine: Machine
    models: Mapping[str, str | None]
    missing: str
    examination: Examination | None
    advice: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """The verdict: "plays", "barely", "too slow" or "weights missing"."""
        return "weights missing" if self.examination is None else self.examination.verdict.word

    def lines(self) -> Iterator[str]:
        """Yields the report as lines of text."""
        note = f": {self.graph.spec.note}" if self.graph.spec.note else ""
        yield f"pipeline   {self.graph.name}{note}"
        yield from self._about_machine()
        for name, path in self.models.items():
            yield f"weights    {name}: {path or 'missing'}"
        if self.examination is None:
            yield ""
            yield f"verdict    cannot play yet: {self.missing}"
            return
        yield ""
        yield from self._table(self.examination)
        yield ""
        yield from self._about_run(self.examination)
        yield f"verdict    {self.examination.verdict}"
        yield from (f"advice     {sentence}" for sentence in self.advice)

    def as_dict(self) -> dict[str, Any]:
        """Returns the report as JSON values, in seconds and bytes."""
        machine = self.machine
        return {
            "pipeline": self.graph.name,
            "verdict": self.verdict,
            "advice": list(self.advice),
            "missing": self.missing or None,
            "models": dict(self.models),
            "measured": None if self.examination is None else self._as_dict(self.examination),
            "machine": {
                "processor": machine.processor,
                "cores": machine.cores,
                "load": machine.load,
                "memory_bytes": machine.memory_bytes,
                "available_bytes": machine.available_bytes,
                "system": machine.system,
                "versions": dict(machine.versions),
                "devices": list(machine.devices),
                "cache": {
                    "path": str(machine.cache.path),
                    "bytes": machine.cache.bytes,
                    "free_bytes": machine.cache.free_bytes,
                },
                "sound_devices": list(machine.sound),
                "players": list(machine.players),
            },
        }

    def _as_dict(self, examination: Examination) -> dict[str, Any]:
        verdict = examination.verdict
        return {
            "chunk_s": verdict.chunk_s,
            "chunks": examination.measured.ticks,
            "usual_s": verdict.usual_s,
            "worst_s": verdict.worst_s,
            "rtf": verdict.rtf,
            "margin": verdict.margin,
            "start_s": dict(examination.start_s),
            "first_chunk_s": examination.first_s,
            "peak_bytes": examination.peak_bytes,
            "stages": {
                name: {
                    "steady_s": seconds_for(times.steady_s, 1),
                    "steered_s": seconds_for(times.steered_s, 1),
                    "device": self._device(name),
                }
                for name, times in examination.measured.times.items()
            },
        }

    def _about_machine(self) -> Iterator[str]:
        machine = self.machine
        memory = ""
        if machine.memory_bytes is not None and machine.available_bytes is not None:
            memory = f", {_size(machine.memory_bytes)} memory"
            memory += f" ({_size(machine.available_bytes)} available)"
        load = "" if machine.load is None else f", load {machine.load:.1f}"
        yield f"machine    {machine.processor}, {machine.cores} cores{memory}{load}"
        yield f"system     {machine.system}"
        yield f"versions   {', '.join(f'{name} {text}' for name, text in machine.versions.items())}"
        yield f"devices    {', '.join(machine.devices)}"
        cache = machine.cache
        yield f"cache      {cache.path}: {_size(cache.bytes)}, {_size(cache.free_bytes)} free"
        yield f"sound      {', '.join(machine.sound) or machine.no_sound}"
        yield f"players    {', '.join(machine.players) or 'none found'}"

    def _table(self, examination: Examination) -> Iterator[str]:
        names = list(examination.measured.times)
        width = max(len("all together"), *map(len, names))
        yield f"{'stage':<{width}}  ms a chunk  of real time  after a steer  on"
        for name, times in examination.measured.times.items():
            steady, steered = seconds_for(times.steady_s, 1), seconds_for(times.steered_s, 1)
            yield f"{name:<{width}}  {self._row(steady, steered)}  {self._device(name)}"
        usual = self._row(
            examination.verdict.usual_s, max(examination.verdict.usual_s, examination.first_s)
        )
        yield f"{'all together':<{width}}  {usual}"

    def _row(self, steady_s: float, steered_s: float) -> str:
        share = 100 * steady_s / self.graph.format.chunk_s
        return f"{1000 * steady_s:10.1f}  {share:10.1f} %  {1000 * steered_s:13.1f}"

    def _device(self, stage: str) -> str:
        device = str(self.graph.nodes[stage].placement)
        return f"auto = {self.machine.devices[0].split()[0]}" if device == "auto" else device

    def _about_run(self, examination: Examination) -> Iterator[str]:
        verdict = examination.verdict
        names = {"compiling": "first chunk with compiling"}
        steps = [
            f"{names.get(name, name)} {seconds:.1f} s"
            for name, seconds in examination.start_s.items()
        ]
        whole_s = sum(examination.start_s.values())
        yield f"start      {', '.join(steps)}: {whole_s:.1f} s"
        worst = f"the slowest took {verdict.worst_s:.2f} s"
        yield f"chunks     {examination.measured.ticks} measured, {worst}"
        yield f"memory     {_size(examination.peak_bytes)} at most in this process"


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"
