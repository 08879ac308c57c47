"""Engines under test, their clients, and the same music from a session of one stream."""

import asyncio
import hashlib
from contextlib import asynccontextmanager, contextmanager
from itertools import islice

import numpy as np

from soundstage.runners.api import load
from soundstage.runners.fleet.fleet import Fleet
from soundstage.runners.local import LocalRunner
from soundstage.runners.sessions.session import Session

# Seconds; a busy machine may take this long for a step of milliseconds.
PATIENCE_S = 60
QUICK = ["format.chunk_s=0.4"]


def toy(*settings, preset="toy"):
    return load(
        preset=preset, settings=[*QUICK, *settings], allow=["touchy_stages", "broken_stages"]
    )


@asynccontextmanager
async def started(graph, **options):
    engine = Fleet(graph, **options)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


@contextmanager
def running(graph, **options):
    """Runs an engine for several tests, each with its own event loop."""
    engine = Fleet(graph, **options)
    asyncio.run(engine.start())
    try:
        yield engine
    finally:
        asyncio.run(engine.close())


def play(test):
    """Runs a coroutine for at most `PATIENCE_S` seconds."""
    return asyncio.run(asyncio.wait_for(test, PATIENCE_S))


async def read(stream, count):
    return [await anext(stream) for _ in range(count)]


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


def sha(chunks):
    digest = hashlib.sha256()
    for audio in chunks:
        digest.update(np.ascontiguousarray(audio).tobytes())
    return digest.hexdigest()


def sha_of(chunks):
    return sha(chunk.audio for chunk in chunks)


def row_of(stream):
    """Returns the row of a stream."""
    return stream._row


def batch_of(engine):
    """Returns the number of rows of every tick."""
    return engine.engines[0].batch


def is_idle(engine):
    """Returns whether no tick is in progress."""
    return not any(group.busy for group in engine.engines[0].workers.groups.all)


def paces_of(engine):
    """Returns the paces of the engine's streams."""
    return ["realtime" if row.realtime else "fast" for row in engine.places.rows()]


class Alone:
    """The same music by sessions of one stream on a runner of their own."""

    def __init__(self, graph):
        self.runner = LocalRunner(graph)

    def chunks(self, controls, *parts):
        """Returns one stream's audio; parts = (number of chunks, later changes of controls), ..."""
        session = Session(self.runner, [controls])
        audio = []
        for count, changes in parts:
            audio += [chunk.audio[0] for chunk in islice(session, count)]
            session.steer(**changes)
        return audio

    def sha(self, controls, *parts):
        return sha(self.chunks(controls, *parts))
