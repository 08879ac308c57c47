"""Traces of chunks for OpenTelemetry: the front, the engine and its stages, for each listener.

An engine's process returns the times of its stages with each chunk, so all spans are sent from
here, and nothing has to be installed or set up where the engines are. A client that has a trace
of its own names it in the header `traceparent` (W3C Trace Context): its stream is a part of it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from soundstage.errors import UsageError
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.spans import now_s
from soundstage.version import version

# The variables of OpenTelemetry that name where traces go; without either, there are none.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
NAME = "soundstage"


class OpenSpan(Protocol):
    """A span of OpenTelemetry that has begun."""

    def end(self, end_time: int) -> None:
        """Ends it, in nanoseconds since the epoch."""


Attributes: TypeAlias = Mapping[str, str | int | float]
# Begins a span: its name, the span that it is a part of, its begin in nanoseconds, and its facts.
Begin: TypeAlias = Callable[[str, OpenSpan | None, int, Attributes], OpenSpan]
# Returns the span that a request's headers name; None = they name none.
ReadParent: TypeAlias = Callable[[Mapping[str, str]], OpenSpan | None]


class Telemetry:
    """Sends a trace of each chunk that a listener got.

        chunk             from the begin of its tick to the end of its sending
          tick            on an engine
            STAGE         the stages' times: queue, transfer, compute, reuse
          send            to the client

    Args:
        begin: begins spans.
        read_parent: reads a request's headers.
        close: sends what was not sent yet.
    """

    def __init__(self, begin: Begin, read_parent: ReadParent, close: Callable[[], object]) -> None:
        self._begin, self._read_parent, self.close = begin, read_parent, close

    def stream(self, headers: Mapping[str, str]) -> StreamTelemetry:
        """Returns what sends the traces of a stream.

        Args:
            headers: those of the request that asks for it, by name in lower case.
        """
        return StreamTelemetry(self._begin, self._read_parent(headers), secrets.token_hex(8))


@dataclass(frozen=True)
class StreamTelemetry:
    """Sends the traces of one stream.

    Attributes:
        begin: begins spans.
        parent: the client's span, which all chunks are parts of; None = each is a trace of its own.
        name: what the traces of the listener have in common.
    """

    begin: Begin
    parent: OpenSpan | None
    name: str

    def report(self, chunk: EngineChunk, start_s: float, end_s: float) -> None:
        """Sends the trace of a chunk.

        Args:
            chunk: the chunk.
            start_s: when its sending began, in seconds since the epoch.
            end_s: when its sending ended.
        """
        tick = chunk.tick
        facts: dict[str, str | int | float] = {
            "soundstage.stream": self.name,
            "soundstage.chunk": chunk.chunk,
            "soundstage.engine": tick.engine,
            "soundstage.rows": chunk.rows,
        }
        if chunk.slack_s is not None:
            facts["soundstage.slack_s"] = chunk.slack_s
        whole = self.begin("chunk", self.parent, _ns(tick.start_s), facts)
        made = self.begin("tick", whole, _ns(tick.start_s), facts)
        for span in tick.spans:
            kind = {"soundstage.kind": span.kind, "soundstage.replica": span.replica}
            self.begin(span.stage, made, _ns(span.start_s), kind).end(_ns(span.end_s))
        made.end(_ns(tick.end_s))
        self.begin("send", whole, _ns(start_s), facts).end(_ns(end_s))
        whole.end(_ns(end_s))


async def traced(
    chunks: AsyncIterable[EngineChunk], telemetry: StreamTelemetry | None
) -> AsyncGenerator[EngineChunk, None]:
    """Yields chunks; each is sent until the next is asked for, or until the iteration is closed.

    Args:
        chunks: the chunks.
        telemetry: gets the times of each; None = nobody does.
    """
    async for chunk in chunks:
        start_s = now_s()
        try:
            yield chunk
        finally:
            if telemetry is not None:
                telemetry.report(chunk, start_s, now_s())


def open_telemetry(environment: Mapping[str, str] = os.environ) -> Telemetry | None:
    """Sets OpenTelemetry up by its environment variables; None = they name no endpoint.

    Raises:
        UsageError: the extra `otel` is not installed.
    """
    endpoint = next((name for name in ENDPOINTS if environment.get(name)), None)
    if endpoint is None:
        return None
    try:
        from opentelemetry.context import Context
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import Span, get_current_span, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{endpoint} is set, and {error.name} is not installed: in soundstage's source folder, "
            "run pip install '.[otel]', or unset it"
        ) from error
    name = {} if environment.get("OTEL_SERVICE_NAME") else {"service.name": NAME}
    provider = TracerProvider(resource=Resource.create(name))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    spans, propagator = provider.get_tracer(NAME, version()), TraceContextTextMapPropagator()

    def begin(name: str, parent: OpenSpan | None, start_ns: int, facts: Attributes) -> OpenSpan:
        context = set_span_in_context(parent) if isinstance(parent, Span) else None
        span: OpenSpan = spans.start_span(name, context, attributes=facts, start_time=start_ns)
        return span

    def read_parent(headers: Mapping[str, str]) -> OpenSpan | None:
        parent = get_current_span(propagator.extract(headers, Context()))
        return parent if parent.get_span_context().is_valid else None

    return Telemetry(begin, read_parent, provider.shutdown)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
