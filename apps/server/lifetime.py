"""Runs the server until it is told to end."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import time
from typing import Literal, TypeAlias

import uvicorn

from soundstage.apps.server.app import Failed, make_app
from soundstage.apps.server.certificate import refuse_certificate
from soundstage.apps.server.connection import ServerContext
from soundstage.apps.server.listen_sockets import Pulse, listen
from soundstage.apps.server.settings import ServeSettings
from soundstage.graph.plan import Graph
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.engine.engine import Engine

LogFormat: TypeAlias = Literal["text", "json"]
# Streams of one runner, whatever the machine could do.
MOST_STREAMS = 64

LOGGER = logging.getLogger("soundstage.serve")


class JsonLines(logging.Formatter):
    """A log record as one line of JSON: time, level, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        """Writes one record."""
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
    """Sends what the server has to say to standard error.

    Args:
        format: lines for people or for machines.
        quiet: warnings and worse only.
    """
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonLines() if format == "json" else plain)
    for name in ("soundstage.serve", "uvicorn.error"):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
        log.setLevel(logging.WARNING if quiet or name.startswith("uvicorn") else logging.INFO)


class Server(uvicorn.Server):
    """A uvicorn server that lets its listeners leave before it goes."""

    def __init__(self, config: uvicorn.Config, desk: ServerContext) -> None:
        super().__init__(config)
        self._desk = desk
        self._drained: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: object) -> None:
        """The first time, waits for listeners; the second time, ends at once."""
        if self._drained is not None or sig == signal.SIGINT:
            self.should_exit = True
            return
        self._drained = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        seconds = self._desk.settings.drain_s
        LOGGER.info("ending: %g s for those who listen", seconds)
        await self._desk.engine.drain(seconds)
        self.should_exit = True


def configured(desk: ServerContext, failed: Failed) -> uvicorn.Config:
    """What uvicorn is told.

    Args:
        desk: the engine and its settings.
        failed: told if the engine cannot start.

    Raises:
        UsageError: the certificate or its key cannot be used.
    """
    settings, limits = desk.settings, desk.limits
    if settings.tls_cert is not None and settings.tls_key is not None:
        refuse_certificate(settings.tls_cert, settings.tls_key)
    return uvicorn.Config(
        make_app(desk, failed),
        log_config=None,
        access_log=False,
        server_header=False,
        ws=Pulse,
        ws_max_size=limits.message_bytes,
        ws_ping_interval=limits.lost_s / 2,
        ws_ping_timeout=limits.lost_s / 2,
        # Samples hardly get smaller: 4 to 10 % for 10 to 35 ms a chunk in which nobody is answered.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )


def serve(
    graph: Graph,
    settings: ServeSettings,
    *,
    streams: int | None = None,
    capacity: int | None = None,
    runner: RunnerChoice | None = None,
) -> None:
    """Serves a pipeline until SIGTERM or Ctrl-C.

    Args:
        graph: what makes the music.
        settings: where and for whom.
        streams: the most streams at once; None = `MOST_STREAMS`.
        capacity: realtime streams let in; None = what is measured.
        runner: what runs the stages; None = this process.

    Raises:
        UsageError: the certificate or its key cannot be used.
        OutputError: the port is taken, or the address not this machine's.
        Exception: what starting the engine raises.
    """
    engine = Engine(
        graph, rows=streams or MOST_STREAMS, capacity=capacity, runner=runner or "local"
    )
    desk = ServerContext(graph, engine, settings)
    faults: list[Exception] = []

    def failed(error: Exception) -> None:
        faults.append(error)
        server.should_exit = True

    server = Server(configured(desk, failed), desk)
    sockets = listen(settings.host, settings.port, settings.limits.lost_s)
    LOGGER.info("%s on %s", graph.name, settings.address)
    server.run(sockets)
    if faults:
        raise faults[0]
