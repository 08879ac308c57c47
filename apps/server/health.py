"""What those who run a server ask: is it there, is it ready, how is it doing."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from soundstage.apps.server.connection import ServerContext
from soundstage.runners.engine.metrics import EngineMetrics
from soundstage.version import version

PREFIX = "soundstage_"


async def healthz(desk: ServerContext, request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok", "version": version()})


async def readyz(desk: ServerContext, request: Request) -> Response:
    """It is warm and takes streams: 200, else 503."""
    figures = desk.engine.figures()
    what = "ready" if figures.ready else "draining" if figures.draining else "warming up"
    headers = None if figures.ready else {"retry-after": "2"}
    return JSONResponse({"status": what}, 200 if figures.ready else 503, headers)


async def metrics(desk: ServerContext, request: Request) -> Response:
    """Figures for Prometheus."""
    registry = CollectorRegistry()
    registry.register(FiguresCollector(desk))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class FiguresCollector(Collector):
    """An engine's figures as Prometheus has them.

    Args:
        desk: whose.
    """

    def __init__(self, desk: ServerContext) -> None:
        self._desk = desk

    def collect(self) -> list[Metric]:
        """The figures of this moment."""
        now = self._desk.engine.figures()
        found: list[Metric] = [
            GaugeMetricFamily(PREFIX + name, text, value)
            for name, (text, value) in _gauges(now, self._desk.sockets).items()
            if value is not None
        ]
        found += [CounterMetricFamily(PREFIX + name, *it) for name, it in _counts(now).items()]
        by_stage = (
            ("stage_seconds", "Wall time by stage.", now.stage_s),
            ("late", "Underruns by stage.", now.late_stages),
        )
        for name, text, values in by_stage:
            family = CounterMetricFamily(PREFIX + name, text, labels=["stage"])
            for stage, value in values.items():
                family.add_metric([stage], value)
            found.append(family)
        return found


def _gauges(now: EngineMetrics, sockets: int) -> dict[str, tuple[str, float | None]]:
    return {
        "streams": ("Streams that are there, paused ones included.", now.streams),
        "streams_playing": ("Streams whose chunks are being made.", now.playing),
        "capacity": ("Realtime streams that the measurement allows.", now.capacity),
        "websockets": ("WebSockets that are open.", sockets),
        "ready": ("1 = takes streams.", int(now.ready)),
        "rtf": ("Wall time of a tick over its music, median of the last.", now.rtf),
        "slack_seconds": ("How early chunks were, median of the last.", now.slack_s),
        "least_slack_seconds": ("The least of the last.", now.least_slack_s),
        "overhead_seconds": ("A tick's cost beside the stages, a stream.", now.overhead_s),
    }


def _counts(now: EngineMetrics) -> dict[str, tuple[str, float]]:
    return {
        "joined": ("Streams that joined.", now.joined),
        "left": ("Streams that left.", now.left),
        "refused": ("Streams that were not taken.", now.refused),
        "failed": ("Streams that ended because a stage failed.", now.failed),
        "chunks": ("Chunks handed out.", now.chunks),
        "underruns": ("Chunks that were late.", now.underruns),
        "dropped": ("Chunks made and thrown away.", now.dropped),
    }
