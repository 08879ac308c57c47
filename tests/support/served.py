"""A server in this process, on a thread of its own, and clients that speak its protocols."""

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
from soundstage.runners.engine.engine import Engine

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
    """Serves a graph or a preset without networks; yields its desk, warm, with its port."""
    lengths = [f"format.chunk_s={chunk_s}", f"format.context_s={2 * chunk_s}"]
    graph = graph or soundstage.load(preset, settings=lengths)
    chosen = ServeSettings(port=free_port(), **settings)
    desk = ServerContext(graph, Engine(graph, rows=rows, capacity=capacity), chosen)
    faults: list[Exception] = []
    config = configured(desk, faults.append)
    config.timeout_graceful_shutdown = 2
    server = uvicorn.Server(config)
    sockets = listen(chosen.host, chosen.port, chosen.limits.lost_s)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets)), daemon=True)
    thread.start()
    until = time.monotonic() + PATIENCE_S
    while not desk.engine.ready and not faults and time.monotonic() < until:
        time.sleep(0.02)
    assert not faults
    assert desk.engine.ready
    yield desk
    server.should_exit = True
    thread.join(30)


def speak(desk: ServerContext, path: str, **options: Any) -> ClientConnection:
    """Opens a WebSocket."""
    address = f"ws://127.0.0.1:{desk.settings.port}{path}"
    return connect(address, max_size=None, max_queue=None, open_timeout=PATIENCE_S, **options)


def say(socket: ClientConnection, **message: Any) -> None:
    """Sends a JSON object."""
    socket.send(json.dumps(message))


def hear(socket: ClientConnection, kind: str | None = None) -> dict[str, Any]:
    """The next JSON message; of one type, if it is given: others and samples are passed over."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        message = socket.recv(timeout=PATIENCE_S)
        if isinstance(message, str):
            found = json.loads(message)
            if kind is None or found.get("type") == kind:
                return found
    raise AssertionError(f"nothing of type {kind} was heard")


def samples(socket: ClientConnection) -> bytes:
    """The next binary message."""
    while isinstance(message := socket.recv(timeout=PATIENCE_S), str):
        pass
    return message


def settled(desk: ServerContext, streams: int) -> bool:
    """Waits until so many streams are there; False = they never were."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if desk.engine.figures().streams == streams:
            return True
        time.sleep(0.01)
    return False


def started(socket: ClientConnection, **options: Any) -> None:
    """Starts a stream of pace "fast", unless told otherwise."""
    assert hear(socket)["type"] == "ready"
    say(socket, type="start", **({"controls": CONTROLS, "pace": "fast"} | options))
    assert hear(socket)["type"] == "started"


def offline(chunks: int, **controls: Any) -> np.ndarray:
    """The same music without a server: float32 [sample, channel]."""
    prompts = [(controls.pop("text", "bells"), 1.0)]
    settings = ["format.chunk_s=0.2", "format.context_s=0.4"]
    asked = {"prompts": prompts, "seed": 5} | controls
    with soundstage.open(preset="toy", settings=settings, **asked) as session:
        made = [chunk.audio[0] for chunk in itertools.islice(session, chunks)]
    return np.concatenate(made)
