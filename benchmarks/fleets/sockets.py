"""Fronts and their listeners over sockets, each in a process of its own."""

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from clients.served_clients import ServerProcess, running

HERE = Path(__file__).parent
ALL_READY_WITHIN_S = 600.0


def wait_for_engines(front: ServerProcess, engines: int, rows: int) -> None:
    """Waits until all engines are ready for ticks of so many rows.

    Raises:
        SystemExit: they are not in time.
    """
    until_s = time.monotonic() + ALL_READY_WITHIN_S
    while time.monotonic() < until_s:
        metrics = front.metrics()
        grown = [metrics.get(f'engine_rows{{engine="{n}"}}', 0) >= rows for n in range(engines)]
        if all(grown):
            return
        time.sleep(0.5)
    raise SystemExit(f"the engines were not ready within {ALL_READY_WITHIN_S:g} s")


def hear(fronts: list[ServerProcess], each: int, seconds: float) -> list[dict[str, Any]]:
    """Runs listeners of each front, and returns what those of each heard."""
    program = [sys.executable, str(HERE / "listeners.py")]
    listeners = [
        subprocess.Popen(
            [*program, front.socket_address, str(each), str(seconds)], stdout=subprocess.PIPE
        )
        for front in fronts
    ]
    return [json.loads(process.communicate()[0]) for process in listeners]


def sockets(args: argparse.Namespace) -> None:
    """Prints what listeners over sockets heard, and what that cost each front."""
    each, engines = args.listeners // args.fronts, args.engines[0] // args.fronts
    rows = -(-each // engines)
    sizes = [str(number) for number in (engines, rows, each)]
    command = [sys.executable, str(HERE / "front.py"), "PORT", *sizes]
    with ExitStack() as opened:
        fronts = [
            opened.enter_context(running([*command, str(args.seconds), str(args.chunk_s)]))
            for _ in range(args.fronts)
        ]
        for front in fronts:
            wait_for_engines(front, engines, rows)
        print(f"{args.fronts} x {each} listeners, {engines} engines each, {args.for_s:g} s")
        print(f"load average {os.getloadavg()[0]:.1f}", flush=True)
        start_s, used_s = time.monotonic(), [front.cpu_s() for front in fronts]
        heard = hear(fronts, each, args.for_s)
        took_s = time.monotonic() - start_s
        print("| front | late | gaps | least slack s | cores | ms a chunk | MB | clients' cores |")
        print("|---|---|---|---|---|---|---|---|")
        for number, (front, one, before_s) in enumerate(zip(fronts, heard, used_s, strict=True)):
            cpu_s = front.cpu_s() - before_s
            costs = f"{cpu_s / took_s:.2f} | {1e3 * cpu_s / one['chunks']:.2f}"
            late = f"{one['late']} of {one['slacks_s']} | {one['gaps']}"
            least = f"{one['least_slack_s']:.2f}"
            memory = f"{front.resident_mb():.0f} | {one['cpu_s'] / took_s:.2f}"
            print(f"| {number} | {late} | {least} | {costs} | {memory} |", flush=True)
    errors = [error for one in heard for error in one["errors"]]
    print(f"wrong, missing or refused: {len(errors)} {errors[:5]}")
    sys.exit(bool(errors))
