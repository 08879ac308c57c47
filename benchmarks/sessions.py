"""Measures the server's processor time and memory by number of WebSocket clients.

    python benchmarks/sessions.py --preset demo --sessions 0 1 2 4 8 --chunks 10

`soundstage serve` runs in a process of its own; the clients run in this process, in real time, each
one chunk ahead. Columns with "a session" are relative to the first row.
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from clients.served_clients import BenchmarkClient, ClientCounts, ServerProcess, serving

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
    "clients' cores",
)


async def measure(
    server: ServerProcess, sessions: int, seconds: float
) -> tuple[ClientCounts, float, float]:
    """Runs clients for some seconds; returns their counts, the server's cores and the clients'."""
    counts, stop = ClientCounts(), asyncio.Event()
    clients = [BenchmarkClient(server.socket_address, number, counts) for number in range(sessions)]
    tasks = [asyncio.create_task(client.play(stop)) for client in clients]
    start_s, used_s, own_s = time.monotonic(), server.cpu_s(), time.process_time()
    await asyncio.sleep(seconds)
    took_s = time.monotonic() - start_s
    cores, own = (server.cpu_s() - used_s) / took_s, (time.process_time() - own_s) / took_s
    stop.set()
    await asyncio.gather(*tasks)
    return counts, cores, own


def print_table(server: ServerProcess, numbers: list[int], seconds: float) -> list[str]:
    """Prints a row for each number of sessions; returns errors of the clients."""
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    idle: tuple[float, float] | None = None
    errors: list[str] = []
    for sessions in numbers:
        counts, cores, own = asyncio.run(measure(server, sessions, seconds))
        memory_mb = server.resident_mb()
        idle = idle or (cores, memory_mb)
        slacks_s = counts.slacks_s
        each = [
            (value - base) / sessions if sessions else None
            for value, base in zip((cores, memory_mb), idle, strict=True)
        ]
        row = (
            str(sessions),
            f"{counts.late} of {len(slacks_s)}",
            str(counts.gaps),
            _number(min(slacks_s, default=None)),
            _number(median(slacks_s) if slacks_s else None),
            f"{cores:.2f}",
            _number(each[0], 3),
            f"{memory_mb:.0f}",
            _number(each[1], 1),
            f"{own:.3f}",
        )
        print("| " + " | ".join(row) + " |", flush=True)
        errors += counts.errors
    return errors


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
        errors = print_table(server, args.sessions, 2.0 * args.chunks)
    for error in errors:
        print(error)
    sys.exit(bool(errors))


if __name__ == "__main__":
    main()
