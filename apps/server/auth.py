"""Tokens, host names and origins: checked before anything else handles a request."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundstage.apps.server.hosts import answering_names, is_answering, is_from_another_site
from soundstage.apps.server.settings import ServeSettings

# Paths without a token: for health checks, and for the page, which asks a person for the token.
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
    """Middleware that refuses requests without the token, or that a page of another site causes.

    Args:
        app: handles the requests that pass.
        settings: the token, the allowed host names and origins.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self._app, self._token = app, settings.token
        self._origins = frozenset(origin.rstrip("/").lower() for origin in settings.origins)
        self._names = answering_names(settings.host, settings.allowed_hosts, settings.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request that may not pass, and passes the others on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(HTTPConnection(scope))
        if refusal is None:
            await self._app(scope, receive, _with_headers(scope, send))
        elif scope["type"] == "http":
            status, reason = refusal
            headers = {"www-authenticate": "Bearer"} if status == 401 else None
            answer = JSONResponse({"error": reason}, status, headers)
            await answer(scope, receive, _with_headers(scope, send))
        else:
            await _refuse_socket(receive, send, *refusal)

    def _refusal(self, request: HTTPConnection) -> tuple[int, str] | None:
        """Returns the HTTP status and the reason of a refusal; None = the request may pass."""
        headers, path = request.headers, request.scope["path"]
        host, origin = headers.get("host", ""), headers.get("origin")
        # A page that only rebinds a name to this server does not know its token.
        if self._token is None and host and not is_answering(self._names, host):
            name = host[:100]
            return 403, f"{name} is not a name of this server: start with --allowed-host {name}"
        if origin is not None and not self._is_allowed(origin, headers):
            reason = f"pages of {origin[:100]} may not connect: start with --origin {origin[:100]}"
            return 403, reason
        if origin is None and is_from_another_site(headers) and not _is_harmless(path):
            return 403, "pages of other sites may not use this server: start with --origin URL"
        if self._token is None or _is_harmless(path):
            return None
        secret = self._token.encode()
        if any(hmac.compare_digest(token.encode(), secret) for token in _tokens(request)):
            return None
        return 401, "this server needs its token: Authorization: Bearer TOKEN, or ?token=TOKEN"

    def _is_allowed(self, origin: str, headers: Headers) -> bool:
        if origin.rstrip("/").lower() in self._origins:
            return True
        # The server's own page. A page of another origin cannot choose the Host of its requests.
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != ""


def _is_harmless(path: str) -> bool:
    """Tells whether requests of a path have no effect and tell nothing that is secret."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def _tokens(request: HTTPConnection) -> Sequence[str]:
    kind, _, bearer = request.headers.get("authorization", "").partition(" ")
    query = request.query_params
    tokens = [
        bearer.strip() if kind.lower() == "bearer" else "",
        request.headers.get("x-goog-api-key", ""),
        query.get("token", ""),
        query.get("key", ""),
    ]
    return [token for token in tokens if token]


def _with_headers(scope: Scope, send: Send) -> Send:
    if scope["type"] != "http":
        return send

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SAFE_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers


async def _refuse_socket(receive: Receive, send: Send, status: int, reason: str) -> None:
    """Accepts and closes a WebSocket: a page cannot read why a handshake was refused."""
    await receive()
    await send({"type": "websocket.accept"})
    code = UNAUTHORIZED if status == 401 else FORBIDDEN
    await send({"type": "websocket.close", "code": code, "reason": reason[:120]})
