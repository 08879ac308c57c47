"""The web application: which address leads where."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from soundstage.apps.server import health
from soundstage.apps.server.auth import Guard
from soundstage.apps.server.connection import ServerContext
from soundstage.apps.server.protocols import demo_protocol, lyria, own_protocol, plain_http
from soundstage.apps.server.protocols.schema import asyncapi, openapi
from soundstage.apps.server.styles import PromptStyles
from soundstage.errors import InputError

LOGGER = logging.getLogger("soundstage.serve")

Answer = Callable[[ServerContext, Request], Awaitable[Response]]
# Starting it failed: the process ends with this text.
Failed = Callable[[Exception], None]


def make_app(desk: ServerContext, failed: Failed) -> Starlette:
    """Builds the application; the engine starts and ends with it.

    Args:
        desk: the engine and its settings.
        failed: told if the engine cannot start.
    """
    styles = PromptStyles()
    routes = [
        Route("/healthz", _with(desk, health.healthz)),
        Route("/readyz", _with(desk, health.readyz)),
        Route("/metrics", _with(desk, health.metrics)),
        Route("/openapi.json", _json(openapi(desk))),
        Route("/asyncapi.json", _json(asyncapi(desk))),
        Route("/uploads", _with(desk, upload), methods=["POST"]),
        Route("/generate", _with(desk, plain_http.generate), methods=["POST"]),
        *(Route(f"/stream{suffix}", _listening(desk, suffix)) for suffix in plain_http.STREAMED),
        Route("/stream_info", _with(desk, demo_protocol.stream_info)),
        Route("/style", _with(desk, partial(_style, styles)), methods=["POST"]),
        WebSocketRoute(own_protocol.PATH, _socket(partial(own_protocol.own_protocol, desk))),
        WebSocketRoute("/stream", _socket(partial(demo_protocol.demo_protocol, desk, styles))),
        *(
            WebSocketRoute(path, _socket(partial(lyria.lyria_protocol, desk)))
            for path in lyria.PATHS
        ),
        Mount("/", StaticFiles(directory=page_folder(), html=True)),
    ]
    middleware = [
        Middleware(Guard, settings=desk.settings),
        Middleware(BodyLimit, most=desk.limits.upload_bytes),
    ]
    return Starlette(
        routes=routes,
        middleware=middleware,
        lifespan=_lifespan(desk, failed),
        exception_handlers={HTTPException: _http_fault},
    )


def page_folder() -> Path:
    """Where the page is."""
    return Path(str(files("soundstage.apps.server"))) / "page"


async def upload(desk: ServerContext, request: Request) -> Response:
    """`POST /uploads`: an audio file, as the body or as the form's field "file"."""
    suffix = ""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form(max_files=1, max_fields=4) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                return JSONResponse({"error": "the form has no file in its field 'file'"}, 400)
            data, suffix = await file.read(), Path(file.filename or "").suffix
    else:
        data = await request.body()
    try:
        name, seconds = await desk.uploads.add(data, suffix)
    except InputError as error:
        # The file's path here says nothing to whoever sent it.
        reason = str(error).rpartition("upload")[2].lstrip(".:").partition(": ")
        return JSONResponse({"error": reason[2] or str(error)}, 400)
    return JSONResponse({"upload": name, "seconds": round(seconds, 3)}, 201)


class BodyLimit:
    """Refuses bodies that are too large, before they are there.

    Args:
        app: who gets the others.
        most: bytes.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts the bytes of a request's body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if stated.isdigit() and int(stated) > self._most:
            await self._answer(scope, receive, send)
            return
        heard = 0

        async def counted() -> Message:
            nonlocal heard
            message = await receive()
            heard += len(message.get("body", b""))
            if heard > self._most:
                raise HTTPException(413, self._reason)
            return message

        await self._app(scope, counted, send)

    @property
    def _reason(self) -> str:
        return f"a body has at most {self._most / 1e6:.0f} MB"

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse({"error": self._reason}, 413)(scope, receive, send)


def _lifespan(
    desk: ServerContext, failed: Failed
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async def start() -> None:
            try:
                await desk.engine.start()
            except Exception as error:
                failed(error)
            else:
                figures = desk.engine.figures()
                LOGGER.info("ready: %d realtime streams fit here", figures.capacity)

        # Beside the server, which says meanwhile that it is warming up.
        starting = asyncio.create_task(start())
        yield
        starting.cancel()
        await desk.engine.close()
        await desk.continuing.close()

    return lifespan


def _with(desk: ServerContext, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await answer(desk, request)

    return endpoint


async def _style(styles: PromptStyles, desk: ServerContext, request: Request) -> Response:
    return await demo_protocol.style(desk, styles, request)


def _listening(desk: ServerContext, suffix: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        request.path_params["suffix"] = suffix[1:]
        return await plain_http.listen(desk, request)

    return endpoint


def _socket(speak: Callable[[WebSocket], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def endpoint(socket: WebSocket) -> None:
        await speak(socket)

    return endpoint


def _json(document: object) -> Callable[[Request], Awaitable[Response]]:
    text = json.dumps(document, indent=1)

    async def endpoint(request: Request) -> Response:
        return Response(text, media_type="application/json")

    return endpoint


async def _http_fault(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)
