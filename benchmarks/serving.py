"""Measures how many listeners this machine serves in real time, and the control-to-sound time.

    python benchmarks/serving.py --preset demo --most 8 --chunks 8 --steers 8

First, 1, 2, 3, ... listeners play in real time, each one chunk ahead, until a chunk is late; each
row has the processor time and the memory. Then it measures control-to-sound time for a listener
with a buffer of `buffer_chunks`: from a steer to the playback of the first chunk made with it. It
does so with chunks kept, with chunks made again, with prepared controls, and with half a chunk
ahead. The engine runs in this process, without sockets; `sessions.py` uses sockets, and `soak.py`
runs for long.
"""

import argparse
import asyncio
import os
import random
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

import soundstage
from soundstage.runners.engine.counts import median_of
from soundstage.runners.engine.refusals import Full
from soundstage.runners.fleet.fleet import Fleet
from soundstage.runners.fleet.stream import EngineStream

STYLES = ("warm pads", "jazz trio", "techno", "string quartet")


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


async def join(engine: Fleet, listener: int, **options: float) -> EngineStream:
    prompts = {"prompts": [STYLES[listener % len(STYLES)]], "seed": listener}
    stream = await engine.join(prompts, **options)
    await stream.play()
    return stream


async def listen(stream: EngineStream, chunks: int) -> list[float]:
    """Reads chunks, and returns the slack in seconds of those with a deadline."""
    slacks = []
    for _ in range(chunks):
        chunk = await anext(stream)
        slacks += [] if chunk.slack_s is None else [chunk.slack_s]
    return slacks


async def count_listeners(engine: Fleet, most: int, chunks: int) -> None:
    """Prints a row for each number of listeners, until a chunk is late."""
    print("| listeners | late | least slack s | median slack s | processor, cores | memory MB |")
    print("|---|---|---|---|---|---|")
    for listeners in range(1, most + 1):
        streams = [await join(engine, listener) for listener in range(listeners)]
        start_s, used_s = time.monotonic(), cpu_s()
        by_stream = await asyncio.gather(*(listen(stream, chunks) for stream in streams))
        slacks = [slack for of_one in by_stream for slack in of_one]
        cores = (cpu_s() - used_s) / (time.monotonic() - start_s)
        late = sum(slack < 0 for slack in slacks)
        for stream in streams:
            await stream.close()
        figures = f"{min(slacks):.2f} | {median(slacks):.2f} | {cores:.2f} | {resident_mb():.0f}"
        print(f"| {listeners} | {late} of {len(slacks)} | {figures} |", flush=True)
        if late:
            break


@dataclass(frozen=True)
class SteerMode:
    """How a listener steers.

    Attributes:
        name: for the table.
        ahead: chunks made ahead.
        again: whether chunks made ahead are made again.
        prepared: whether the controls are prepared before the steer.
    """

    name: str
    ahead: float
    again: bool = False
    prepared: bool = False


MODES = (
    SteerMode("a chunk ahead", 1.0),
    SteerMode("a chunk ahead, chunks made again", 1.0, again=True),
    SteerMode("a chunk ahead, prepared", 1.0, again=True, prepared=True),
    SteerMode("half a chunk ahead", 0.5),
)


async def control_to_sound(engine: Fleet, steers: int, mode: SteerMode) -> list[float]:
    """Times steers at random moments, each in seconds to the first sound made with it.

    A chunk that is sent again while its old version plays replaces that version at once.
    """
    chunk_s, rng = engine.graph.format.chunk_s, random.Random(0)
    stream = await join(engine, 0, buffer_chunks=mode.ahead)
    starts: dict[int, float] = {}
    steered_s: dict[int, float] = {}
    played_s: dict[int, float] = {}

    async def play() -> None:
        async for chunk in stream:
            now_s = time.monotonic()
            needed_s = starts.get(chunk.chunk - 1, now_s - chunk_s) + chunk_s
            playing = chunk.again and starts.get(chunk.chunk, now_s) <= now_s
            if not playing:
                starts[chunk.chunk] = max(now_s, needed_s)
            for steer in range(1, chunk.steer + 1):
                played_s.setdefault(steer, now_s if playing else starts[chunk.chunk])

    task = asyncio.create_task(play())
    for number in range(steers):
        change = {"prompts": [STYLES[number % len(STYLES)]]}
        if mode.prepared:
            stream.prepare(change)
        await asyncio.sleep(chunk_s * (1 + rng.random()))
        now_s = time.monotonic()
        steered_s[stream.steer(change, again=mode.again)] = now_s
    await asyncio.sleep(chunk_s * (2 + mode.ahead))
    await stream.close()
    await task
    return [played_s[steer] - start_s for steer, start_s in steered_s.items() if steer in played_s]


async def time_steers(engine: Fleet, steers: int) -> None:
    print("\n| control to sound | median s | worst s | steers |\n|---|---|---|---|")
    for mode in MODES:
        try:
            times = await control_to_sound(engine, steers, mode)
        except Full as error:
            print(f"| {mode.name} | {error.reason} | | |")
            continue
        print(
            f"| {mode.name} | {median(times):.2f} | {max(times):.2f} | {len(times)} |", flush=True
        )


async def measure(args: argparse.Namespace) -> None:
    graph = soundstage.load(preset=args.preset, settings=args.set)
    print(f"preset {args.preset}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    # The capacity is unlimited, because it is to be measured.
    engine = Fleet(graph, rows=max(args.most, 2), capacity=10**6)
    start_s = time.monotonic()
    await engine.start()
    cost_s = {
        streams: round(seconds, 3) for streams, seconds in engine.engines[0].capacity.cost_s.items()
    }
    ready_s = time.monotonic() - start_s
    print(f"ready in {ready_s:.1f} s, {resident_mb():.0f} MB; a chunk of n streams: {cost_s} s\n")
    await count_listeners(engine, args.most, args.chunks)
    if args.steers:
        await time_steers(engine, args.steers)
    overhead_s = median_of(engine.counts().overheads_s)
    print(f"\nengine overhead, a chunk a listener: {1e3 * (overhead_s or 0):.2f} ms, median")
    await engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--set", action="append", default=[], help="e.g. format.chunk_s=1.0")
    parser.add_argument("--most", type=int, default=8, help="most listeners")
    parser.add_argument("--chunks", type=int, default=8, help="chunks of each listener, >= 2")
    parser.add_argument("--steers", type=int, default=8, help="steers of each mode; 0 = none")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
