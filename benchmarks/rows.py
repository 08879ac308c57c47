"""Compares one batch of rows with as many separate runs, on the preset tiny.

    python benchmarks/rows.py --rows 8 --chunks 10

It compares chunks after compilation, and then whole commands: one `variants` with one `generate`
a row, start and compilation included. The floor of a batch is the time of one row.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import soundstage

ROOT = Path(__file__).parents[1]
PROMPT = "warm pads"
DURATION_S = 6


def chunk_seconds(preset: str, seeds: range, chunks: int) -> tuple[float, dict[str, float]]:
    """Returns the median seconds of a chunk with one row a seed, and of each stage in it."""
    rows = [{"seed": seed} for seed in seeds]
    whole, stages = [], []
    with soundstage.open(preset, rows=rows, warm_up=True) as session:
        next(session)
        start = time.perf_counter()
        for chunk in islice(session, chunks):
            whole.append(time.perf_counter() - start)
            stages.append(chunk.seconds)
            start = time.perf_counter()
    medians = {name: float(np.median([one[name] for one in stages])) for name in stages[0]}
    return float(np.median(whole)), medians


def time_chunks(preset: str, rows: int, chunks: int) -> None:
    """Prints the speed of a batch and of single rows after compilation."""
    one, one_stages = chunk_seconds(preset, range(1), chunks)
    batch, batch_stages = chunk_seconds(preset, range(rows), chunks)
    print(f"preset {preset}, a chunk, everything compiled, nothing overlapped:")
    print(f"  1 row {one * 1e3:.0f} ms (the floor of a batch); {rows} rows {batch * 1e3:.0f} ms")
    ratio = rows * one / batch
    print(f"  one batch has {ratio:.2f} x the throughput of {rows} runs, at most {rows}")
    for name, seconds in batch_stages.items():
        if seconds > 0.002:
            single = one_stages[name]
            print(f"    {name:<10} {single * 1e3:.1f} -> {seconds * 1e3:.1f} ms, ", end="")
            print(f"{rows * single / seconds:.2f} x")


def command(*words: object) -> float:
    """Times one command in a new process, in seconds."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "soundstage", *map(str, words), "--quiet"],
        cwd=ROOT,
        check=True,
    )
    return time.perf_counter() - start


def time_commands(preset: str, rows: int) -> None:
    """Prints the speed of one `variants` command and of one `generate` command a row."""
    options = ("--prompt", PROMPT, "--preset", preset, "--duration", DURATION_S)
    with tempfile.TemporaryDirectory() as folder:
        command("generate", *options, "--output", f"{folder}/warm.wav")  # fills the cache
        batch = ("variants", *options, "--seeds", f"0-{rows - 1}", "--batch", rows)
        command(*batch, "--output-dir", f"{folder}/warm")
        together = command(*batch, "--output-dir", f"{folder}/batch")
        apart = [
            command("generate", *options, "--seed", seed, "--output", f"{folder}/{seed}.wav")
            for seed in range(rows)
        ]
    print(f"whole commands, {rows} pieces of {DURATION_S} s, compilation cache warm:")
    print(f"  one command {min(apart):.1f} s (the floor); {rows} commands {sum(apart):.1f} s")
    print(f"  variants {together:.1f} s: {sum(apart) / together:.2f} x the throughput")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--chunks", type=int, default=10)
    args = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    time_chunks(args.preset, args.rows, args.chunks)
    time_commands(args.preset, args.rows)


if __name__ == "__main__":
    main()
