"""What a compiled program launches, loop by loop, read from the compiler's own listings.

A program for a GPU is a list of thunks: kernels, copies, loops, conditionals, and graphs ("command
buffers") that launch many kernels at once. A program for a TPU is a list of operations. How often
a loop runs is written in the optimised HLO of both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

# Thunks that launch nothing themselves.
CONTAINERS = {"While", "Conditional", "CommandBuffer", "Sequential", "DynamicSliceFusion"}
WAITING = {"WaitForStreams", "AsyncStart", "AsyncDone", "Async"}
# Operations of HLO that take no time of their own.
FREE = {
    "parameter",
    "constant",
    "tuple",
    "get-tuple-element",
    "bitcast",
    "after-all",
    "copy-done",
    "slice-done",
    "async-done",
    "partition-id",
    "replica-id",
}
# The index in a thunk's line is followed by its kind.
THUNK = re.compile(r"^( *)\d+: k(\w+)")
LABEL = re.compile(r"^ *(condition|body|true_branch|false_branch|branch_\d+):\s*$")
COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.-]+) .*\{\s*$")
INSTRUCTION = re.compile(r"^ +(?:ROOT )?%?([\w.-]+) = (.*)$")
# The scope of a level step in the names of operations.
LEVEL = "/level_step/"
TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


@dataclass
class Launches:
    """What one run of a computation launches, without its loops.

    Attributes:
        trips: how often the computation runs for each run of the one around it; None = unknown.
        alone: kernels, or a TPU's operations, launched one by one.
        in_graphs: kernels that run inside a graph.
        graphs: graphs launched.
        waits: conditionals outside graphs; the host reads a value from the device for each.
        level_steps: how many of the kernels belong to level steps that were compiled without a
            loop, by the optimised HLO.
        loops: the loops inside, in the order in which they run.
    """

    trips: int | None = 1
    alone: int = 0
    in_graphs: int = 0
    graphs: int = 0
    waits: int = 0
    level_steps: int = 0
    loops: list[Launches] = field(default_factory=list)

    @property
    def kernels(self) -> int:
        """All kernels of a run, without those of loops."""
        return self.alone + self.in_graphs

    def add(self, other: Launches) -> None:
        """Adds what another computation launches, which runs as a part of this one."""
        self.alone += other.alone
        self.in_graphs += other.in_graphs
        self.graphs += other.graphs
        self.waits += other.waits
        self.level_steps += other.level_steps
        self.loops += other.loops

    def whole(self) -> Launches:
        """Returns the sum over all runs of all loops, as one computation without loops."""
        total = Launches(1, self.alone, self.in_graphs, self.graphs, self.waits)
        for loop in self.loops:
            inside, trips = loop.whole(), loop.trips or 1
            total.alone += trips * inside.alone
            total.in_graphs += trips * inside.in_graphs
            total.graphs += trips * inside.graphs
            total.waits += trips * inside.waits
        return total

    def nested(self) -> Iterator[tuple[tuple[int | None, ...], Launches]]:
        """Yields every computation with the trips of the loops around it, outermost first."""
        yield (), self
        for loop in self.loops:
            for around, launches in loop.nested():
                yield (loop.trips, *around), launches


@dataclass
class _Thunk:
    kind: str
    indent: int
    # The parts of a loop or a conditional by name; those of others are in "".
    parts: dict[str, list[_Thunk]] = field(default_factory=dict)


def launches_of_thunks(listing: str, loops: Launches) -> Launches:
    """Reads a GPU's sequence of thunks.

    Args:
        listing: the compiler's dump `thunk_sequence_after_thunk_passes`.
        loops: `launches_of_hlo` of the same program, which tells how often its loops run.

    Raises:
        ValueError: the listing has no thunk, or other loops than the program.
    """
    thunks = _thunk_tree(listing)
    if not thunks:
        raise ValueError("the listing has no thunk; the compiler's format may have changed")
    launches = _of_thunks(thunks, in_graph=False)
    _take_trips(launches, loops)
    return launches


def _thunk_tree(listing: str) -> list[_Thunk]:
    top = _Thunk("", -1)
    opened, part = [top], ""
    for line in listing.splitlines():
        label, thunk = LABEL.match(line), THUNK.match(line)
        if label:
            part = label[1]
        elif thunk:
            indent = len(thunk[1])
            while opened[-1].indent >= indent:
                opened.pop()
            parts = opened[-1].parts
            if not part:  # the same part as the thunk before
                part = next(reversed(parts), "")
            parts.setdefault(part, []).append(_Thunk(thunk[2], indent))
            opened.append(parts[part][-1])
            part = ""
    return top.parts.get("", [])


def _of_thunks(thunks: Sequence[_Thunk], in_graph: bool) -> Launches:
    launches = Launches()
    for thunk in thunks:
        if thunk.kind == "While":
            launches.loops.append(_of_thunks(thunk.parts.get("body", []), in_graph))
        elif thunk.kind == "Conditional":
            launches.waits += not in_graph
            branches = [_of_thunks(part, in_graph) for part in thunk.parts.values()]
            launches.add(max(branches, key=lambda branch: branch.whole().kernels))
        elif thunk.kind in CONTAINERS:
            graph = thunk.kind == "CommandBuffer"
            launches.graphs += graph
            launches.add(_of_thunks(thunk.parts.get("", []), in_graph or graph))
        elif thunk.kind not in WAITING:
            launches.in_graphs += in_graph
            launches.alone += not in_graph
    return launches


def _take_trips(launches: Launches, loops: Launches) -> None:
    if len(launches.loops) != len(loops.loops):
        raise ValueError(
            f"the listing has {len(launches.loops)} loops where the program has {len(loops.loops)}"
        )
    for ours, theirs in zip(launches.loops, loops.loops, strict=True):
        ours.trips, ours.level_steps = theirs.trips, theirs.level_steps
        _take_trips(ours, theirs)


def launches_of_hlo(text: str) -> Launches:
    """Reads optimised HLO.

    Args:
        text: what `jax.stages.Compiled.as_text` returns.

    Raises:
        ValueError: the text has no entry computation.
    """
    computations, entry = _computations(text)
    if entry is None:
        raise ValueError("the text has no ENTRY computation; is it HLO?")
    return _of_computation(computations, entry)


def _computations(text: str) -> tuple[dict[str, list[str]], str | None]:
    """Returns the instructions of every computation by name, and the name of the entry."""
    computations: dict[str, list[str]] = {}
    entry, current = None, None
    for line in text.splitlines():
        header = COMPUTATION.match(line)
        if header and " -> " in line:
            current = header[2]
            computations[current] = []
            entry = current if header[1] else entry
        elif line.startswith("}"):
            current = None
        elif current is not None:
            instruction = INSTRUCTION.match(line)
            if instruction:
                computations[current].append(instruction[2])
    return computations, entry


def _of_computation(computations: dict[str, list[str]], name: str) -> Launches:
    launches = Launches()
    for instruction in computations[name]:
        operation = _operation(instruction)
        if operation == "while":
            loop = _of_computation(computations, _called(instruction, "body")[0])
            loop.trips = _trips(computations, instruction)
            launches.loops.append(loop)
        elif operation == "conditional":
            names = _called(instruction, r"(?:true|false)_computation") or _called(
                instruction, "branch_computations"
            )
            branches = [_of_computation(computations, each) for each in names]
            launches.add(max(branches, key=lambda branch: branch.whole().kernels))
        elif operation == "call":
            launches.add(_of_computation(computations, _called(instruction, "to_apply")[0]))
        elif operation not in FREE and not _is_scalar(instruction):
            launches.alone += 1
            launches.level_steps += LEVEL in instruction
    return launches


def _operation(instruction: str) -> str:
    """Returns the operation of `TYPE operation(operands), attributes`."""
    depth = 0
    for place, letter in enumerate(instruction):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == " " and depth == 0:
            return instruction[place + 1 :].partition("(")[0]
    return ""


def _is_scalar(instruction: str) -> bool:
    """Whether the result is one number, which a TPU's scalar unit or a fused kernel makes."""
    return re.match(r"\w+\[\]", instruction) is not None and " fusion(" not in instruction


def _called(instruction: str, attribute: str) -> list[str]:
    found = re.findall(rf"\b{attribute}=(\{{[^}}]*\}}|%?[\w.-]+)", instruction)
    return [name for each in found for name in re.findall(r"[\w.-]+", each)]


def _trips(computations: dict[str, list[str]], instruction: str) -> int | None:
    """Returns how often a loop runs: as the compiler knows, or as its condition compares."""
    known = TRIPS.search(instruction)
    if known:
        return int(known[1])
    condition = computations.get(_called(instruction, "condition")[0], [])
    compared = any(_operation(each) == "compare" and "direction=LT" in each for each in condition)
    limits = [re.search(r" constant\((\d+)\)", each) for each in condition]
    found = [int(limit[1]) for limit in limits if limit]
    return found[0] if compared and len(found) == 1 else None
