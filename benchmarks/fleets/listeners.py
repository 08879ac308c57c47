"""Listeners of sleeping engines over WebSockets: `python listeners.py ADDRESS COUNT SECONDS`.

Prints one line of JSON: what they heard while all of them played.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from clients.served_clients import BenchmarkClient, ClientCounts

from fleets.sleeping import value_of
from soundstage.apps.server.protocols.frames import HEADER

# Samples of 16 bits tell numbers apart that are so far away from each other.
STEP = 4
# The listeners join within so many seconds, so that they play at different times.
JOIN_S = 4.0


class SleepingClient(BenchmarkClient):
    """A client that checks the first and the last sample of every chunk."""

    def controls(self) -> dict[str, Any]:
        """Returns its step, by which its audio is told apart from that of others."""
        return {"step": STEP * (self._number + 1)}

    def hear(self, message: bytes) -> None:
        """Checks the samples of a chunk."""
        chunk = HEADER.unpack_from(message)[2]
        expected = 32767 * float(value_of(np.array([(chunk + 1) * STEP * (self._number + 1)]))[0])
        samples = np.frombuffer(message, "<i2", offset=HEADER.size)
        if max(abs(samples[0] - expected), abs(samples[-1] - expected)) > 1:
            self._counts.errors.append(f"client {self._number}: chunk {chunk} is wrong")


async def listen(address: str, count: int, seconds: float) -> ClientCounts:
    """Plays streams for some seconds after all have begun."""
    counts, stop = ClientCounts(), asyncio.Event()
    tasks = []
    for number in range(count):
        client = SleepingClient(address, number, counts)
        tasks.append(asyncio.create_task(client.play(stop)))
        await asyncio.sleep(JOIN_S / count)
    await asyncio.sleep(seconds)
    stop.set()
    await asyncio.gather(*tasks)
    return counts


def main() -> None:
    address, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    counts = asyncio.run(listen(address, count, seconds))
    heard = {**asdict(counts), "least_slack_s": min(counts.slacks_s, default=None)}
    heard |= {"slacks_s": len(counts.slacks_s), "errors": counts.errors[:5]}
    print(json.dumps({**heard, "cpu_s": time.process_time()}), flush=True)


if __name__ == "__main__":
    main()
