"""Measures a fleet: throughput and own cost by the number of engines, losses, and a reload.

    python benchmarks/fleet.py --engines 1 2 4 8 16 --streams 16 --chunks 6
    python benchmarks/fleet.py --engines 2 --streams 4 --kills 20
    python benchmarks/fleet.py --engines 3 --streams 8 --kills 20 --kill stages
    python benchmarks/fleet.py --engines 3 --streams 8 --kills 20 --kill machines
    python benchmarks/fleet.py --engines 4 --streams 32 --seconds 0.5 --reload
    python benchmarks/fleet.py --engines 8 --seconds 0.5 --listeners 256 --for-s 60

The engines' stages sleep as a device computes: a tick takes as long however many rows it has. So a
few cores show many engines. Chunks have the published size, 2 s of 48 kHz stereo. Every chunk is
checked: a stream that lost or repeated a chunk, or got another's, ends the program with an error.
`fleets/growing.sh` runs it with `--grow`, on a cluster that grows and shrinks with its listeners.
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fleets.growing import grow
from fleets.losses import kills
from fleets.playing import join_all, listen, started
from fleets.reloading import rolling_reload
from fleets.sleeping import sleeping
from fleets.sockets import sockets


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


def above_0(text: str) -> int:
    """Reads a number from 1.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {text!r}")
    return int(text)


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engines", type=above_0, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument(
        "--streams", type=above_0, default=16, help="of each engine; of all with kills and reload"
    )
    parser.add_argument("--chunks", type=above_0, default=6, help="of each stream")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a tick")
    parser.add_argument("--chunk-s", type=float, default=2.0)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--kills", type=above_0, help="random kills, stops and drains")
    what.add_argument("--reload", action="store_true", help="replace all engines meanwhile")
    what.add_argument("--listeners", type=above_0, help="over sockets, of all fronts")
    what.add_argument("--grow", action="store_true", help="by fleets/growing.sh")
    parser.add_argument("--kill", choices=["engines", "stages", "machines"], default="engines")
    parser.add_argument("--grace-s", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fronts", type=above_0, default=1, help="they share the others")
    parser.add_argument("--for-s", type=float, default=60.0, help="of the listeners")
    args = parser.parse_args()
    if args.listeners is not None and min(args.listeners, args.engines[0]) < args.fronts:
        parser.error("each of the --fronts has at least one of the --listeners and --engines")
    return args


def main() -> None:
    args = arguments()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if args.grow:
        grow(args)
    elif args.listeners is not None:
        sockets(args)
    elif args.kills is not None:
        kills(args)
    else:
        asyncio.run(rolling_reload(args) if args.reload else throughput(args))


if __name__ == "__main__":
    main()
