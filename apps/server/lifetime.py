"""Runs the server until a signal."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Literal, TypeAlias

import uvicorn

from soundstage.apps.server.app import StartFailed, make_app
from soundstage.apps.server.certificate import refuse_certificate
from soundstage.apps.server.connection import ServerContext
from soundstage.apps.server.listen_sockets import Intake, Pulse, listen
from soundstage.apps.server.memory import give_back_large_blocks
from soundstage.apps.server.settings import EVERY_ADDRESS, ServeSettings
from soundstage.apps.server.telemetry import open_telemetry
from soundstage.graph.plan import Graph
from soundstage.interrupts import (
    at_hangup,
    first_signal,
    handle_signals,
    is_listening,
    leave_if_stopping,
    orderly,
)
from soundstage.runners.choice import EngineRange, RunnerChoice
from soundstage.runners.fleet.fleet import Fleet

LogFormat: TypeAlias = Literal["text", "json"]
# The most streams of one server, whatever the measurement allows.
MOST_STREAMS = 64

LOGGER = logging.getLogger("soundstage.serve")


class JsonLines(logging.Formatter):
    """A log record as one line of JSON: time, level, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns one record as a line."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_to_stderr(format: LogFormat, quiet: bool) -> None:
    """Sends the server's log to standard error.

    Args:
        format: "text" for people, "json" for machines: an object a line.
        quiet: only warnings and errors.
    """
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonLines() if format == "json" else plain)
    for name in ("soundstage.serve", "uvicorn.error"):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
        log.setLevel(logging.WARNING if quiet or name.startswith("uvicorn") else logging.INFO)


class Server(uvicorn.Server):
    """A uvicorn server that at SIGTERM waits for its streams to end, at most `drain_s`."""

    def __init__(
        self,
        config: uvicorn.Config,
        context: ServerContext,
        load: Callable[[], Graph] | None = None,
    ) -> None:
        """Prepares the server.

        Args:
            config: uvicorn's configuration.
            context: the fleet and its settings.
            load: reads the pipeline again at SIGHUP; None = SIGHUP ends the server.
        """
        super().__init__(config)
        self._context, self._load = context, load
        self._reload: asyncio.Task[None] | None = None
        self._drained: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Calls `handle_exit` for the first signal; the second one ends the process."""
        if not is_listening():
            with super().capture_signals():
                yield
            return
        loop = asyncio.get_running_loop()
        handle_signals()
        with ExitStack() as opened:
            opened.enter_context(orderly(lambda: loop.call_soon_threadsafe(self._end)))
            if self._load is not None:
                reload = partial(loop.call_soon_threadsafe, self._begin_reload, self._load)
                opened.enter_context(at_hangup(reload))
            yield
        handle_signals()

    def _begin_reload(self, load: Callable[[], Graph]) -> None:
        self._reload = asyncio.get_running_loop().create_task(self._context.reload(load))

    def _end(self) -> None:
        if not self._context.fleet.ready:
            leave_if_stopping()  # there are no streams, and loading may take long
        self.handle_exit(first_signal(), None)

    def handle_exit(self, sig: int, frame: object) -> None:
        """Drains at the first signal but Ctrl-C; ends at once at the second, and at Ctrl-C."""
        if self._drained is not None or sig == signal.SIGINT:
            self.should_exit = True
            return
        self._drained = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        seconds = self._context.settings.drain_s
        LOGGER.info("ending: open streams have %g s left", seconds)
        await self._context.fleet.drain(seconds)
        self.should_exit = True


def configured(context: ServerContext, start_failed: StartFailed) -> uvicorn.Config:
    """Returns uvicorn's configuration.

    Args:
        context: the engine and its settings.
        start_failed: called with the error if the engine cannot start.

    Raises:
        UsageError: the certificate or its key cannot be used.
    """
    settings, limits = context.settings, context.limits
    if settings.tls_cert is not None and settings.tls_key is not None:
        refuse_certificate(settings.tls_cert, settings.tls_key)
    return uvicorn.Config(
        make_app(context, start_failed),
        log_config=None,
        access_log=False,
        server_header=False,
        # Not httptools, which would be taken if it is installed and has other limits.
        http=Intake.limited(limits),
        ws=Pulse,
        ws_max_size=context.message_bytes,
        ws_ping_interval=limits.lost_s / 2,
        ws_ping_timeout=limits.lost_s / 2,
        # Compression would save 4 to 10 % of the samples and block the event loop for 10 to 35 ms
        # a chunk.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )


def serve(
    graph: Graph,
    settings: ServeSettings,
    *,
    engines: EngineRange | int = 1,
    batch: int | None = None,
    fits: bool = True,
    streams: int | None = None,
    capacity: int | None = None,
    runner: RunnerChoice | None = None,
    load: Callable[[], Graph] | None = None,
) -> None:
    """Serves a pipeline until SIGTERM or Ctrl-C.

    Args:
        graph: what makes the music.
        settings: where the server listens, and which requests it accepts.
        engines: how many engines, or the least and the most; more than one need the runner "ray".
        batch: the most rows of a tick; None = 1 on CPUs, else `streams`.
        fits: whether a tick of several rows has as many as it needs (see `Fleet`).
        streams: the most streams that play at once; None = `MOST_STREAMS`.
        capacity: the most realtime streams; None = as many as the measurement allows.
        runner: what runs the engines; None = this process.
        load: reads the pipeline again at SIGHUP; None = SIGHUP ends the server.

    Raises:
        UsageError: the certificate or its key cannot be used, or traces are wanted and the extra
            `otel` is not installed.
        OutputError: the port is taken, or the address is not this machine's.
        Exception: those of `Fleet.start`.
    """
    give_back_large_blocks()
    telemetry = open_telemetry()
    fleet = Fleet(
        graph,
        engines=engines,
        batch=batch,
        fits=fits,
        rows=streams or MOST_STREAMS,
        capacity=capacity,
        runner=runner or "local",
    )
    context = ServerContext(graph, fleet, settings, telemetry)
    errors: list[Exception] = []

    def start_failed(error: Exception) -> None:
        errors.append(error)
        server.should_exit = True

    server = Server(configured(context, start_failed), context, load)
    sockets = listen(settings.host, settings.port, settings.limits.lost_s)
    everywhere = "every address of this machine, here " * (settings.host in EVERY_ADDRESS)
    LOGGER.info("%s on %s%s", graph.name, everywhere, settings.address)
    server.run(sockets)
    if telemetry is not None:
        telemetry.close()
    if errors:
        raise errors[0]
