"""Measures what a listener costs over a real socket: processor time and memory of the server.

    python benchmarks/sessions.py --preset demo --sessions 0 1 2 4 8 --chunks 10

The server is `soundstage serve` in a process of its own; listeners are WebSockets of this process,
in real time, each a chunk ahead. "a session" compares with the row of no sessions.
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from served_clients import Heard, Listener, Served, serving

COLUMNS = (
    "sessions",
    "late",
    "gaps",
    "least slack s",
    "median slack s",
    "processor, cores",
    "cores a session",
    "memory MB",
    "MB a session",
    "listeners' own cores",
)


async def measure(server: Served, sessions: int, seconds: float) -> tuple[Heard, float, float]:
    """So many listeners for so long; what they heard, and cores of the server and of this."""
    heard, stop = Heard(), asyncio.Event()
    listeners = [Listener(server, number, heard) for number in range(sessions)]
    tasks = [asyncio.create_task(listener.play(stop)) for listener in listeners]
    begun_s, used_s, own_s = time.monotonic(), server.cpu_s(), time.process_time()
    await asyncio.sleep(seconds)
    took_s = time.monotonic() - begun_s
    cores, own = (server.cpu_s() - used_s) / took_s, (time.process_time() - own_s) / took_s
    stop.set()
    await asyncio.gather(*tasks)
    return heard, cores, own


def tell(server: Served, counts: list[int], seconds: float) -> list[str]:
    """Measures row by row; returns what must not happen."""
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    idle: tuple[float, float] | None = None
    faults: list[str] = []
    for sessions in counts:
        heard, cores, own = asyncio.run(measure(server, sessions, seconds))
        memory_mb = server.resident_mb()
        idle = idle or (cores, memory_mb)
        slacks_s = heard.slacks_s
        each = [
            (value - base) / sessions if sessions else None
            for value, base in zip((cores, memory_mb), idle, strict=True)
        ]
        row = (
            str(sessions),
            f"{heard.late} of {len(slacks_s)}",
            str(heard.gaps),
            _number(min(slacks_s, default=None)),
            _number(median(slacks_s) if slacks_s else None),
            f"{cores:.2f}",
            _number(each[0], 3),
            f"{memory_mb:.0f}",
            _number(each[1], 1),
            f"{own:.3f}",
        )
        print("| " + " | ".join(row) + " |", flush=True)
        faults += heard.faults
    return faults


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--sessions", type=int, nargs="+", default=[0, 1, 2, 4, 8])
    parser.add_argument("--chunks", type=int, default=10, help="of two seconds, for each number")
    args = parser.parse_args()
    print(f"preset {args.preset}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}\n")
    with serving(args.preset) as server:
        faults = tell(server, args.sessions, 2.0 * args.chunks)
    for fault in faults:
        print(fault)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
