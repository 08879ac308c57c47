"""Times products of few rows with large weights on a CPU: XLA's, and with packed weights.

    python benchmarks/packed/products.py --shape 768 2048 --rows 1 2 4 8 16
    python benchmarks/packed/products.py --shape 192 448 --megabytes 4

The weights are copies of one matrix, so many that they have --megabytes together in float32: with
more than the caches hold, they come from memory. The floor is the time to read them once at the
speed of a sum over as many bytes in the same run, or to multiply at the speed of a large product,
whichever is longer. All lines of a number of rows are measured in turns; CPU microseconds stand
beside wall microseconds. XLA's products are one compiled program that goes through the copies.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from packed.depthformer_forms import timed

from soundstage.kernels.products import Matrix, WeightType, multiply, packed
from soundstage.kernels.team import Member, Team, meet
from soundstage.stages.row_groups import cores

LARGE = 2048  # width of the product that measures arithmetic


def packed_run(matrix: Matrix, x: np.ndarray, threads: int) -> Callable[[], None]:
    """Makes a function that multiplies x by all copies, on a team of threads."""
    y = np.empty((len(x), int(matrix.sizes[1])), np.float32)
    team = Team(threads)

    def through(member: Member) -> None:
        for index in range(len(matrix.weights)):
            multiply(member, matrix, index, x, y, False)
            meet(member)

    return lambda: team(through)


def xla_run(kernels: np.ndarray, x: np.ndarray) -> Callable[[], object]:
    """Makes a function that multiplies x by all copies in one program."""
    given, rows = jnp.asarray(kernels), jnp.asarray(x)

    @jax.jit
    def through(kernels: jax.Array, x: jax.Array) -> jax.Array:
        def step(total: jax.Array, kernel: jax.Array) -> tuple[jax.Array, None]:
            return total + (x @ kernel)[:, 0], None

        return jax.lax.scan(step, jnp.zeros(len(x)), kernels)[0]

    return lambda: jax.block_until_ready(through(given, rows))


def main() -> None:
    """Reads the command line, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shape", nargs=2, type=int, default=(768, 2048), metavar=("IN", "OUT"))
    parser.add_argument("--rows", nargs="+", type=int, default=[1, 2, 4, 8, 16])
    parser.add_argument("--megabytes", type=float, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    inner, outer = args.shape
    copies = max(1, round(args.megabytes * 1e6 / (4 * inner * outer)))
    draw = np.random.default_rng(0)
    kernel = draw.standard_normal((inner, outer), np.float32) / np.float32(np.sqrt(inner))
    kernels = np.repeat(kernel[None], copies, axis=0)
    forms = {dtype: packed(kernels, dtype) for dtype in get_args(WeightType)}
    large = jnp.ones((LARGE, LARGE), jnp.float32)
    print(f"{copies} copies of {inner} x {outer}, us a product")
    for rows in args.rows:
        x = draw.standard_normal((rows, inner)).astype(np.float32)
        runs: dict[str, Callable[[], object]] = {
            "memory": lambda: kernels.reshape(-1).view(np.float64).sum(),
            "arithmetic": lambda: jax.block_until_ready(large @ large),
            "xla": xla_run(kernels, x),
        }
        for name, matrix in forms.items():
            for threads in sorted({1, cores()}):
                runs[f"{name}, {threads} core(s)"] = packed_run(matrix, x, threads)
        times = timed(runs, args.repeats)
        read = times.pop("memory")[:, 0].min() / copies
        arithmetic = times.pop("arithmetic")[:, 1].min() * rows * inner * outer / LARGE**3
        print(f"{rows} row(s): floor on one core {1e6 * max(read, arithmetic):.0f} us in float32")
        for name, taken in times.items():
            wall, cpu = 1e6 * taken.min(0) / copies
            print(f"  {name:20} {wall:6.0f} us, CPU {cpu:6.0f}")


if __name__ == "__main__":
    main()
