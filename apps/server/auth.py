"""Who may come in: tokens and origins, before anything else looks at a request."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundstage.apps.server.settings import ServeSettings

# Asked for without a token by whoever watches over a server, or to ask a person for one.
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/"})
OPEN_FOLDERS = ("/css/", "/js/", "/icon.svg")
# Close codes of a WebSocket, from the range for applications.
UNAUTHORIZED, FORBIDDEN = 4401, 4403
PAGE_POLICY = (
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; "
    "media-src 'self' blob:; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
SAFE_HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}


class Guard:
    """Lets requests through that carry the token and come from an allowed page.

    Args:
        app: who gets them.
        settings: the token and the pages.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self._app, self._token = app, settings.token
        self._origins = frozenset(origin.rstrip("/").lower() for origin in settings.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request that may not pass, and hands on the others."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        fault = self._fault(HTTPConnection(scope))
        if fault is None:
            await self._app(scope, receive, _with_headers(scope, send))
        elif scope["type"] == "http":
            status, reason = fault
            headers = {"www-authenticate": "Bearer"} if status == 401 else None
            answer = JSONResponse({"error": reason}, status, headers)
            await answer(scope, receive, _with_headers(scope, send))
        else:
            await _refuse_socket(receive, send, *fault)

    def _fault(self, request: HTTPConnection) -> tuple[int, str] | None:
        origin = request.headers.get("origin")
        if origin is not None and not self._welcome(origin, request.headers):
            return (
                403,
                f"pages of {origin[:100]} may not connect: start with --origin {origin[:100]}",
            )
        path = request.url.path
        if self._token is None or path in OPEN_PATHS or path.startswith(OPEN_FOLDERS):
            return None
        if any(
            hmac.compare_digest(found.encode(), self._token.encode()) for found in _tokens(request)
        ):
            return None
        return 401, "this server wants its token: Authorization: Bearer TOKEN, or ?token=TOKEN"

    def _welcome(self, origin: str, headers: Headers) -> bool:
        if origin.rstrip("/").lower() in self._origins:
            return True
        # The server's own page. A page elsewhere cannot choose the Host of what it sends.
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != ""


def _tokens(request: HTTPConnection) -> Sequence[str]:
    kind, _, bearer = request.headers.get("authorization", "").partition(" ")
    query = request.query_params
    found = [bearer.strip() if kind.lower() == "bearer" else ""]
    found += [
        request.headers.get("x-goog-api-key", ""),
        query.get("token", ""),
        query.get("key", ""),
    ]
    return [token for token in found if token]


def _with_headers(scope: Scope, send: Send) -> Send:
    if scope["type"] != "http":
        return send

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SAFE_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


async def _refuse_socket(receive: Receive, send: Send, status: int, reason: str) -> None:
    """A reason that a page can read: browsers tell a page nothing of a refused handshake."""
    await receive()
    await send({"type": "websocket.accept"})
    code = UNAUTHORIZED if status == 401 else FORBIDDEN
    await send({"type": "websocket.close", "code": code, "reason": reason[:120]})
