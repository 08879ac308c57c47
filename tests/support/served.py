"""Runs a server on a thread of this process, and clients of its protocols."""

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import uvicorn
from websockets.sync.client import ClientConnection, connect
from wires import PATIENCE_S, free_port

import soundstage
from soundstage.apps.server.connection import ServerContext
from soundstage.apps.server.lifetime import configured
from soundstage.apps.server.listen_sockets import listen
from soundstage.apps.server.settings import ServeSettings
from soundstage.graph.plan import Graph
from soundstage.runners.fleet.fleet import Fleet

CONTROLS = {"texts": ["bells"], "text_weights": [1.0], "seed": 5}


@contextmanager
def served(
    rows: int = 8,
    capacity: int | None = None,
    preset: str = "toy",
    chunk_s: float = 0.2,
    graph: Graph | None = None,
    **settings: Any,
) -> Iterator[ServerContext]:
    """Serves a graph, or a preset without networks; yields the context once the engine is ready."""
    lengths = [f"format.chunk_s={chunk_s}", f"format.context_s={2 * chunk_s}"]
    graph = graph or soundstage.load(preset, settings=lengths)
    serve_settings = ServeSettings(port=free_port(), **settings)
    context = ServerContext(graph, Fleet(graph, rows=rows, capacity=capacity), serve_settings)
    errors: list[Exception] = []
    config = configured(context, errors.append)
    config.timeout_graceful_shutdown = 2
    server = uvicorn.Server(config)
    sockets = listen(serve_settings.host, serve_settings.port, serve_settings.limits.lost_s)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets)), daemon=True)
    thread.start()
    until = time.monotonic() + PATIENCE_S
    while not context.fleet.ready and not errors and time.monotonic() < until:
        time.sleep(0.02)
    assert errors == []
    assert context.fleet.ready
    yield context
    server.should_exit = True
    thread.join(30)


def speak(context: ServerContext, path: str, **options: Any) -> ClientConnection:
    """Opens a WebSocket."""
    address = f"ws://127.0.0.1:{context.settings.port}{path}"
    return connect(address, max_size=None, max_queue=None, open_timeout=PATIENCE_S, **options)


def say(socket: ClientConnection, **message: Any) -> None:
    """Sends a JSON object."""
    socket.send(json.dumps(message))


def hear(socket: ClientConnection, kind: str | None = None) -> dict[str, Any]:
    """Returns the next JSON message, of type `kind` unless None; skips all other messages."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        message = socket.recv(timeout=PATIENCE_S)
        if isinstance(message, str):
            content = json.loads(message)
            if kind is None or content.get("type") == kind:
                return content
    raise AssertionError(f"no message of type {kind} arrived")


def samples(socket: ClientConnection) -> bytes:
    """Returns the next binary message; skips JSON."""
    while isinstance(message := socket.recv(timeout=PATIENCE_S), str):
        pass
    return message


def settled(context: ServerContext, streams: int) -> bool:
    """Waits until the engine has `streams` streams; returns False after `PATIENCE_S` seconds."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if context.fleet.streams == streams:
            return True
        time.sleep(0.01)
    return False


def started(socket: ClientConnection, **options: Any) -> None:
    """Starts a non-realtime stream (pace "fast"), unless `options` has another pace."""
    assert hear(socket)["type"] == "ready"
    say(socket, type="start", **({"controls": CONTROLS, "pace": "fast"} | options))
    assert hear(socket)["type"] == "started"


def offline(chunks: int, **controls: Any) -> np.ndarray:
    """Returns the same music from a local session: float32 [sample, channel]."""
    prompts = [(controls.pop("text", "bells"), 1.0)]
    settings = ["format.chunk_s=0.2", "format.context_s=0.4"]
    controls = {"prompts": prompts, "seed": 5} | controls
    with soundstage.open(preset="toy", settings=settings, **controls) as session:
        audio = [chunk.audio[0] for chunk in itertools.islice(session, chunks)]
    return np.concatenate(audio)
