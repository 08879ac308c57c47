"""A fleet's Prometheus metrics, each declared once: those of all engines, and of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from soundstage.runners.engine.counts import EngineCounts, median_of
from soundstage.runners.engine.engine import Engine
from soundstage.runners.fleet.fleet import Fleet

PREFIX = "soundstage_"
_RTF = "Wall time of a tick over its music, median of the last."
_SLACK = "How early chunks were, median of the last."
_LEAST = "How early chunks were, least of the last."


class FleetMetrics(Collector):
    """A collector of a fleet's metrics, for a `prometheus_client.CollectorRegistry`.

    Args:
        fleet: the fleet; it need not be ready.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics of this moment; a gauge without a value yet is left out."""
        counts = self._fleet.counts()
        yield from _gauges(self._fleet, counts)
        yield from _counters(counts, self._fleet)
        yield from _by_engine(self._fleet)


def _gauges(fleet: Fleet, counts: EngineCounts) -> Iterator[Metric]:
    overhead_s = median_of(counts.overheads_s)
    values: tuple[tuple[str, str, float | None], ...] = (
        ("streams", "Streams, with paused and prepared ones.", fleet.streams),
        ("streams_playing", "Streams whose chunks are made.", fleet.playing),
        ("capacity", "Realtime streams that fit, as measured and learnt.", fleet.realtime),
        ("ready", "1 = accepts streams.", int(fleet.ready)),
        ("rtf", _RTF, _rtf(counts, fleet)),
        ("slack_seconds", _SLACK, median_of(counts.slacks_s)),
        ("least_slack_seconds", _LEAST, min(counts.slacks_s, default=None)),
        ("overhead_seconds", "A tick's time beside the runner's work, per stream.", overhead_s),
        ("engines", "Engines.", len(fleet.engines)),
        ("engines_ready", "Engines that take streams.", sum(one.ready for one in fleet.engines)),
        ("engines_least", "The least engines there may be.", fleet.scaler.limits.least),
        ("engines_most", "The most engines there may be.", fleet.scaler.limits.most),
    )
    for name, text, value in values:
        if value is not None:
            yield GaugeMetricFamily(PREFIX + name, text, value)


def _by_engine(fleet: Fleet) -> Iterator[Metric]:
    """Yields what differs between engines, with the label "engine"."""
    gauges: tuple[tuple[str, str, Callable[[Engine], float | None]], ...] = (
        ("ready", "1 = takes streams.", lambda one: int(one.ready)),
        ("warm", "1 = it has started; 0 = it starts.", lambda one: int(one.warm)),
        (
            "rows",
            "The most rows that its ticks may have by now.",
            lambda one: max(one.sizes, default=0),
        ),
        ("streams", "Streams that have a slot there.", lambda one: len(one.rows())),
        ("capacity", "Realtime streams that fit there.", lambda one: one.capacity.realtime),
        ("spare", "The part of its time that is left.", lambda one: one.spare()),
        ("rtf", _RTF, lambda one: _rtf(one.counts, fleet)),
        ("slack_seconds", _SLACK, lambda one: median_of(one.counts.slacks_s)),
        ("least_slack_seconds", _LEAST, lambda one: min(one.counts.slacks_s, default=None)),
    )
    totals: tuple[tuple[str, str, Callable[[Engine], float | None]], ...] = (
        ("ticks", "Ticks made there.", lambda one: one.counts.ticks),
        ("underruns", "Chunks that were late.", lambda one: one.counts.underruns),
        ("losses", "How often its process was lost.", lambda one: one.losses),
    )
    with fleet.places.lock:
        for kind, entries in ((GaugeMetricFamily, gauges), (CounterMetricFamily, totals)):
            for name, text, read in entries:
                family = kind(f"{PREFIX}engine_{name}", text, labels=["engine"])
                for engine in fleet.engines:
                    value = read(engine)
                    if value is not None:
                        family.add_metric([str(engine.number)], value)
                yield family
        moves = CounterMetricFamily(PREFIX + "moves", "Streams that moved.", labels=["reason"])
        for reason, count in fleet.places.moves.items():
            moves.add_metric([reason], count)
        yield moves


def _rtf(counts: EngineCounts, fleet: Fleet) -> float | None:
    tick_s = median_of(counts.ticks_s)
    return None if tick_s is None else tick_s / fleet.graph.format.chunk_s


def _counters(counts: EngineCounts, fleet: Fleet) -> Iterator[Metric]:
    totals = (
        ("joined", "Streams that joined.", counts.joined),
        ("left", "Streams that left.", counts.left),
        ("refused", "Streams that were refused because the engine was full.", counts.refused),
        ("failed", "Streams that ended because a stage failed.", counts.failed),
        ("chunks", "Chunks read by clients.", counts.chunks),
        ("underruns", "Chunks that were late.", counts.underruns),
        ("dropped", "Chunks made and thrown away.", counts.dropped),
        ("engines_added", "Engines that were added while streams played.", fleet.scaler.added),
        ("engines_removed", "Engines that were not needed any more.", fleet.scaler.removed),
    )
    for name, text, total in totals:
        yield CounterMetricFamily(PREFIX + name, text, total)
    by_stage: tuple[tuple[str, str, Mapping[str, float]], ...] = (
        ("stage_seconds", "Wall time by stage.", counts.stage_s),
        ("late", "Underruns by stage.", counts.late_stages),
    )
    for name, text, values in by_stage:
        family = CounterMetricFamily(PREFIX + name, text, labels=["stage"])
        for stage, value in values.items():
            family.add_metric([stage], value)
        yield family
