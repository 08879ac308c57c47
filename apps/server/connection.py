"""What all protocols share: the engines, the uploads, the count of WebSockets, sent streams."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress

from prometheus_client import CollectorRegistry, Gauge

from soundstage.apps.server.budget import Amount, LoopTime
from soundstage.apps.server.disk_paths import without_folders
from soundstage.apps.server.protocols.json_controls import find_upload
from soundstage.apps.server.protocols.websocket import Gone, Refused
from soundstage.apps.server.settings import Limits, ServeSettings
from soundstage.apps.server.telemetry import StreamTelemetry, Telemetry, traced
from soundstage.apps.server.uploads import Uploads
from soundstage.errors import Error, InputError, ModelError, OutputError, UsageError
from soundstage.graph.plan import Graph
from soundstage.graph.port import array_bytes
from soundstage.graph.state import State, initial
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.clip_encoder import ClipEncoder
from soundstage.runners.engine.refusals import ControlRefused, Full, StreamEnded, StreamFailed
from soundstage.runners.fleet.fleet import Fleet
from soundstage.runners.fleet.metrics import PREFIX, FleetMetrics
from soundstage.runners.fleet.reload import reload
from soundstage.runners.fleet.stream import MOST_TOKEN_BYTES, EngineStream
from soundstage.runners.runner import StageFailed
from soundstage.runners.sessions.continuation import NotContinuable
from soundstage.runners.sessions.files import SessionFileError
from soundstage.runners.sessions.injection import NotInjectable

LOGGER = logging.getLogger("soundstage.serve")
CONTINUE = "continue"
# Errors that a client's request may cause; the client is answered, and the server goes on.
CLIENT_ERRORS = (
    Refused,
    ControlRefused,
    StreamEnded,
    SessionFileError,
    UsageError,
    InputError,
    ModelError,
    OutputError,
    NotContinuable,
    NotInjectable,
)
# Errors that are not the client's: of a stage, or of the server's disk.
SERVER_ERRORS = (StreamFailed, StageFailed, OutputError)


class ServerContext:
    """One server's fleet of engines, settings, uploads and metrics.

    Args:
        graph: what makes the music.
        fleet: the engines that make it, and the streams on them.
        settings: the server's.
        telemetry: gets the times of each chunk that a client gets; None = nobody does.

    Attributes:
        sockets: how many WebSockets are open.
        transfer: bytes in transfer.
        files: files that are made or sent.
        reading: uploads that are read, or wait for that.
        embedding: texts that are embedded.
        continuing: clips from which streams are about to go on.
        saving: held while a session is saved.
        loop_time: the time of the event loop that all messages take.
        registry: the Prometheus metrics of the engines and the WebSockets.
    """

    def __init__(
        self,
        graph: Graph,
        fleet: Fleet,
        settings: ServeSettings,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.fleet, self.settings, self.telemetry = fleet, settings, telemetry
        self.clip_encoder = ClipEncoder(graph)
        end_samples = self.clip_encoder.samples if self.clip_encoder.possible else 0
        limits = settings.limits
        self.uploads = Uploads(graph.format, limits.uploads, end_samples, limits.kept_bytes)
        self.sockets = 0
        self.transfer = Amount(limits.transfer_bytes, "MB in transfer", 1e6)
        self.files = Amount(limits.files, "files that are made")
        self.reading = Amount(limits.waiting, "uploads that are read")
        self.embedding = Amount(limits.waiting, "texts to embed")
        self.continuing = Amount(limits.waiting, "clips to go on from")
        self.saving = asyncio.Lock()
        self._reloading = asyncio.Lock()
        self.loop_time = LoopTime(limits.server_loop_share)
        self.registry = CollectorRegistry()
        self.registry.register(FleetMetrics(fleet))
        websockets = Gauge(f"{PREFIX}websockets", "Open WebSockets.", registry=self.registry)
        websockets.set_function(lambda: self.sockets)

    @property
    def graph(self) -> Graph:
        """What makes the music now."""
        return self.fleet.graph

    async def reload(self, load: Callable[[], Graph]) -> None:
        """Replaces the pipeline, while streams play; the log says if it cannot be used.

        Args:
            load: reads and checks the new pipeline.
        """
        async with self._reloading:
            try:
                graph = await asyncio.to_thread(load)
                await reload(self.fleet, graph)
            # What a pipeline's files and stages raise must not end the server.
            except Exception as error:
                LOGGER.error("not reloaded: %s", error, exc_info=not isinstance(error, Error))
                return
            encoder, self.clip_encoder = self.clip_encoder, ClipEncoder(graph)
            await encoder.close()
            LOGGER.info("reloaded: %s", graph.name)

    @property
    def limits(self) -> Limits:
        """The server's limits."""
        return self.settings.limits

    @property
    def message_bytes(self) -> int:
        """The largest message of a WebSocket: a saved session of the pipeline has room in it.

        A small one fits anyway. Of a larger state, what is more goes on top, in base64.
        """
        state = array_bytes(initial(self.graph, ["0"]).values)
        return self.limits.message_bytes + 4 * max(0, state - MOST_TOKEN_BYTES) // 3

    async def state_after_clip(self, name: object) -> State | None:
        """Returns the state of a stream that goes on from an upload.

        Args:
            name: the upload's name; None = no upload.

        Returns:
            One row, at chunk 0; None = the stream starts from nothing.

        Raises:
            Refused: `name` is not text, there is no such upload, or many clients wait for this.
            Error: the pipeline cannot go on from it (see `ClipEncoder.state`).
        """
        if name is None:
            return None
        if not isinstance(name, str):
            raise Refused("continue is the name of an upload", CONTINUE)
        end = find_upload(name, self.uploads, CONTINUE).end
        try:
            with self.continuing.holding(1):
                return await self.clip_encoder.state(end)
        except Full as error:
            raise Refused(error.reason, CONTINUE) from error

    def telemetry_of(self, headers: Mapping[str, str]) -> StreamTelemetry | None:
        """Returns what gets the times of a stream's chunks, by the headers of its request."""
        return None if self.telemetry is None else self.telemetry.stream(headers)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Counts one WebSocket while it is open.

        Raises:
            Full: `Limits.sockets` are open already.
        """
        if self.sockets >= self.limits.sockets:
            raise Full(f"{self.sockets} connections are open", 5.0)
        self.sockets += 1
        try:
            yield
        finally:
            self.sockets -= 1


class StreamSender:
    """A stream and the task that sends its chunks.

    Args:
        stream: the stream.
        deliver: sends one chunk; the next chunk waits until it returns.
        report_failure: gets the reason, if a stage fails for the stream.
        telemetry: gets the times of each chunk; None = nobody does.
    """

    def __init__(
        self,
        stream: EngineStream,
        deliver: Callable[[EngineChunk], Awaitable[None]],
        report_failure: Callable[[str], Awaitable[None]],
        telemetry: StreamTelemetry | None = None,
    ) -> None:
        self.stream, self._telemetry = stream, telemetry
        self._deliver, self._report_failure = deliver, report_failure
        self._task = asyncio.create_task(self._run())

    @property
    def done(self) -> asyncio.Task[None]:
        """A task that ends when no more chunks can be sent."""
        return self._task

    async def close(self) -> None:
        """Frees the stream's slot at once."""
        await self.stream.close()
        self._task.cancel()
        with suppress(asyncio.CancelledError, Gone):
            await self._task

    async def _run(self) -> None:
        try:
            async with aclosing(traced(self.stream, self._telemetry)) as chunks:
                async for chunk in chunks:
                    await self._deliver(chunk)
        except StreamFailed as error:
            await self._report_failure(reason_of(error))
        except Gone:
            await self.stream.close()


def reason_of(error: Exception) -> str:
    """Returns why a request was refused or a stream ended, for the client: in words, no paths."""
    text = error.reason if isinstance(error, Full | StreamFailed) else str(error)
    return without_folders(text) or type(error).__name__


def where_of(error: Exception) -> str:
    """Returns the field or control that a request was refused for; "" = none in particular."""
    return error.where if isinstance(error, Refused) else ""
