"""An engine's Prometheus metrics, each declared once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from soundstage.runners.engine.counts import EngineCounts, median_of
from soundstage.runners.engine.engine import Engine

PREFIX = "soundstage_"


class EngineMetrics(Collector):
    """A collector of an engine's metrics, for a `prometheus_client.CollectorRegistry`.

    Args:
        engine: the engine; it need not be warm.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics of this moment; a gauge without a value yet is left out."""
        counts = self._engine.counts()
        yield from _gauges(self._engine, counts)
        yield from _counters(counts)


def _gauges(engine: Engine, counts: EngineCounts) -> Iterator[Metric]:
    tick_s, chunk_s = median_of(counts.ticks_s), engine.graph.format.chunk_s
    rtf = None if tick_s is None else tick_s / chunk_s
    slack_s, least_slack_s = median_of(counts.slacks_s), min(counts.slacks_s, default=None)
    overhead_s = median_of(counts.overheads_s)
    values: tuple[tuple[str, str, float | None], ...] = (
        ("streams", "Streams, with paused and prepared ones.", engine.streams),
        ("streams_playing", "Streams whose chunks are made.", engine.playing),
        ("capacity", "Realtime streams that fit, as measured.", engine.capacity.realtime),
        ("ready", "1 = accepts streams.", int(engine.ready)),
        ("rtf", "Wall time of a tick over its music, median of the last.", rtf),
        ("slack_seconds", "How early chunks were, median of the last.", slack_s),
        ("least_slack_seconds", "How early chunks were, least of the last.", least_slack_s),
        ("overhead_seconds", "A tick's time beside the runner's work, per stream.", overhead_s),
    )
    for name, text, value in values:
        if value is not None:
            yield GaugeMetricFamily(PREFIX + name, text, value)


def _counters(counts: EngineCounts) -> Iterator[Metric]:
    totals = (
        ("joined", "Streams that joined.", counts.joined),
        ("left", "Streams that left.", counts.left),
        ("refused", "Streams that were refused because the engine was full.", counts.refused),
        ("failed", "Streams that ended because a stage failed.", counts.failed),
        ("chunks", "Chunks read by clients.", counts.chunks),
        ("underruns", "Chunks that were late.", counts.underruns),
        ("dropped", "Chunks made and thrown away.", counts.dropped),
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
