"""A diagnosis as people and programs read it."""

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
    """What `soundstage doctor` found.

    Attributes:
        graph: what was examined.
        machine: where.
        models: every published model that it needs, with where it lies; None = not here.
        missing: what to do about models that are not here; "" if all are.
        found: what was measured; None if models are missing.
        advice: sentences.
    """

    graph: Graph
    machine: Machine
    models: Mapping[str, str | None]
    missing: str
    found: Examination | None
    advice: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """In a word: "plays", "barely", "too slow" or "weights missing"."""
        return "weights missing" if self.found is None else self.found.verdict.word

    def lines(self) -> Iterator[str]:
        """For people."""
        note = f": {self.graph.spec.note}" if self.graph.spec.note else ""
        yield f"pipeline   {self.graph.name}{note}"
        yield from self._about_machine()
        for name, path in self.models.items():
            yield f"weights    {name}: {path or 'not here'}"
        if self.found is None:
            yield ""
            yield f"verdict    cannot play yet: {self.missing}"
            return
        yield ""
        yield from self._table(self.found)
        yield ""
        yield from self._about_run(self.found)
        yield f"verdict    {self.found.verdict}"
        yield from (f"advice     {sentence}" for sentence in self.advice)

    def as_dict(self) -> dict[str, Any]:
        """For programs: seconds and bytes."""
        machine = self.machine
        return {
            "pipeline": self.graph.name,
            "verdict": self.verdict,
            "advice": list(self.advice),
            "missing": self.missing or None,
            "models": dict(self.models),
            "measured": None if self.found is None else self._as_dict(self.found),
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

    def _as_dict(self, found: Examination) -> dict[str, Any]:
        verdict = found.verdict
        return {
            "chunk_s": verdict.chunk_s,
            "chunks": found.measured.ticks,
            "usual_s": verdict.usual_s,
            "worst_s": verdict.worst_s,
            "rtf": verdict.rtf,
            "margin": verdict.margin,
            "start_s": dict(found.start_s),
            "first_chunk_s": found.first_s,
            "peak_bytes": found.peak_bytes,
            "stages": {
                name: {
                    "steady_s": seconds_for(times.steady_s, 1),
                    "steered_s": seconds_for(times.steered_s, 1),
                    "device": self._place(name),
                }
                for name, times in found.measured.times.items()
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

    def _table(self, found: Examination) -> Iterator[str]:
        names = list(found.measured.times)
        width = max(len("all together"), *map(len, names))
        yield f"{'stage':<{width}}  ms a chunk  of real time  after a steer  on"
        for name, times in found.measured.times.items():
            steady, steered = seconds_for(times.steady_s, 1), seconds_for(times.steered_s, 1)
            yield f"{name:<{width}}  {self._row(steady, steered)}  {self._place(name)}"
        usual = self._row(found.verdict.usual_s, max(found.verdict.usual_s, found.first_s))
        yield f"{'all together':<{width}}  {usual}"

    def _row(self, steady_s: float, steered_s: float) -> str:
        share = 100 * steady_s / self.graph.format.chunk_s
        return f"{1000 * steady_s:10.1f}  {share:10.1f} %  {1000 * steered_s:13.1f}"

    def _place(self, stage: str) -> str:
        place = str(self.graph.nodes[stage].placement)
        return f"auto = {self.machine.devices[0].split()[0]}" if place == "auto" else place

    def _about_run(self, found: Examination) -> Iterator[str]:
        verdict = found.verdict
        steps = [f"{name} {seconds:.1f} s" for name, seconds in found.start_s.items()]
        whole = sum(found.start_s.values()) + found.first_s
        yield f"start      {', '.join(steps)}, first chunk {found.first_s:.2f} s: {whole:.1f} s"
        worst = f"the slowest took {verdict.worst_s:.2f} s"
        yield f"chunks     {found.measured.ticks} measured, {worst}"
        yield f"memory     {_size(found.peak_bytes)} at most in this process"


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"
