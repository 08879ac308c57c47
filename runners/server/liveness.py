"""Who gives no sign of life is let go: a network can vanish without a word, and a reader can stop.

Both leave bytes in the connection's pipe that nobody takes. A farewell would wait behind them for
ever, and with it the stream's place, so such a connection is cut.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LOGGER = logging.getLogger("soundstage.serve")
# How long what was said last may take to arrive.
FAREWELL_S = 10.0


class Pulse(WebSocketsSansIOProtocol):
    """A WebSocket that ends when no sign of life comes, whatever is still in its pipe."""

    def keepalive_timeout(self) -> None:
        """Nothing came back."""
        super().keepalive_timeout()
        self.transport.abort()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Nobody speaks here any more."""
        super().on_task_complete(task)
        self.loop.call_later(FAREWELL_S, self.transport.abort)


class _Unread(Exception):
    """Bytes were left in the pipe for too long."""


class ReadLimit:
    """Ends an answer to a plain HTTP request whose reader has stopped reading.

    Args:
        app: who answers.
        most_s: how long a part of the answer may wait.
    """

    def __init__(self, app: ASGIApp, most_s: float) -> None:
        self._app, self._most_s = app, most_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Waits for the reader, but not for ever."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            try:
                async with asyncio.timeout(self._most_s):
                    await send(message)
            except TimeoutError:
                raise _Unread from None

        try:
            await self._app(scope, receive, sending)
        except* _Unread:
            LOGGER.info("%s was not read for %g s", scope["path"], self._most_s)
