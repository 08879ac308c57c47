"""Engines under test, digests of their streams, and the same music from a local session."""

import asyncio
import hashlib
from contextlib import asynccontextmanager, contextmanager
from itertools import islice

import numpy as np

from soundstage.runners.api import load
from soundstage.runners.engine.engine import Engine
from soundstage.runners.local import LocalRunner
from soundstage.runners.sessions.session import Session

# On a busy machine, milliseconds of work may take this long.
PATIENCE_S = 60
QUICK = ["format.chunk_s=0.4"]


def toy(*settings, preset="toy"):
    return load(
        preset=preset, settings=[*QUICK, *settings], allow=["touchy_stages", "broken_stages"]
    )


@asynccontextmanager
async def started(graph, **options):
    engine = Engine(graph, **options)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


@contextmanager
def running(graph, **options):
    """An engine for many tests, each of which has an event loop of its own."""
    engine = Engine(graph, **options)
    asyncio.run(engine.start())
    try:
        yield engine
    finally:
        asyncio.run(engine.close())


def play(test):
    """Runs a test's coroutine, at most for `PATIENCE_S`."""
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
    """The row of a stream."""
    return stream._row


def batch_of(engine):
    """Rows of every tick."""
    return engine._warm.batch


def is_idle(engine):
    """Whether no tick is in progress."""
    return not any(group.busy for group in engine._workers.groups.all)


def paces_of(engine):
    """The paces of the engine's streams."""
    return ["realtime" if row.realtime else "fast" for row in engine._workers.groups.rows()]


class Alone:
    """The same music from a local session with a runner of its own."""

    def __init__(self, graph):
        self.runner = LocalRunner(graph)

    def chunks(self, controls, *parts):
        """The audio of one stream; parts = (chunks, changes of controls after them), ..."""
        session = Session(self.runner, [controls])
        audio = []
        for count, changes in parts:
            audio += [chunk.audio[0] for chunk in islice(session, count)]
            session.steer(**changes)
        return audio

    def sha(self, controls, *parts):
        return sha(self.chunks(controls, *parts))
