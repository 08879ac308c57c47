"""The trace of a chunk: front, engine and stages, each within what it is a part of."""

import sys
from dataclasses import dataclass, field

import pytest
from served import hear, samples, say, served, speak, started

from soundstage.apps.server.telemetry import Telemetry, open_telemetry
from soundstage.errors import UsageError


@dataclass
class KeptSpan:
    """A span of a tracer that keeps all of them."""

    name: str
    parent: object
    start: int
    attributes: dict
    ends: list = field(default_factory=list)

    def end(self, end_time):
        self.ends.append(end_time)


def test_trace_of_a_chunk_has_its_tick_its_stages_and_its_sending():
    spans = []

    def begin(name, parent, start, attributes):
        spans.append(KeptSpan(name, parent, start, attributes))
        return spans[-1]

    with served() as context:
        context.telemetry = Telemetry(begin, lambda: None)
        with speak(context, "/ws/stream") as socket:
            started(socket)
            say(socket, type="play")
            for _ in range(3):
                samples(socket)
            say(socket, type="stop")
            hear(socket, "stopped")
        stages = set(context.graph.nodes)
    roots = [span for span in spans if span.parent is None]
    assert [root.attributes["soundstage.chunk"] for root in roots[:2]] == [0, 1]
    assert len({root.attributes["soundstage.stream"] for root in roots}) == 1
    whole = roots[1]
    tick, send = [span for span in spans if span.parent is whole]
    assert (whole.name, tick.name, send.name) == ("chunk", "tick", "send")
    assert tick.attributes["soundstage.engine"] == 0
    inside = [span for span in spans if span.parent is tick]
    assert {span.name for span in inside} == stages
    assert {span.attributes["soundstage.kind"] for span in inside} >= {"compute", "reuse"}
    assert all(len(span.ends) == 1 for span in (whole, tick, send, *inside))
    assert whole.start == tick.start < tick.ends[0] <= send.start < send.ends[0] == whole.ends[0]
    # The clocks of both are counted from one origin, and rounded.
    assert all(tick.start - 1e6 <= span.start <= span.ends[0] <= tick.ends[0] for span in inside)


def test_traces_are_sent_only_if_the_environment_names_an_endpoint(monkeypatch):
    assert open_telemetry({"OTEL_SERVICE_NAME": "music"}) is None
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(UsageError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT is set, and .*'\.\[otel\]'"):
        open_telemetry({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
