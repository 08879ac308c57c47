"""Requests of operators and load balancers: is the server alive, is it ready, its metrics."""

from __future__ import annotations

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from soundstage.apps.server.connection import ServerContext
from soundstage.version import version


async def healthz(context: ServerContext, request: Request) -> Response:
    """`GET /healthz`: 200 while the process answers."""
    return JSONResponse({"status": "ok", "version": version()})


async def readyz(context: ServerContext, request: Request) -> Response:
    """`GET /readyz`: 200 if an engine is warm and streams are accepted, else 503."""
    fleet = context.fleet
    if fleet.ready:
        return JSONResponse({"status": "ready"})
    status = "draining" if fleet.draining else "warming up"
    return JSONResponse({"status": status}, 503, {"retry-after": "2"})


async def metrics(context: ServerContext, request: Request) -> Response:
    """`GET /metrics`: the metrics in Prometheus' text format."""
    return Response(generate_latest(context.registry), media_type=CONTENT_TYPE_LATEST)
