"""Measures what clients that ask for much cost a server: memory, and silence of its event loop.

    python benchmarks/client_costs.py --preset toy-inject
    python benchmarks/client_costs.py --preset toy-inject --size 0.02 --only half_open metrics

`soundstage serve` runs in a process of its own, and is attacked by one attack of `attacks.py` after
another. For each, a row of a table (docs/serving.md) is printed: the bytes sent, the most memory
above that before the attack, the longest that `/healthz` took meanwhile, and the last answer.
The exit code is 1 if the server ended or does not answer any more.
"""

import argparse
import json
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from attacks import ATTACKS, Attacker, attack
from clients.served_clients import ServerProcess, serving

PROBE_EVERY_S, PROBE_TIMEOUT_S = 0.02, 60.0
SETTLE_S = 2.0


@dataclass(frozen=True)
class Cost:
    """What one attack cost.

    Attributes:
        name: the attack.
        sent_kb: what was sent.
        peak_mb: the most resident memory above that before.
        left_mb: resident memory above that before, after the clients have left.
        silence_s: the longest that `/healthz` took.
        cpu_s: processor time of the server.
        answer: the last answer to the client.
    """

    name: str
    sent_kb: float
    peak_mb: float
    left_mb: float
    silence_s: float
    cpu_s: float
    answer: str

    def line(self) -> str:
        """Returns a row of a Markdown table."""
        answer = self.answer.replace("|", "/").replace("\n", " ")[:150]
        return (
            f"| {self.name.replace('_', ' ')} | {self.sent_kb:.0f} kB | {self.peak_mb:.0f} MB | "
            f"{self.left_mb:.0f} MB | {self.silence_s:.2f} s | {self.cpu_s:.1f} s | {answer} |"
        )


class Probe:
    """Asks for `/healthz` all the time, on a thread; use it as a context manager."""

    def __init__(self, server: ServerProcess) -> None:
        self._server, self._stop = server, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.longest_s = 0.0

    def __enter__(self) -> "Probe":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(PROBE_EVERY_S):
            start_s = time.monotonic()
            try:
                urllib.request.urlopen(
                    self._server.url("/healthz"), timeout=PROBE_TIMEOUT_S
                ).close()
            except urllib.error.HTTPError:
                continue  # an answer, though not the wanted one
            except OSError:
                if self._server.ended:
                    return
            self.longest_s = max(self.longest_s, time.monotonic() - start_s)


def measure(server: ServerProcess, one: Callable[[Attacker], None], size: float) -> Cost:
    """Carries out one attack and measures the server meanwhile."""
    before_mb, cpu_s = server.resident_mb(), server.cpu_s()
    server.forget_peak()
    with Probe(server) as probe:
        attacker = attack(server.port, one, size)
        peak_mb = server.peak_mb()
        time.sleep(SETTLE_S)
    return Cost(
        name=one.__name__,
        sent_kb=round(attacker.sent_bytes / 1e3, 1),
        peak_mb=round(max(0.0, peak_mb - before_mb), 1),
        left_mb=round(max(0.0, server.resident_mb() - before_mb), 1),
        silence_s=round(probe.longest_s, 3),
        cpu_s=round(server.cpu_s() - cpu_s, 2),
        answer=attacker.answer,
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="toy-inject")
    parser.add_argument("--size", type=float, default=1.0, help="of the attacks, 1 = in full")
    parser.add_argument("--only", nargs="*", help="names of attacks")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    return parser.parse_args()


def main() -> None:
    args = parse()
    chosen = [one for one in ATTACKS if not args.only or one.__name__ in args.only]
    costs = []
    print("| attack | sent | peak | left | silence | processor | last answer |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with serving(args.preset) as server:
        for one in chosen:
            costs.append(measure(server, one, args.size))
            print(costs[-1].line(), flush=True)
            if server.ended:
                raise SystemExit(f"the server ended during {one.__name__}")
        server.wait_until_ready()
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(cost) for cost in costs], indent=1))


if __name__ == "__main__":
    main()
