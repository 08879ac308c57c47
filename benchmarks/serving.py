"""Measures what serving costs and how many listeners this machine serves in real time.

    python benchmarks/serving.py --preset demo --most 8 --chunks 8 --steers 8

First listener by listener: so many play in real time, each a chunk ahead, until a chunk is late;
processor and memory for each. Then control-to-sound time, by the schedule of a listener who keeps
nothing but `buffer_chunks`: from the moment of steering to the moment at which the first chunk made
with it is heard; plain, with chunks made again, prepared beforehand, and with half a chunk ahead.
The engine is driven in this process, without sockets: `sessions.py` has those, `soak.py` goes on
for long.
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
from soundstage.runners.engine.engine import Engine
from soundstage.runners.engine.refusals import Full
from soundstage.runners.engine.stream import EngineStream

STYLES = ("warm pads", "jazz trio", "techno", "string quartet")


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


async def join(engine: Engine, listener: int, **options: float) -> EngineStream:
    prompts = {"prompts": [STYLES[listener % len(STYLES)]], "seed": listener}
    stream = await engine.join(prompts, **options)
    stream.play()
    return stream


async def listen(stream: EngineStream, chunks: int) -> list[float]:
    """Reads so many chunks; the slack of those that were needed at a time, in seconds."""
    slacks = []
    for _ in range(chunks):
        made = await anext(stream)
        slacks += [] if made.slack_s is None else [made.slack_s]
    return slacks


async def count_listeners(engine: Engine, most: int, chunks: int) -> None:
    """More and more listeners, until somebody's chunk is late."""
    print("| listeners | late | least slack s | median slack s | processor, cores | memory MB |")
    print("|---|---|---|---|---|---|")
    for listeners in range(1, most + 1):
        streams = [await join(engine, listener) for listener in range(listeners)]
        begun_s, used_s = time.monotonic(), cpu_s()
        heard = await asyncio.gather(*(listen(stream, chunks) for stream in streams))
        slacks = [slack for of_one in heard for slack in of_one]
        cores = (cpu_s() - used_s) / (time.monotonic() - begun_s)
        late = sum(slack < 0 for slack in slacks)
        for stream in streams:
            await stream.close()
        figures = f"{min(slacks):.2f} | {median(slacks):.2f} | {cores:.2f} | {resident_mb():.0f}"
        print(f"| {listeners} | {late} of {len(slacks)} | {figures} |", flush=True)
        if late:
            break


@dataclass(frozen=True)
class Way:
    """How a listener steers.

    Attributes:
        name: for people.
        ahead: chunks made ahead.
        again: whether what is made is made again.
        prepared: whether it was made beforehand.
    """

    name: str
    ahead: float
    again: bool = False
    prepared: bool = False


WAYS = (
    Way("a chunk ahead", 1.0),
    Way("a chunk ahead, chunks made again", 1.0, again=True),
    Way("a chunk ahead, prepared beforehand", 1.0, again=True, prepared=True),
    Way("half a chunk ahead", 0.5),
)


async def control_to_sound(engine: Engine, steers: int, way: Way) -> list[float]:
    """Seconds from steering, at random moments, to the first sound made with it.

    A chunk that comes again while the old one sounds is heard at once: the listener changes over.
    """
    chunk_s, rng = engine.graph.format.chunk_s, random.Random(0)
    stream = await join(engine, 0, buffer_chunks=way.ahead)
    starts: dict[int, float] = {}
    asked: dict[int, float] = {}
    heard: dict[int, float] = {}

    async def play() -> None:
        async for made in stream:
            now_s = time.monotonic()
            needed_s = starts.get(made.chunk - 1, now_s - chunk_s) + chunk_s
            sounding = made.again and starts.get(made.chunk, now_s) <= now_s
            if not sounding:
                starts[made.chunk] = max(now_s, needed_s)
            for steer in range(1, made.steer + 1):
                heard.setdefault(steer, now_s if sounding else starts[made.chunk])

    playing = asyncio.create_task(play())
    for turn in range(steers):
        change = {"prompts": [STYLES[turn % len(STYLES)]]}
        if way.prepared:
            stream.prepare(change)
        await asyncio.sleep(chunk_s * (1 + rng.random()))
        asked_s = time.monotonic()
        asked[stream.steer(change, again=way.again)] = asked_s
    await asyncio.sleep(chunk_s * (2 + way.ahead))
    await stream.close()
    await playing
    return [heard[steer] - asked_s for steer, asked_s in asked.items() if steer in heard]


async def steer_all_ways(engine: Engine, steers: int) -> None:
    print("\n| control to sound | median s | worst s | steers |\n|---|---|---|---|")
    for way in WAYS:
        try:
            found = await control_to_sound(engine, steers, way)
        except Full as error:
            print(f"| {way.name} | {error.reason} | | |")
            continue
        print(f"| {way.name} | {median(found):.2f} | {max(found):.2f} | {len(found)} |", flush=True)


async def measure(args: argparse.Namespace) -> None:
    graph = soundstage.load(preset=args.preset, settings=args.set)
    print(f"preset {args.preset}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    # The measurement is what is to be judged here, so it keeps nobody out.
    engine = Engine(graph, rows=max(args.most, 2), capacity=10**6)
    begun_s = time.monotonic()
    await engine.start()
    cost_s = {streams: round(seconds, 3) for streams, seconds in engine.capacity.cost_s.items()}
    started_s = time.monotonic() - begun_s
    print(f"ready in {started_s:.1f} s, {resident_mb():.0f} MB; a chunk of n streams: {cost_s} s\n")
    await count_listeners(engine, args.most, args.chunks)
    if args.steers:
        await steer_all_ways(engine, args.steers)
    overhead_s = median_of(engine.counts().overheads_s)
    print(
        f"\nengine beside the runner, a chunk a listener: {1e3 * (overhead_s or 0):.2f} ms, median"
    )
    await engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--set", action="append", default=[], help="e.g. format.chunk_s=1.0")
    parser.add_argument("--most", type=int, default=8, help="listeners, at most")
    parser.add_argument("--chunks", type=int, default=8, help="chunks for each of them")
    parser.add_argument("--steers", type=int, default=8, help="per way of steering; 0 = none")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
