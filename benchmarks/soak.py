"""Runs a server for a long time, and fails if a chunk is late or memory grows.

    python benchmarks/soak.py --preset demo --minutes 30 --listeners 2 --json soak.json
    python benchmarks/soak.py --preset toy --minutes 2 --visits-per-s 20
    python benchmarks/soak.py --preset demo --minutes 30 --listeners 2 --attack 0.1

`soundstage serve` runs in a process of its own; listeners are WebSocket clients of this process,
in real time, which steer every 15 chunks. Visitors join, read one chunk, save and leave. With
`--attack SIZE`, a client on a thread carries out the attacks of `attacks.py`, one after another and
again; SIZE is their size, 1 = in full. A line is printed, and `--json` rewritten, every minute, or
ten times if the run is shorter than 10 minutes.

Memory growth is that of the median of the last fifth of the time after the warm-up over the median
of its first fifth: one round of attacks takes minutes, and each needs another memory. With
`--attack`, the warm-up lasts at least until each attack was carried out once: it fills what the
server keeps within a budget, such as uploads of 256 MB, which is no growth. The exit code is 1 if a
chunk was late, if memory grew by `--most-growth` % or more, or if anything failed.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from attacks import ATTACKS, attack, many_uploads
from clients.served_clients import BenchmarkClient, ClientCounts, ServerProcess, serving, visit

SAMPLE_S = 2.0
COLD = "but growth was not measured: most of the run was warm-up"
# The least size of the first attack with uploads: 40 uploads are more than the server keeps.
FILLING = 0.2


@dataclass(frozen=True)
class ServerSample:
    """The state of the server at one moment."""

    at_s: float
    chunks: int
    underruns: int
    gaps: int
    least_slack_s: float | None
    median_slack_s: float | None
    cores: float
    resident_mb: float
    threads: int
    open_files: int
    visits: int
    load: float

    def line(self) -> str:
        """Returns the sample as one line."""
        slack = "-" if self.least_slack_s is None else f"{self.least_slack_s:.2f}"
        usual = "-" if self.median_slack_s is None else f"{self.median_slack_s:.2f}"
        return (
            f"{self.at_s / 60:6.1f} min  {self.chunks} chunks  {self.underruns} late  "
            f"{self.gaps} gaps  slack {slack} least, {usual} median  {self.cores:.2f} cores  "
            f"{self.resident_mb:.1f} MB  {self.threads} threads  {self.open_files} files  "
            f"{self.visits} visits  load {self.load:.1f}"
        )


class Soak:
    """One run.

    Args:
        server: the server to measure.
        args: the command line.
    """

    def __init__(self, server: ServerProcess, args: argparse.Namespace) -> None:
        self._server, self._args = server, args
        self._counts, self._visits, self._attacks = ClientCounts(), 0, 0
        self._errors: list[str] = []
        self._samples: list[ServerSample] = []
        self._start_s = self._before_s = time.monotonic()
        self._used_s = server.cpu_s()
        self._reported = 0
        # When each attack had been carried out once; None = not yet.
        self._round_s: float | None = None if args.attack else 0.0

    async def run(self) -> None:
        """Plays for the requested minutes, or until a client or the server ends."""
        stop, args = asyncio.Event(), self._args
        clients = [
            BenchmarkClient(self._server.socket_address, n, self._counts, 15)
            for n in range(args.listeners)
        ]
        tasks = [asyncio.create_task(client.play(stop)) for client in clients]
        tasks.append(asyncio.create_task(self._visit(stop)))
        tasks.append(asyncio.create_task(self._attack(stop)))
        every_s = min(60.0, 60 * args.minutes / 10)
        report_s = every_s
        while not stop.is_set():
            await asyncio.sleep(SAMPLE_S)
            at_s = self._sample()
            if at_s >= report_s:
                report_s += every_s
                self._report()
            ended = [task for task in tasks if task.done()]
            if ended or at_s >= 60 * args.minutes or self._server.ended:
                stop.set()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                self._errors.append(repr(result))

    async def _visit(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if not self._args.visits_per_s:
                await asyncio.sleep(SAMPLE_S)
                continue
            await asyncio.sleep(1 / self._args.visits_per_s)
            await visit(self._server, self._visits)
            self._visits += 1

    async def _attack(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if not self._args.attack:
                await asyncio.sleep(SAMPLE_S)
                continue
            one, size = ATTACKS[self._attacks % len(ATTACKS)], self._args.attack
            if one is many_uploads and self._round_s is None:
                size = max(size, FILLING)
            await asyncio.to_thread(attack, self._server.port, one, size)
            self._attacks += 1
            if self._attacks == len(ATTACKS):
                self._round_s = time.monotonic() - self._start_s

    def _sample(self) -> float:
        now_s, used_s, slacks_s = time.monotonic(), self._server.cpu_s(), self._counts.slacks_s
        recent = slacks_s[self._reported :]
        sample = ServerSample(
            at_s=round(now_s - self._start_s, 1),
            chunks=self._counts.chunks,
            underruns=round(self._server.metrics()["underruns_total"]),
            gaps=self._counts.gaps,
            least_slack_s=min(recent, default=None),
            median_slack_s=median(recent) if recent else None,
            cores=round((used_s - self._used_s) / (now_s - self._before_s), 3),
            resident_mb=self._server.resident_mb(),
            threads=self._server.threads(),
            open_files=self._server.open_files(),
            visits=self._visits,
            load=os.getloadavg()[0],
        )
        self._samples.append(sample)
        self._before_s, self._used_s = now_s, used_s
        return sample.at_s

    def _report(self) -> None:
        print(self._samples[-1].line(), flush=True)
        self._reported = len(self._counts.slacks_s)
        self.write()

    def verdict(self) -> dict[str, Any]:
        """Returns the results, and "failures", which is empty if the run passed."""
        if not self._samples:
            return {"failures": ["the run ended before the first sample", *self._errors]}
        samples, slacks_s = self._samples, self._counts.slacks_s
        warm_mb, end_mb = self._memory_mb()
        growth = 100 * (end_mb / warm_mb - 1) if self._is_warm() else None
        return {
            "minutes": round(samples[-1].at_s / 60, 2),
            "listeners": self._args.listeners,
            "chunks": self._counts.chunks,
            "visits": self._visits,
            "attacks": self._attacks,
            "underruns": samples[-1].underruns,
            "gaps": self._counts.gaps,
            "least_slack_s": min(slacks_s, default=None),
            "median_slack_s": median(slacks_s) if slacks_s else None,
            "cores": round(sum(s.cores for s in samples) / len(samples), 3),
            "warm_up_minutes": round(self._warm_up_s() / 60, 2),
            "warm_mb": round(warm_mb, 1),
            "end_mb": round(end_mb, 1),
            "growth_percent": None if growth is None else round(growth, 3),
            "failures": self._failures(growth),
        }

    def _memory_mb(self) -> tuple[float, float]:
        """Returns the median memory after the warm-up and at the end."""
        warm_s = self._warm_up_s()
        warm = [s for s in self._samples if s.at_s >= warm_s] or self._samples[-1:]
        span_s = (warm[-1].at_s - warm[0].at_s) / 5
        first = [s.resident_mb for s in warm if s.at_s <= warm[0].at_s + span_s]
        last = [s.resident_mb for s in warm if s.at_s >= warm[-1].at_s - span_s]
        return median(first), median(last)

    def _warm_up_s(self) -> float:
        round_s = self._samples[-1].at_s if self._round_s is None else self._round_s
        return max(round_s, min(self._args.warm_up_s, 60 * self._args.minutes / 3))

    def _is_warm(self) -> bool:
        """Whether at least half of the run came after the warm-up."""
        return self._warm_up_s() <= self._samples[-1].at_s / 2

    def _failures(self, growth: float | None) -> list[str]:
        last, failures = self._samples[-1], [*self._errors, *self._counts.errors]
        if last.underruns:
            failures.append(f"{last.underruns} chunks were late")
        if growth is not None and growth >= self._args.most_growth:
            failures.append(f"memory grew by {growth:.2f} %")
        if last.at_s < 60 * self._args.minutes - SAMPLE_S:
            failures.append(f"it ended after {last.at_s / 60:.1f} minutes")
        return failures

    def write(self) -> None:
        """Writes the results so far, if `--json` is given; the file is replaced as a whole."""
        if self._args.json is None:
            return
        report = {"preset": self._args.preset, "verdict": self.verdict()}
        text = json.dumps(report | {"samples": [asdict(s) for s in self._samples]}, indent=1)
        part = self._args.json.with_suffix(".part")
        part.write_text(text)
        part.replace(self._args.json)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--listeners", type=int, default=2)
    parser.add_argument("--visits-per-s", type=float, default=0.0, help="short visits a second")
    parser.add_argument("--attack", type=float, default=0.0, metavar="SIZE", help="0 = none")
    parser.add_argument("--warm-up-s", type=float, default=120.0, help="at most a third of the run")
    parser.add_argument("--most-growth", type=float, default=1.0, help="of memory, in percent")
    parser.add_argument("--json", type=Path, help="write results and samples to this file")
    return parser.parse_args()


def main() -> None:
    args = parse()
    print(f"preset {args.preset}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    with serving(args.preset) as server:
        soak = Soak(server, args)
        try:
            asyncio.run(soak.run())
        except KeyboardInterrupt:
            print("stopped")
        verdict = soak.verdict()
        soak.write()
    print(json.dumps(verdict, indent=1))
    failures = verdict["failures"]
    passed = "passed" if verdict.get("growth_percent") is not None else f"passed, {COLD}"
    print("VERDICT: " + ("FAILED: " + "; ".join(failures) if failures else passed))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
