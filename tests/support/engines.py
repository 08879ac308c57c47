"""Engines under test, what listeners of them hear, and what they would hear alone."""

import asyncio
import hashlib
from contextlib import asynccontextmanager, contextmanager
from itertools import islice

import numpy as np

from soundstage.runners.api import load
from soundstage.runners.engine.engine import Engine
from soundstage.runners.local import LocalRunner
from soundstage.runners.sessions.session import Session

# A machine that does other things as well may take this long for what takes milliseconds.
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
    """Runs what a test does with listeners, at most for so long."""
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


def heard(made):
    return sha(chunk.audio for chunk in made)


class Alone:
    """The same music by a session that shares its runner with nobody."""

    def __init__(self, graph):
        self.runner = LocalRunner(graph)

    def chunks(self, controls, *parts):
        """The audio of one stream; parts = (chunks, changes of controls behind them), ..."""
        session = Session(self.runner, [controls])
        made = []
        for count, changes in parts:
            made += [chunk.audio[0] for chunk in islice(session, count)]
            session.steer(**changes)
        return made

    def sha(self, controls, *parts):
        return sha(self.chunks(controls, *parts))
