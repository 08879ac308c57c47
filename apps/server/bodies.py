"""Limits on the bodies of requests: their size, their pace, and the memory of all together."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundstage.apps.server.budget import Amount
from soundstage.apps.server.settings import Limits
from soundstage.runners.engine.refusals import Full

UPLOADS = "/uploads"


class BodyLimit:
    """Refuses request bodies that are too large or too slow, before they have arrived.

    Args:
        app: handles the other requests.
        limits: the sizes, and how long a client may send nothing.
        transfer: the bytes of all bodies and other things in transfer.
    """

    def __init__(self, app: ASGIApp, limits: Limits, transfer: Amount) -> None:
        self._app, self._limits, self._transfer = app, limits, transfer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts the bytes of a request's body, which are in transfer until it is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._most_bytes(scope["path"])
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > most:
            await JSONResponse({"error": _too_large(most)}, 413)(scope, receive, send)
            return
        body = _Body(receive, most, self._limits.lost_s, self._transfer)
        try:
            await self._app(scope, body.receive, send)
        finally:
            self._transfer.give(body.received)

    def _most_bytes(self, path: str) -> int:
        limits = self._limits
        return limits.upload_bytes if path == UPLOADS else limits.message_bytes


class _Body:
    """The body of one request."""

    def __init__(self, receive: Receive, most: int, most_s: float, transfer: Amount) -> None:
        self._receive, self._most, self._most_s = receive, most, most_s
        self._transfer = transfer
        self._complete = False
        self.received = 0

    async def receive(self) -> Message:
        """Receives a part of the body.

        Raises:
            HTTPException: the body is too large, or it does not go on, or too many bytes of other
                requests are in transfer.
        """
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout(self._most_s):
                message = await self._receive()
        except TimeoutError:
            reason = f"nothing of the body came for {self._most_s:g} s"
            raise HTTPException(408, reason, {"connection": "close"}) from None
        self._complete = not message.get("more_body", False)
        size = len(message.get("body", b""))
        if self.received + size > self._most:
            raise HTTPException(413, _too_large(self._most), {"connection": "close"})
        try:
            self._transfer.take(size)
        except Full as error:
            wait = {"retry-after": f"{error.retry_after_s:.0f}", "connection": "close"}
            raise HTTPException(503, error.reason, wait) from error
        self.received += size
        return message


def _too_large(most: int) -> str:
    size = f"{most / 1e6:.0f} MB" if most >= 1e6 else f"{most / 1e3:.0f} kB"
    return f"a body has at most {size}"
