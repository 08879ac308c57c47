"""The web application: its addresses, and the functions that answer them."""

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
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from soundstage.apps.server import health
from soundstage.apps.server.auth import Guard
from soundstage.apps.server.bodies import UPLOADS, BodyLimit
from soundstage.apps.server.connection import ServerContext
from soundstage.apps.server.protocols import demo_protocol, lyria, own_protocol, plain_http
from soundstage.apps.server.protocols.schema import asyncapi, openapi
from soundstage.apps.server.styles import PromptStyles
from soundstage.errors import InputError, OutputError
from soundstage.runners.engine.refusals import Full

LOGGER = logging.getLogger("soundstage.serve")

Handler = Callable[[ServerContext, Request], Awaitable[Response]]
# Called with the error if the engine cannot start.
StartFailed = Callable[[Exception], None]


def make_app(context: ServerContext, start_failed: StartFailed) -> Starlette:
    """Builds the application; the engine starts and closes with it.

    Args:
        context: the engine and its settings.
        start_failed: called with the error if the engine cannot start.
    """
    styles = PromptStyles()
    routes = [
        Route("/healthz", _with(context, health.healthz)),
        Route("/readyz", _with(context, health.readyz)),
        Route("/metrics", _with(context, health.metrics)),
        Route("/openapi.json", _json(openapi(context))),
        Route("/asyncapi.json", _json(asyncapi(context))),
        Route(UPLOADS, _with(context, upload), methods=["POST"]),
        Route("/generate", _with(context, plain_http.generate), methods=["POST"]),
        *(
            Route(f"/stream{suffix}", _stream_file(context, suffix))
            for suffix in plain_http.STREAMED
        ),
        Route("/stream_info", _with(context, demo_protocol.stream_info)),
        Route("/style", _with(context, partial(_style, styles)), methods=["POST"]),
        WebSocketRoute(own_protocol.PATH, _socket(partial(own_protocol.own_protocol, context))),
        WebSocketRoute("/stream", _socket(partial(demo_protocol.demo_protocol, context, styles))),
        *(
            WebSocketRoute(path, _socket(partial(lyria.lyria_protocol, context)))
            for path in lyria.ROUTES
        ),
        Mount("/", StaticFiles(directory=page_folder(), html=True)),
    ]
    middleware = [
        Middleware(Guard, settings=context.settings),
        Middleware(BodyLimit, limits=context.limits, transfer=context.transfer),
    ]
    return Starlette(
        routes=routes,
        middleware=middleware,
        lifespan=_lifespan(context, start_failed),
        exception_handlers={HTTPException: _http_error, ClientDisconnect: _gone},
    )


def page_folder() -> Path:
    """Returns the folder of the web page."""
    return Path(str(files("soundstage.apps.server"))) / "page"


async def upload(context: ServerContext, request: Request) -> Response:
    """`POST /uploads`: keeps an audio file, the body or the form's field "file"."""
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
        with context.reading.holding(1):
            name, seconds = await context.uploads.add(data, suffix)
    except (Full, InputError, OutputError) as error:
        return plain_http.refusal(error)
    return JSONResponse({"upload": name, "seconds": round(seconds, 3)}, 201)


def _lifespan(
    context: ServerContext, start_failed: StartFailed
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async def start() -> None:
            try:
                await context.fleet.start()
            except Exception as error:
                start_failed(error)
            else:
                fleet = context.fleet
                LOGGER.info("ready: %d realtime streams fit here", fleet.realtime)
                if fleet.problem:
                    LOGGER.warning("%s; it is measured again when a client asks", fleet.problem)

        # In a task of its own, while the server answers that it is warming up.
        starting = asyncio.create_task(start())
        yield
        starting.cancel()
        await context.fleet.close()
        await context.clip_encoder.close()

    return lifespan


def _with(context: ServerContext, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await handler(context, request)

    return endpoint


async def _style(styles: PromptStyles, context: ServerContext, request: Request) -> Response:
    return await demo_protocol.style(context, styles, request)


def _stream_file(context: ServerContext, suffix: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        request.path_params["suffix"] = suffix[1:]
        return await plain_http.stream_file(context, request)

    return endpoint


def _socket(protocol: Callable[[WebSocket], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def endpoint(websocket: WebSocket) -> None:
        await protocol(websocket)

    return endpoint


def _json(document: object) -> Callable[[Request], Awaitable[Response]]:
    text = json.dumps(document, indent=1)

    async def endpoint(request: Request) -> Response:
        return Response(text, media_type="application/json")

    return endpoint


async def _gone(request: Request, error: Exception) -> Response:
    """Answers nobody: the client left before its request was complete."""
    return Response(status_code=400)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)
