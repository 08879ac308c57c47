"""A reload of all engines, one after the other, while streams play in real time."""

import argparse
import asyncio
import time
from dataclasses import dataclass, field

import numpy as np

from fleets.playing import started
from fleets.sleeping import SCALE, sleeping, value_of
from soundstage.runners.engine.refusals import StreamFailed
from soundstage.runners.fleet.reload import reload
from soundstage.runners.fleet.stream import EngineStream

# Numbers of the new pipeline are half of the scale away from those of the old one.
OFFSET = SCALE // 2


@dataclass
class Heard:
    """What one listener heard.

    Attributes:
        old: chunks of the old pipeline.
        new: chunks of the new one.
        late: chunks that were late.
        slacks_s: how early each chunk was.
        lost: why the stream ended; "" = it did not.
    """

    old: int = 0
    new: int = 0
    late: int = 0
    slacks_s: list[float] = field(default_factory=list)
    lost: str = ""


async def hear(stream: EngineStream, step: int, stop: asyncio.Event) -> Heard:
    """Plays a stream in real time until `stop` is set.

    Raises:
        RuntimeError: a chunk is missing, repeated, another stream's, or of the old pipeline after
            one of the new.
    """
    heard, index = Heard(), 0
    try:
        while not stop.is_set():
            chunk = await anext(stream)
            numbers = np.array([(index + 1) * step, (index + 1) * step + OFFSET])
            old, new = map(float, value_of(numbers))
            value = float(chunk.audio[0, 0])
            allowed = (new,) if heard.new else (old, new)
            if chunk.chunk != index or value not in allowed or chunk.audio[-1, -1] != value:
                raise RuntimeError(f"stream {step}: chunk {index} is wrong: {chunk.chunk}, {value}")
            heard.old += value == old
            heard.new += value == new
            if chunk.slack_s is not None:
                heard.slacks_s.append(chunk.slack_s)
                heard.late += chunk.slack_s < 0
            index += 1
    except StreamFailed as error:
        heard.lost = error.reason
    return heard


async def rolling_reload(args: argparse.Namespace) -> None:
    """Prints what the listeners heard while all engines were replaced."""
    engines, count = args.engines[0], args.streams
    graph = sleeping(args.seconds, args.chunk_s)
    fleet = await started(graph, engines, max(1, 2 * count // engines), fits=True)
    streams = [await fleet.join({"step": step + 1}) for step in range(count)]
    stop = asyncio.Event()
    hearing = []
    for step, stream in enumerate(streams):
        await stream.play()
        hearing.append(asyncio.create_task(hear(stream, step + 1, stop)))
    await asyncio.sleep(args.chunks * args.chunk_s)
    start_s = time.monotonic()
    await reload(fleet, sleeping(args.seconds, args.chunk_s, OFFSET))
    took_s = time.monotonic() - start_s
    await asyncio.sleep(args.chunks * args.chunk_s)
    stop.set()
    heard = await asyncio.gather(*hearing)
    slacks_s = sorted(slack for one in heard for slack in one.slacks_s)
    old, new = sum(one.old for one in heard), sum(one.new for one in heard)
    lost = [one.lost for one in heard if one.lost]
    print(f"{engines} engines were replaced within {took_s:.1f} s, under {count} streams")
    print(f"chunks: {old} of the old pipeline, {new} of the new, 0 wrong")
    print(f"streams lost: {len(lost)} {' '.join(sorted(set(lost)))}")
    print(f"late: {sum(one.late for one in heard)} of {len(slacks_s)}, least {slacks_s[0]:.2f} s")
    await fleet.close()
