"""The trace of a chunk: front, engine and stages, each within what it is a part of."""

import sys
import threading
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from served import PATIENCE_S, hear, samples, say, served, speak, started

from soundstage.apps.server.telemetry import ENDPOINTS, Telemetry, open_telemetry
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


def kept_telemetry():
    """Returns a telemetry, and the list in which it keeps its spans."""
    spans = []

    def begin(name, parent, start, attributes):
        spans.append(KeptSpan(name, parent, start, attributes))
        return spans[-1]

    return Telemetry(begin, lambda headers: headers.get("traceparent"), lambda: None), spans


@pytest.fixture(scope="module")
def context():
    with served() as context:
        yield context


def hear_three(context, **options):
    with speak(context, "/ws/stream", **options) as socket:
        started(socket)
        say(socket, type="play")
        for _ in range(3):
            samples(socket)
        say(socket, type="stop")
        hear(socket, "stopped")


def test_trace_of_a_chunk_has_its_tick_its_stages_and_its_sending(context):
    context.telemetry, spans = kept_telemetry()
    hear_three(context)
    roots = [span for span in spans if span.parent is None]
    assert [root.attributes["soundstage.chunk"] for root in roots[:2]] == [0, 1]
    assert len({root.attributes["soundstage.stream"] for root in roots}) == 1
    whole = roots[1]
    tick, send = [span for span in spans if span.parent is whole]
    assert (whole.name, tick.name, send.name) == ("chunk", "tick", "send")
    assert tick.attributes["soundstage.engine"] == 0
    inside = [span for span in spans if span.parent is tick]
    assert {span.name for span in inside} == set(context.graph.nodes)
    assert {span.attributes["soundstage.kind"] for span in inside} >= {"compute", "reuse"}
    assert all(len(span.ends) == 1 for span in (whole, tick, send, *inside))
    assert whole.start == tick.start < tick.ends[0] <= send.start < send.ends[0] == whole.ends[0]
    # The clocks of both are counted from one origin, and rounded.
    assert all(tick.start - 1e6 <= span.start <= span.ends[0] <= tick.ends[0] for span in inside)


def chunks_in(spans):
    return {(span.parent, span.attributes["soundstage.chunk"]) for span in spans if is_chunk(span)}


def is_chunk(span):
    return span.name == "chunk"


def test_chunks_of_a_client_with_a_trace_are_a_part_of_it(context):
    context.telemetry, spans = kept_telemetry()
    hear_three(context, additional_headers={"traceparent": "its own"})
    assert chunks_in(spans) >= {("its own", chunk) for chunk in range(3)}
    assert {span.parent for span in spans if is_chunk(span)} == {"its own"}


def test_chunks_over_http_are_traced_too(context):
    headers, address = {"traceparent": "its own"}, f"http://127.0.0.1:{context.settings.port}"
    context.telemetry, spans = kept_telemetry()
    body = b'{"duration_s": 0.5, "format": "wav"}'
    made = urllib.request.Request(f"{address}/generate", body, headers)
    with urllib.request.urlopen(made, timeout=PATIENCE_S) as answer:
        answer.read()
    # Three chunks of 0.2 s; the last is the end of the file.
    assert chunks_in(spans) == {("its own", chunk) for chunk in range(3)}
    context.telemetry, spans = kept_telemetry()
    played = urllib.request.Request(f"{address}/stream.wav", headers=headers)
    with urllib.request.urlopen(played, timeout=PATIENCE_S) as answer:
        answer.read(100_000)
    assert ("its own", 0) in chunks_in(spans)


def test_traces_are_sent_only_if_the_environment_names_an_endpoint(monkeypatch):
    assert open_telemetry({"OTEL_SERVICE_NAME": "music"}) is None
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(UsageError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT is set, and .*'\.\[otel\]'"):
        open_telemetry({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})


@contextmanager
def collector():
    """Yields the address of a collector of traces, and what it gets."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", got
        server.shutdown()


def test_opentelemetry_sends_the_chunks_of_a_client_into_its_trace(context, monkeypatch):
    pytest.importorskip("opentelemetry.sdk", reason="the extra `otel` is not installed")
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    with collector() as (address, got):
        monkeypatch.setenv(ENDPOINTS[1], address)
        context.telemetry = open_telemetry()
        hear_three(context, additional_headers={"traceparent": f"00-{trace}-{span}-01"})
        context.telemetry.close()
        told = b"".join(got)
        # Each chunk, its tick, its sending and its stages are in the trace; chunks are its parts.
        assert told.count(bytes.fromhex(span)) >= 3
        assert told.count(bytes.fromhex(trace)) >= 3 * (3 + len(context.graph.nodes))
        got.clear()
        context.telemetry = open_telemetry()
        hear_three(context, additional_headers={"traceparent": "00-nonsense"})
        context.telemetry.close()
        assert got
        assert bytes.fromhex(trace) not in b"".join(got)
    context.telemetry = None
