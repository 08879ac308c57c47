"""Compiles the stages' programs for an accelerator that is not there, and counts what they launch.

    pip install '.[aot]'
    python benchmarks/ahead_of_time.py --target h100 --size large --rows 1 16
    python benchmarks/ahead_of_time.py --target h100 --size large --fused
    python benchmarks/ahead_of_time.py --target h100 --size small --rows 1 16 --program step
    python benchmarks/ahead_of_time.py --target v5e --size base --program decode

Everything is computed from what the compiler wrote; nothing is measured. The bound is a time that
no run can be faster than, as long as the program stays as it is: for each part of the work the
longer of its bytes at the bandwidth of the memory and its operations at the speed of matrix
products, and the least time of a kernel for each kernel. A GPU's least times are parameters,
because they have not been measured either.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import jax

sys.path.insert(0, str(Path(__file__).parents[1]))

from accelerators.launches import Launches, launches_of_hlo, launches_of_thunks
from accelerators.programs import TRACES, TracedProgram, trace_sample, trace_step
from accelerators.targets import TARGETS, Target, absent_device

# Of Magenta RealTime v1, its codec, and Magenta RealTime 2.
SIZES = ("tiny", "demo", "small", "base", "large")
THUNKS = "*.thunk_sequence_after_thunk_passes.txt"
# Names of the loops of `sample`, by how often they run.
FRAMES, LEVELS = 50, 16
LOOPS = {(): "outside", (FRAMES,): "a frame", (FRAMES, LEVELS): "a level step"}


@dataclass(frozen=True)
class Counted:
    """A compiled program in numbers.

    Attributes:
        launches: what it launches, loop by loop.
        memory_bytes: memory of a run by the compiler's plan: arguments, results, and between.
    """

    launches: Launches
    memory_bytes: int


def compiled(traced: TracedProgram, target: Target) -> Counted:
    """Compiles a program and reads the compiler's listings.

    Raises:
        ValueError: the compiler wrote listings of an unknown form.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = {"xla_dump_to": folder} if target.is_gpu else {}
        program = traced.lowered.compile(compiler_options=options)
        launches = launches_of_hlo(program.as_text())
        if target.is_gpu:
            listings = sorted(Path(folder).glob(THUNKS))
            if len(listings) != 1:
                raise ValueError(f"expected one dump {THUNKS}, got {len(listings)}")
            launches = launches_of_thunks(listings[0].read_text(), launches)
    plan = program.memory_analysis()
    sizes = (plan.argument_size_in_bytes, plan.output_size_in_bytes, plan.temp_size_in_bytes)
    return Counted(launches, sum(sizes) - plan.alias_size_in_bytes)


def work_s(traced: TracedProgram, target: Target) -> float:
    """Returns the least time of a program's bytes and operations, part after part."""
    speed = target.operations_per_s[traced.dtype]
    return sum(
        part.runs * max(part.bytes_read / target.bytes_per_s, part.operations / speed)
        for part in traced.parts
    )


def launches_s(launches: Launches, target: Target) -> float:
    """Returns the least time of all kernels of a program."""
    whole = launches.whole()
    return (whole.in_graphs * target.in_graph_us + whole.alone * target.alone_us) * 1e-6


def report(traced: TracedProgram, counted: Counted, target: Target) -> None:
    """Prints the counts and the bound."""
    kernels = "kernels" if target.is_gpu else "operations"
    print(f"  {'':18}{'runs':>7}{kernels:>12}{'in graphs':>11}{'graphs':>8}{'host waits':>12}")
    for trips, launches in counted.launches.nested():
        known = tuple(each or 1 for each in trips)
        _print_launches(LOOPS.get(known, "a run of a loop"), math.prod(known), launches)
        if known == (FRAMES,) and not launches.loops:
            step = launches.level_steps / LEVELS
            print(f"  of it {launches.level_steps} in {LEVELS} level steps, {step:.1f} in each")
    _print_launches("all", 1, counted.launches.whole())
    for part in traced.parts:
        print(
            f"  {part.name}, x {part.runs}: reads {part.bytes_read / 1e6:.1f} MB, "
            f"{part.operations / 1e9:.3g} GFLOP"
        )
    work, launched = work_s(traced, target), launches_s(counted.launches, target)
    print(f"  memory by the compiler's plan: {counted.memory_bytes / 1e6:.0f} MB")
    print(
        f"  bound: {work * 1e3:.3g} ms of work + {launched * 1e3:.3g} ms of launches = "
        f"{(work + launched) * 1e3:.3g} ms, {traced.music_s / (work + launched):.1f} x real time"
    )


def _print_launches(name: str, runs: int, launches: Launches) -> None:
    print(
        f"  {name:18}{runs:7}{launches.kernels:12}{launches.in_graphs:11}{launches.graphs:8}"
        f"{launches.waits:12}"
    )


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", choices=tuple(TARGETS), required=True)
    parser.add_argument("--size", choices=SIZES, default="large")
    parser.add_argument("--rows", type=int, nargs="+", default=[1])
    parser.add_argument("--program", choices=tuple(TRACES), nargs="+", default=["sample"])
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--fused", action="store_true", help="`sample` and `step` by few kernels")
    parser.add_argument("--in-graph-us", type=float, help="least time of a kernel in a graph")
    parser.add_argument("--alone-us", type=float, help="least time of a kernel by itself")
    return parser.parse_args(words)


def main() -> None:
    args = arguments()
    target = TARGETS[args.target]
    if args.in_graph_us is not None:
        target = replace(target, in_graph_us=args.in_graph_us)
    if args.alone_us is not None:
        target = replace(target, alone_us=args.alone_us)
    if args.fused and not target.is_gpu:
        raise SystemExit("--fused is for GPUs: use --target h100")
    fused = {"sample": trace_sample, "step": trace_step} if args.fused else {}
    traces = TRACES | {name: partial(trace, fused=True) for name, trace in fused.items()}
    device = absent_device(target)
    for program in args.program:
        for rows in args.rows:
            try:
                traced = traces[program](args.size, rows, args.dtype, device)
            except ValueError as error:  # a size of another model
                raise SystemExit(f"{program}: {error}") from error
            kind = f"{device.device_kind}, which is not there: compiled, not measured"
            print(f"{program}, {args.size}, {traced.dtype}, {rows} row(s), for {kind}", flush=True)
            report(traced, compiled(traced, target), target)
            jax.clear_caches()


if __name__ == "__main__":
    main()
