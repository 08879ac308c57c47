"""Fleets of sleeping engines under measurement, and listeners that check every chunk."""

import asyncio
import time

import numpy as np

from fleets.sleeping import value_of
from soundstage.graph.plan import Graph
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.engine.engine import Engine
from soundstage.runners.fleet.fleet import Fleet
from soundstage.runners.fleet.stream import EngineStream

READY_WITHIN_S = 600.0
RAY = RunnerChoice("ray")


async def started(
    graph: Graph, engines: int, streams: int, runner: RunnerChoice = RAY, *, fits: bool = False
) -> Fleet:
    """Starts a fleet and waits for all its engines.

    Args:
        graph: the pipeline.
        engines: how many engines.
        streams: the most rows of a tick, and the streams of each engine.
        runner: where they are.
        fits: whether a tick has as many rows as it needs, as `serve` has it on accelerators.
    """
    rows = streams * engines
    fleet = Fleet(
        graph,
        engines=engines,
        rows=rows,
        batch=streams,
        capacity=rows,
        workers=1,
        runner=runner,
        fits=fits,
    )
    await fleet.start()
    until_s = time.monotonic() + READY_WITHIN_S
    while not all(is_grown(engine, streams) for engine in fleet.engines):
        if time.monotonic() > until_s:
            raise TimeoutError(f"the engines were not ready within {READY_WITHIN_S:g} s")
        await asyncio.sleep(0.05)
    return fleet


def is_grown(engine: Engine, streams: int) -> bool:
    """Returns whether an engine is ready for ticks of so many rows."""
    return engine.ready and max(engine.sizes) >= streams


async def listen(stream: EngineStream, step: int, first: int, chunks: int) -> None:
    """Reads chunks and checks each.

    Raises:
        RuntimeError: a chunk is missing, repeated, or another stream's.
    """
    for index in range(first, first + chunks):
        chunk = await anext(stream)
        expected = float(value_of(np.array([(index + 1) * step]))[0])
        if chunk.chunk != index or chunk.audio[0, 0] != expected or chunk.audio[-1, -1] != expected:
            raise RuntimeError(f"stream {step}: chunk {index} is wrong: {chunk.chunk}")


async def join_all(fleet: Fleet, count: int) -> list[EngineStream]:
    """Opens streams and plays them, not in real time: as fast as the engines make them.

    Each may have two unread chunks, so that the next tick of all waits for no reader.
    """
    streams = [
        await fleet.join({"step": step + 1}, pace="fast", buffer_chunks=2) for step in range(count)
    ]
    for stream in streams:
        await stream.play()
    return streams
