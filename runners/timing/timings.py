"""Median times of each stage over the ticks of a run: computing, transferring, waiting."""

from collections.abc import Mapping
from statistics import median

from soundstage.runners.runner import Chunk

_COLUMNS = ("compute", "transfer", "queue")


def busy_s(chunk: Chunk) -> Mapping[str, float]:
    """Returns the seconds that each stage worked on one chunk; of its replicas, the slowest."""
    sums: dict[tuple[str, int], float] = {}
    for span in chunk.spans:
        if span.kind != "queue":
            key = (span.stage, span.replica)
            sums[key] = sums.get(key, 0.0) + span.seconds
    stages = dict.fromkeys(stage for stage, _ in sums)
    return {name: max(s for (stage, _), s in sums.items() if stage == name) for name in stages}


class Timings:
    """Sums of the spans of chunks; replicas of a stage are added up."""

    def __init__(self) -> None:
        self._seconds: dict[str, dict[str, list[float]]] = {}
        self._ticks = 0

    def add(self, chunk: Chunk) -> None:
        """Adds one chunk's spans."""
        self._ticks += 1
        sums: dict[tuple[str, str], float] = {}
        for span in chunk.spans:
            key = (span.stage, span.kind)
            sums[key] = sums.get(key, 0.0) + span.seconds
        for (stage, kind), seconds in sums.items():
            self._seconds.setdefault(stage, {}).setdefault(kind, []).append(seconds)

    def lines(self) -> list[str]:
        """Returns a table of milliseconds for people, one stage a line; empty without spans.

        The median of "compute" is over the ticks in which the stage computed.
        """
        if not self._seconds:
            return []
        width = max(len("stage"), *map(len, self._seconds))
        head = "".join(f"{name + ' ms':>13}" for name in _COLUMNS)
        table = [f"{'stage':<{width}}{head}   median of {self._ticks} chunks"]
        for stage, kinds in self._seconds.items():
            times = "".join(f"{1000 * median(kinds.get(kind, [0.0])):13.1f}" for kind in _COLUMNS)
            reused = len(kinds.get("reuse", ()))
            note = f"   {reused} of {self._ticks} reused" if reused else ""
            table.append(f"{stage:<{width}}{times}{note}")
        return table
