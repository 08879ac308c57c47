"""Measures a fleet: throughput and own cost by the number of engines, and what random kills do.

    python benchmarks/fleet.py --engines 1 2 4 8 16 --streams 16 --chunks 6
    python benchmarks/fleet.py --engines 2 --streams 4 --kills 20

The engines' stages sleep as a device computes: a tick takes as long however many rows it has. So a
few cores show many engines. Chunks have the published size, 2 s of 48 kHz stereo. Every chunk is
checked: a stream that lost or repeated a chunk, or got another's, ends the program with an error.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from soundstage.graph.check import build
from soundstage.graph.format import Format
from soundstage.graph.plan import Graph
from soundstage.graph.port import Port
from soundstage.graph.spec import parse
from soundstage.runners.engine.counts import median_of
from soundstage.runners.fleet import keeper
from soundstage.runners.fleet.fleet import Fleet
from soundstage.runners.fleet.stream import EngineStream

NUMBER = Port("int64", (), "number")
# Values of the audio are numbers modulo this, as parts of full scale: float32 tells them apart.
SCALE = 1 << 16
READY_WITHIN_S = 600.0


class Count:
    """Adds a step in every chunk, so that a stream's audio tells its chunks apart."""

    inputs = {"step": NUMBER, "past": NUMBER}
    outputs = {"number": NUMBER}
    uses_device = False

    def __init__(self, params: None, format: Format, device: None) -> None:
        pass

    def __call__(self, step: np.ndarray, past: np.ndarray) -> dict[str, np.ndarray]:
        return {"number": past + step}


@dataclass(frozen=True)
class SleepParams:
    """The seconds of a tick."""

    seconds: float


class SleepAudio:
    """Returns audio of one value, after a sleep."""

    Params = SleepParams
    # Of the chunk's index, so that the measurement before the start makes every chunk.
    inputs = {"number": NUMBER, "chunk": Port("int64", (), "chunk index")}
    outputs = {"audio": Port("float32", ("sample", "channel"), "audio")}
    uses_device = False

    def __init__(self, params: SleepParams, format: Format, device: None) -> None:
        self.seconds = params.seconds
        self.shape = (format.dims["sample"], format.dims["channel"])

    def __call__(self, number: np.ndarray, chunk: np.ndarray) -> dict[str, np.ndarray]:
        time.sleep(self.seconds)
        audio = np.empty((len(number), *self.shape), np.float32)
        audio[:] = value_of(number)[:, None, None]
        return {"audio": audio}


def value_of(number: np.ndarray) -> np.ndarray:
    """Returns the value of the audio of a number."""
    return (number % SCALE / SCALE).astype(np.float32)


def sleeping(seconds: float, chunk_s: float) -> Graph:
    """Builds a counter and an audio stage that sleeps."""
    past = {"from": "count.number", "delay": 1, "init": 0}
    stages = {
        "count": {"use": "fleet:Count", "inputs": {"step": "in.step", "past": past}},
        "audio": {
            "use": "fleet:SleepAudio",
            "params": {"seconds": seconds},
            "inputs": {"number": "count.number", "chunk": "clock.chunk"},
        },
    }
    spec = {
        "schema": 1,
        "name": "sleeping",
        "format": {"chunk_s": chunk_s, "context_s": 2 * chunk_s},
        "inputs": {"step": 1},
        "outputs": {"audio": "audio.audio"},
        "stage": stages,
    }
    return build(parse(spec), ["fleet"])


async def started(graph: Graph, engines: int, streams: int, workers: int = 1) -> Fleet:
    """Starts a fleet and waits for all its engines."""
    rows = streams * engines
    fleet = Fleet(
        graph,
        engines=engines,
        rows=rows,
        batch=streams,
        capacity=rows,
        workers=workers,
        runner="ray",
    )
    await fleet.start()
    until_s = time.monotonic() + READY_WITHIN_S
    while not all(engine.ready for engine in fleet.engines) and time.monotonic() < until_s:
        await asyncio.sleep(0.05)
    return fleet


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
    """Opens streams and plays them, not in real time: as fast as the engines make them."""
    streams = [await fleet.join({"step": step + 1}, pace="fast") for step in range(count)]
    for stream in streams:
        await stream.play()
    return streams


async def throughput(args: argparse.Namespace) -> None:
    """Prints chunks a second and the front's processor time, by the number of engines."""
    graph = sleeping(args.seconds, args.chunk_s)
    print("| engines | streams | chunks/s | of N x one | front, ms a chunk | front, cores |")
    print("|---|---|---|---|---|---|")
    one = None
    for engines in args.engines:
        fleet = await started(graph, engines, args.streams)
        count = engines * args.streams
        streams = await join_all(fleet, count)
        await asyncio.gather(*(listen(one, n + 1, 0, 1) for n, one in enumerate(streams)))
        start_s, used_s = time.monotonic(), time.process_time()
        reads = (listen(stream, n + 1, 1, args.chunks) for n, stream in enumerate(streams))
        await asyncio.gather(*reads)
        wall_s, cpu_s = time.monotonic() - start_s, time.process_time() - used_s
        chunks = count * args.chunks
        one = chunks / wall_s / engines if one is None else one
        share = chunks / wall_s / engines / one
        cost_ms = 1e3 * cpu_s / chunks
        figures = f"{chunks / wall_s:.1f} | {share:.2f} | {cost_ms:.2f} | {cpu_s / wall_s:.2f}"
        print(f"| {engines} | {count} | {figures} |", flush=True)
        await fleet.close()


async def kills(args: argparse.Namespace) -> None:
    """Kills and stops engines at random while streams play; prints what that did."""
    keeper.GRACE_S = args.grace_s
    engines, draw = max(2, args.engines[0]), random.Random(args.seed)
    fleet = await started(sleeping(args.seconds, args.chunk_s), engines, args.streams)
    count = args.streams
    streams, read, waits_s = await join_all(fleet, count), 0, []
    for number in range(args.kills):
        victims = [engine for engine in fleet.engines if engine.ready]
        if len(victims) > 1:  # the last one is left alone: streams would wait for its return
            how = draw.choice([signal.SIGKILL, signal.SIGSTOP, None])
            await harm(fleet, draw.choice(victims), how)
        start_s = time.monotonic()
        chunks = draw.randint(1, 4)
        await asyncio.gather(*(listen(one, n + 1, read, chunks) for n, one in enumerate(streams)))
        waits_s.append((time.monotonic() - start_s) / chunks)
        read += chunks
        print(f"{number + 1}: {read} chunks a stream, moves {dict(fleet.places.moves)}", flush=True)
    losses = sum(engine.losses for engine in fleet.engines)
    print(f"\n{args.kills} times, {losses} engines lost; {count} streams, {count * read} chunks:")
    tick_s = median_of(fleet.counts().ticks_s) or 0.0
    worst_s = max(waits_s)
    print(f"0 streams lost, 0 chunks wrong; a tick {tick_s:.2f} s, longest wait {worst_s:.2f} s")
    await fleet.close()


async def harm(fleet: Fleet, engine: object, how: int | None) -> None:
    """Kills, stops or drains an engine; a drained one is used again after a second."""
    assert hasattr(engine, "runner")
    if how is not None:
        with suppress(ProcessLookupError):  # it has just died, and nobody has noticed yet
            os.kill(engine.runner.process, how)
        return
    with fleet.places.lock:
        fleet.places.drain(engine)
    asyncio.get_running_loop().call_later(1.0, setattr, engine, "draining", False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engines", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--streams", type=int, default=16, help="of each engine; of all, if kills")
    parser.add_argument("--chunks", type=int, default=6, help="of each stream")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a tick")
    parser.add_argument("--chunk-s", type=float, default=2.0)
    parser.add_argument("--kills", type=int, default=0, help="random kills, stops and drains")
    parser.add_argument("--grace-s", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    asyncio.run(kills(args) if args.kills else throughput(args))


if __name__ == "__main__":
    main()
