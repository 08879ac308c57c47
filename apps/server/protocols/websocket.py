"""WebSockets that neither flood, nor fall asleep, nor keep a stream waiting."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from soundstage.apps.server.settings import Limits
from soundstage.errors import Error

# Close codes, from the range for applications.
TOO_MANY, SLOW = 4429, 4408
WINDOW_S = 10.0


class Refused(Error):
    """A message that cannot be used; the socket stays open and hears why.

    Attributes:
        reason: what was wrong with it and what would fit.
        where: which part of it.
    """

    def __init__(self, reason: str, where: str = "") -> None:
        self.reason, self.where = reason, where
        super().__init__(reason)


class Gone(Exception):
    """The other side has left, or had to be let go."""


class Socket:
    """One accepted WebSocket.

    Args:
        socket: as Starlette has it.
        limits: how much it may say.
    """

    def __init__(self, socket: WebSocket, limits: Limits) -> None:
        self._socket, self._limits = socket, limits
        self._heard: deque[float] = deque()
        self._sending = asyncio.Lock()

    async def accept(self) -> None:
        """Shakes hands."""
        await self._socket.accept()

    async def receive(self, timeout_s: float | None = None) -> str | bytes:
        """Waits for the next message.

        Raises:
            Gone: the other side left, floods, or says nothing for too long.
        """
        try:
            message = await asyncio.wait_for(self._socket.receive(), timeout_s)
        except TimeoutError:
            await self.close(SLOW, "nothing was said for too long")
            raise Gone from None
        except (WebSocketDisconnect, RuntimeError, OSError) as error:
            raise Gone from error
        if message["type"] != "websocket.receive":
            raise Gone
        await self._count()
        text, data = message.get("text"), message.get("bytes")
        return text if text is not None else data or b""

    async def send(self, *messages: object) -> None:
        """Sends messages, one behind the other: bytes as they are, all else as JSON.

        Raises:
            Gone: the other side has left, or does not read.
        """
        try:
            async with self._sending, asyncio.timeout(self._limits.lost_s):
                for message in messages:
                    if isinstance(message, bytes):
                        await self._socket.send_bytes(message)
                    else:
                        await self._socket.send_text(json.dumps(message, allow_nan=False))
        except TimeoutError:
            raise Gone from None
        except (WebSocketDisconnect, RuntimeError, OSError) as error:
            raise Gone from error

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Takes leave; a socket that is closed already is left alone."""
        if self._socket.application_state is not WebSocketState.CONNECTED:
            return
        try:
            async with asyncio.timeout(5):
                await self._socket.close(code, reason[:120])
        except (TimeoutError, RuntimeError, OSError, WebSocketDisconnect):
            return

    async def _count(self) -> None:
        now_s = time.monotonic()
        self._heard.append(now_s)
        while self._heard and self._heard[0] < now_s - WINDOW_S:
            self._heard.popleft()
        if len(self._heard) > self._limits.messages_per_s * WINDOW_S:
            await self.close(
                TOO_MANY, f"more than {self._limits.messages_per_s:g} messages a second"
            )
            raise Gone


def read_object(message: str | bytes) -> dict[str, Any]:
    """Reads a JSON object, from text or from bytes of UTF-8.

    Raises:
        Refused: it is none.
    """
    try:
        found = json.loads(message, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(f"the message is not JSON: {str(error)[:100]}") from error
    if not isinstance(found, dict):
        raise Refused("a message is a JSON object")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
