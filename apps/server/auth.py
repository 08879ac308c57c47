"""Tokens, host names and origins: checked before anything else handles a request."""

from __future__ import annotations

import hmac
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundstage.apps.server.hosts import (
    answering_names,
    is_answering,
    is_from_another_site,
    origin_of,
)
from soundstage.apps.server.protocols.websocket import close_reason
from soundstage.apps.server.settings import ServeSettings

# Paths without a token: for health checks, and for the page, which asks a person for the token.
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/"})
OPEN_FOLDERS = ("/css/", "/js/", "/icon.svg")
# Close codes of a WebSocket, from the range for applications.
UNAUTHORIZED, FORBIDDEN = 4401, 4403
NO_TOKEN = "this server needs its token: Authorization: Bearer TOKEN, or ?token=TOKEN"
WRONG_TOKEN = "the token is not this server's"
# Characters of a name or an origin in an answer: the close frame has room for 123 bytes in all.
LONGEST_SHOWN = 80
LOG_EVERY_S, MOST_REASONS = 60.0, 100

LOGGER = logging.getLogger("soundstage.serve")
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

    Pages of allowed origins get the headers that let them read the answers (CORS).

    Args:
        app: handles the requests that pass.
        settings: the token, the allowed host names and origins.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self._app, self._token = app, settings.token
        self._origins = frozenset(origin.rstrip("/").lower() for origin in settings.origins)
        self._names = answering_names(settings.host, settings.allowed_hosts, settings.origins)
        self._refusals = RefusalLog()
        # Outside the check of the token: a browser's preflight request carries none.
        self._with_cors = CORSMiddleware(
            self._check_token,
            allow_origins=[*settings.origins, *self._origins],
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "x-goog-api-key"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request that may not pass, and passes the others on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        send = _with_headers(scope, send)
        reason = self._refusal(HTTPConnection(scope))
        if reason:
            self._refusals.add(reason)
            await _refuse(scope, receive, send, 403, reason)
        else:
            await self._with_cors(scope, receive, send)

    async def _check_token(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = HTTPConnection(scope)
        if self._token is None or _is_harmless(scope["path"]) or _has_token(request, self._token):
            await self._app(scope, receive, send)
        else:
            reason = WRONG_TOKEN if _tokens(request) else NO_TOKEN
            await _refuse(scope, receive, send, 401, reason)

    def _refusal(self, request: HTTPConnection) -> str:
        """Returns why a request may not pass, whatever its token; "" = it may."""
        headers = request.headers
        # A page that only rebinds a name to this server does not know its token.
        if self._token is None:
            hosts = headers.getlist("host") or [""]
            strange = next((one for one in hosts if not is_answering(self._names, one)), None)
            if strange is not None:
                name = strange[:LONGEST_SHOWN]
                return f"start with --allowed-host {name}: {name!r} is not a name of this server"
        origin = origin_of(headers)
        if "origin" in headers:
            allowed = all(self._is_allowed(one, headers) for one in headers.getlist("origin"))
        else:
            allowed = origin in self._origins or _is_harmless(request.scope["path"])
            own = origin is None or self._is_allowed(origin, headers)
            allowed = allowed or (own and not is_from_another_site(headers))
        if allowed:
            return ""
        if origin is None:
            return "start with --origin URL: pages of other sites may not use this server"
        shown = origin[:LONGEST_SHOWN]
        return f"start with --origin {shown} to allow it: pages of other sites may not connect"

    def _is_allowed(self, origin: str, headers: Headers) -> bool:
        if origin.rstrip("/").lower() in self._origins:
            return True
        # The server's own page. A page of another origin cannot choose the Host of its requests.
        scheme, _, place = origin.lower().partition("://")
        return scheme in ("http", "https") and place == headers.get("host", "").lower() != ""


class RefusalLog:
    """Logs each reason for a refusal once a minute at most: a page may try again and again."""

    def __init__(self) -> None:
        self._logged_s: OrderedDict[str, float] = OrderedDict()

    def add(self, reason: str) -> None:
        """Logs a reason, unless it was logged within the last minute."""
        now_s = time.monotonic()
        if now_s - self._logged_s.get(reason, -math.inf) < LOG_EVERY_S:
            return
        if len(self._logged_s) >= MOST_REASONS:
            oldest_s = next(iter(self._logged_s.values()))
            if now_s - oldest_s < LOG_EVERY_S:
                return
            self._logged_s.popitem(last=False)
        self._logged_s[reason] = now_s
        self._logged_s.move_to_end(reason)
        LOGGER.warning("a request was refused: %s", reason)


def _is_harmless(path: str) -> bool:
    """Tells whether requests of a path have no effect and tell nothing that is secret."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def _has_token(request: HTTPConnection, token: str) -> bool:
    secret = token.encode()
    return any(hmac.compare_digest(one.encode(), secret) for one in _tokens(request))


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


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, reason: str) -> None:
    if scope["type"] == "http":
        headers = {"www-authenticate": "Bearer"} if status == 401 else None
        await JSONResponse({"error": reason}, status, headers)(scope, receive, send)
        return
    # Accepted and closed: a page cannot read why a handshake was refused.
    await receive()
    await send({"type": "websocket.accept"})
    code = UNAUTHORIZED if status == 401 else FORBIDDEN
    await send({"type": "websocket.close", "code": code, "reason": close_reason(reason)})
