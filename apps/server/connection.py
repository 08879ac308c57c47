"""What all protocols share: the engine, the uploads, who is connected, and how a stream is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from soundstage.apps.server.protocols.json_controls import upload_of
from soundstage.apps.server.protocols.websocket import Gone, Refused
from soundstage.apps.server.settings import Limits, ServeSettings
from soundstage.apps.server.uploads import Uploads
from soundstage.errors import InputError, ModelError, OutputError, UsageError
from soundstage.graph.plan import Graph
from soundstage.graph.state import State
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.clip_encoder import ClipEncoder
from soundstage.runners.engine.engine import Engine
from soundstage.runners.engine.refusals import ControlRefused, Full, StreamEnded, StreamFailed
from soundstage.runners.engine.stream import EngineStream
from soundstage.runners.sessions.continuation import NotContinuable
from soundstage.runners.sessions.files import SessionFileError
from soundstage.runners.sessions.injection import NotInjectable

CONTINUE = "continue"
# Errors that a request of a client may cause: they are answered, and the server is well.
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


class ServerContext:
    """One server's engine and what belongs to it.

    Args:
        graph: what makes the music.
        engine: who makes it.
        settings: of the server.
    """

    def __init__(self, graph: Graph, engine: Engine, settings: ServeSettings) -> None:
        self.graph, self.engine, self.settings = graph, engine, settings
        self.continuing = ClipEncoder(graph)
        end_samples = self.continuing.samples if self.continuing.possible else 0
        self.uploads = Uploads(graph.format, settings.limits.uploads, end_samples)
        self.sockets = 0

    @property
    def limits(self) -> Limits:
        """How much it takes."""
        return self.settings.limits

    async def continued(self, name: object) -> State | None:
        """Where a stream starts that goes on from an upload; None = from nothing, as asked.

        Args:
            name: the upload's; None = none.

        Raises:
            Refused: it is no name, or there is no such upload.
            UserError: the pipeline cannot go on from it.
        """
        if name is None:
            return None
        if not isinstance(name, str):
            raise Refused("continue is the name of an upload", CONTINUE)
        return await self.continuing.state(upload_of(name, self.uploads, CONTINUE).end)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Counts one WebSocket.

        Raises:
            Full: there are as many as are taken.
        """
        if self.sockets >= self.limits.sockets:
            raise Full(f"{self.sockets} connections are open", 5.0)
        self.sockets += 1
        try:
            yield
        finally:
            self.sockets -= 1


Deliver = Callable[[EngineChunk], Awaitable[None]]


class StreamSender:
    """A stream and the task that hands its chunks on.

    Args:
        stream: it.
        deliver: hands on one chunk; until it returns, the next one waits.
        failed: told why, if the stream ends of a fault.
    """

    def __init__(
        self, stream: EngineStream, deliver: Deliver, failed: Callable[[str], Awaitable[None]]
    ) -> None:
        self.stream = stream
        self._task = asyncio.create_task(self._run(deliver, failed))

    @property
    def done(self) -> asyncio.Task[None]:
        """Ends when nothing more can be handed on."""
        return self._task

    async def close(self) -> None:
        """Frees the stream's place at once."""
        await self.stream.close()
        self._task.cancel()
        with suppress(asyncio.CancelledError, Gone):
            await self._task

    async def _run(self, deliver: Deliver, failed: Callable[[str], Awaitable[None]]) -> None:
        try:
            async for made in self.stream:
                await deliver(made)
        except StreamFailed as error:
            await failed(error.reason)
        except Gone:
            await self.stream.close()


def reason_of(error: Exception) -> str:
    """Why a request was refused, in words."""
    return str(error) or type(error).__name__


def where_of(error: Exception) -> str:
    """The field or control that a request was refused for; "" = none in particular."""
    return error.where if isinstance(error, Refused) else ""
