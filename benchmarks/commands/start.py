"""Times `generate` from the command to its file, beside the import of JAX, in turns.

    python benchmarks/commands/start.py
    python benchmarks/commands/start.py --beside ../another-checkout

Each command runs once before, which compiles what is not compiled yet. The floor is what no command
that computes with JAX can go below: `python -c "import jax"` of the same run.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parents[2]
FLOOR = "import jax"


@dataclass(frozen=True)
class Taken:
    """What a command took: seconds of time, and of processor time of all its threads."""

    wall_s: float
    cpu_s: float


def run(words: list[str], checkout: Path) -> Taken:
    """Runs Python with arguments, with the modules of a checkout."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    command = [sys.executable, *words]
    subprocess.run(command, cwd=checkout, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(time.perf_counter() - start, cpu_s)


def generate(preset: str, seconds: float, folder: Path) -> list[str]:
    """Returns the arguments of Python that make music and nothing else; the file is new."""
    file = folder / "start.wav"
    file.unlink(missing_ok=True)
    music = ["--preset", preset, "--duration", str(seconds), "--output", str(file)]
    return ["-m", "soundstage", "generate", "house", *music]


def describe(name: str, taken: list[Taken], floor: list[Taken]) -> str:
    """Returns a line of the table."""
    wall, cpu = ([getattr(each, what) for each in taken] for what in ("wall_s", "cpu_s"))
    ratio = statistics.median(wall) / statistics.median(each.wall_s for each in floor)
    cells = (min(wall), statistics.median(wall), statistics.median(cpu))
    return f"| {name} | {' | '.join(f'{cell:.2f} s' for cell in cells)} | {ratio:.2f} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--seconds", type=float, default=2.0, help="of music")
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--beside", type=Path, help="a checkout of another version")
    args = parser.parse_args()
    if args.turns < 1:
        parser.error(f"--turns must be at least 1, got {args.turns}")
    checkouts = {"this version": HERE}
    if args.beside is not None:
        checkouts["the other one"] = args.beside.resolve()
    taken: dict[str, list[Taken]] = {name: [] for name in (FLOOR, *checkouts)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for turn in range(-1, args.turns):
            times = {FLOOR: run(["-c", FLOOR], folder)}
            for version, checkout in checkouts.items():
                times[version] = run(generate(args.preset, args.seconds, folder), checkout)
            if turn >= 0:
                for each, time_taken in times.items():
                    taken[each].append(time_taken)
    print(f"{args.seconds:g} s of {args.preset}, {args.turns} turns")
    print("| | least | median | processor time | median / import jax |\n|---|---|---|---|---|")
    for each in taken:
        print(describe(each, taken[each], taken[FLOOR]))


if __name__ == "__main__":
    main()
