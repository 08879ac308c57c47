"""WebSockets with limits: on the rate of messages, and on how long sending and waiting take."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from soundstage.apps.server.settings import Limits
from soundstage.documents import DocumentError, read_json
from soundstage.errors import Error

# Close codes, from the range for applications.
TOO_MANY, SLOW = 4429, 4408
WINDOW_S = 10.0
# A control frame has 125 bytes, of which the code takes two.
MOST_REASON_BYTES = 123


class Refused(Error):
    """A request that cannot be used.

    Attributes:
        reason: what is wrong with it and what would fit.
        where: the field or control that is wrong; "" = none in particular.
    """

    def __init__(self, reason: str, where: str = "") -> None:
        self.reason, self.where = reason, where
        super().__init__(reason)


class Gone(Exception):
    """The client has disconnected, or was disconnected."""


class Socket:
    """One WebSocket with limits.

    Args:
        socket: Starlette's WebSocket.
        limits: the limits.
    """

    def __init__(self, socket: WebSocket, limits: Limits) -> None:
        self._socket, self._limits = socket, limits
        self._received_s: deque[float] = deque()
        self._sending = asyncio.Lock()

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of its request."""
        return self._socket.headers

    async def accept(self) -> None:
        """Accepts the connection."""
        await self._socket.accept()

    async def receive(self, timeout_s: float | None = None) -> str | bytes:
        """Waits for the next message.

        Raises:
            Gone: the client has disconnected; it sends too many messages, or none within
                `timeout_s`, and was disconnected.
        """
        try:
            message = await asyncio.wait_for(self._socket.receive(), timeout_s)
        except TimeoutError:
            await self.close(SLOW, "no message came in time")
            raise Gone from None
        except (WebSocketDisconnect, RuntimeError, OSError) as error:
            raise Gone from error
        if message["type"] != "websocket.receive":
            raise Gone
        await self._count()
        text, data = message.get("text"), message.get("bytes")
        return text if text is not None else data or b""

    async def send(self, *messages: object) -> None:
        """Sends messages without others in between: bytes as they are, other objects as JSON.

        Raises:
            Gone: the client has disconnected, or has not read for `Limits.lost_s`.
        """
        try:
            async with self._sending, asyncio.timeout(self._limits.lost_s):
                for message in messages:
                    if isinstance(message, bytes | bytearray):
                        await self._socket.send({"type": "websocket.send", "bytes": message})
                    else:
                        await self._socket.send_text(json.dumps(message, allow_nan=False))
        except TimeoutError:
            raise Gone from None
        except (WebSocketDisconnect, RuntimeError, OSError) as error:
            raise Gone from error

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes the connection, if it is open."""
        if self._socket.application_state is not WebSocketState.CONNECTED:
            return
        try:
            async with asyncio.timeout(5):
                await self._socket.close(code, close_reason(reason))
        except (TimeoutError, RuntimeError, OSError, WebSocketDisconnect):
            return

    async def _count(self) -> None:
        """Counts a message; disconnects a client that sends too many."""
        now_s = time.monotonic()
        self._received_s.append(now_s)
        while self._received_s and self._received_s[0] < now_s - WINDOW_S:
            self._received_s.popleft()
        if len(self._received_s) > self._limits.messages_per_s * WINDOW_S:
            await self.close(
                TOO_MANY, f"more than {self._limits.messages_per_s:g} messages a second"
            )
            raise Gone


def close_reason(reason: str) -> str:
    """Returns as much of a reason as a close frame has room for: 123 bytes of UTF-8."""
    return reason.encode(errors="replace")[:MOST_REASON_BYTES].decode(errors="ignore")


def read_object(message: str | bytes) -> dict[str, Any]:
    """Reads a JSON object, from text or from bytes of UTF-8.

    Raises:
        Refused: the message is not a JSON object, or beyond the limits of `soundstage.documents`.
    """
    try:
        fields = read_json(message, any_whole=True)
    except DocumentError as error:
        raise Refused(
            f"the message cannot be read: {str(error)[:200]}", error.where[:100]
        ) from error
    if not isinstance(fields, dict):
        raise Refused("a message is a JSON object")
    return fields
