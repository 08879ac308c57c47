"""One WebSocket connection of any protocol: accepted, limited, counted, and cleaned up."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from starlette.websockets import WebSocket

from soundstage.apps.server.budget import LoopTime, timed
from soundstage.apps.server.connection import (
    CLIENT_ERRORS,
    ServerContext,
    StreamSender,
    reason_of,
)
from soundstage.apps.server.protocols.websocket import TOO_MANY, Gone, Refused, Socket
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.refusals import Full
from soundstage.runners.fleet.stream import EngineStream

# Close codes of a WebSocket (RFC 6455 and its registry).
T = TypeVar("T")
UNUSABLE_DATA, INTERNAL_ERROR, TRY_AGAIN_LATER = 1007, 1011, 1013


class ProtocolSession(ABC):
    """A client that speaks one protocol on one WebSocket, and the stream it may have.

    Args:
        context: the server's engine, uploads and settings.
        socket: accepted.

    Attributes:
        no_stream: the reason for refusing what needs a stream while there is none.
    """

    no_stream = "there is no stream yet"

    def __init__(self, context: ServerContext, socket: Socket) -> None:
        self._context, self._socket = context, socket
        self._sender: StreamSender | None = None
        self._loop_time = LoopTime(context.limits.loop_share, context.loop_time)

    @abstractmethod
    async def run(self) -> None:
        """Exchanges messages with the client until the session ends.

        Raises:
            Gone: the client has disconnected.
            Full: no more streams fit; the caller closes the connection.
            Error: one of `CLIENT_ERRORS`; ends the connection.
        """

    @abstractmethod
    async def deliver(self, chunk: EngineChunk) -> None:
        """Sends one chunk."""

    @abstractmethod
    async def report_failure(self, reason: str) -> None:
        """Tells the client that a stage failed for its stream, which has ended."""

    @property
    def stream(self) -> EngineStream:
        """The client's stream.

        Raises:
            Refused: the client has not started one.
        """
        if self._sender is None:
            raise Refused(self.no_stream)
        return self._sender.stream

    async def within_budget(self, work: Coroutine[Any, Any, T]) -> T:
        """Does what a message asks for; disconnects a client whose messages take too much time.

        Raises:
            Gone: the client was disconnected.
        """
        result = await timed(work, self._loop_time)
        problem = self._loop_time.problem
        if problem:
            await self._socket.close(TOO_MANY, problem)
            raise Gone
        return result

    def send_stream(self, stream: EngineStream) -> None:
        """Sends a stream's chunks from now on."""
        telemetry = self._context.telemetry_of(self._socket.headers)
        self._sender = StreamSender(stream, self.deliver, self.report_failure, telemetry)

    async def end_stream(self) -> None:
        """Frees the stream's slot, if there is one. Idempotent."""
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.close()

    async def next_message(self) -> str | bytes | None:
        """Waits for a message, or for the end of the stream, whichever comes first.

        A client without a stream has to send something within `Limits.idle_s`.

        Returns:
            The message; None = the stream has ended.

        Raises:
            Gone: the client has disconnected.
        """
        if self._sender is None:
            return await self._socket.receive(self._context.limits.idle_s)
        receiving = asyncio.create_task(self._socket.receive())
        await asyncio.wait({receiving, self._sender.done}, return_when=asyncio.FIRST_COMPLETED)
        if receiving.done():
            return receiving.result()
        receiving.cancel()
        with suppress(asyncio.CancelledError, Gone):
            await receiving
        return None


async def serve_session(
    context: ServerContext,
    open_session: Callable[[ServerContext, Socket], ProtocolSession],
    websocket: WebSocket,
) -> None:
    """Accepts a WebSocket and runs a session on it; closes it with a reason if that is refused."""
    socket = Socket(websocket, context.limits)
    await socket.accept()
    try:
        async with context.connected():
            session = open_session(context, socket)
            try:
                await session.run()
            finally:
                await session.end_stream()
    except Gone:
        return
    except Full as error:
        await socket.close(TRY_AGAIN_LATER, str(error))
    except CLIENT_ERRORS as error:
        await socket.close(UNUSABLE_DATA, reason_of(error))
