"""From what rows ask for to one tick of the runner, and back to what each of them gets."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from soundstage.graph.state import State, initial, join
from soundstage.runners.engine.groups import Group
from soundstage.runners.engine.row import TickRequest
from soundstage.runners.runner import Chunk, Runner, Tick
from soundstage.runners.timing.timings import busy_s


@dataclass(frozen=True)
class RowResult:
    """What one row gets of a tick.

    Attributes:
        audio: float32 `[sample, channel]`, read-only; None = it has samples that are no numbers.
        state: behind the chunk, one row.
    """

    audio: np.ndarray | None
    state: State


@dataclass(frozen=True)
class Done:
    """One tick, done.

    Attributes:
        parts: what each order gets, in the order of the orders.
        seconds: wall time by stage.
        busy_s: how long each stage was at work on it.
        runner_s: how long the runner took.
    """

    parts: Sequence[RowResult]
    seconds: Mapping[str, float]
    busy_s: Mapping[str, float]
    runner_s: float


class Ticks:
    """Makes ticks whose number of rows is always the same, whoever asks.

    A row's bytes may depend on how many rows a tick has: compilers choose other kernels for other
    shapes. So a group's ticks have a row for every place, and a place that asks for nothing makes
    a first chunk of the controls it had last, which is thrown away (the same controls, so that
    stages which read nothing else are idle).
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._graph = runner.graph
        self._defaults = {name: c.default for name, c in runner.graph.controls.items()}

    def make(self, group: Group, orders: Sequence[TickRequest]) -> Done:
        """Makes one chunk for every order; callable from several threads for several groups.

        Raises:
            StageFailed: a stage failed, for whichever row.
        """
        tick, state = self._compose(group, orders)
        start_s = time.monotonic()
        (chunk,) = self._runner.stream([tick], state)
        runner_s = time.monotonic() - start_s
        for order in orders:
            # Not before: controls that a stage fails with would end whoever plays beside them.
            group.last_controls[order.place] = order.steady
        parts = [_part(chunk, order.place) for order in orders]
        return Done(parts, chunk.seconds, busy_s(chunk), runner_s)

    def _compose(self, group: Group, orders: Sequence[TickRequest]) -> tuple[Tick, State]:
        asked = {order.place: order for order in orders}
        states = [
            asked[place].state if place in asked else initial(self._graph, ["rests"])
            for place in range(len(group.places))
        ]
        controls = tuple(
            asked[place].controls if place in asked else last or self._defaults
            for place, last in enumerate(group.last_controls)
        )
        state = join(states) if len(states) > 1 else states[0]
        state = state.rename([str(place) for place in range(len(states))])
        return Tick(state.streams, state.chunks, controls), state


def _part(chunk: Chunk, place: int) -> RowResult:
    audio = chunk.audio[place]
    if len(chunk.tick.streams) > 1:
        # Else whoever reads late would hold on to the audio of all.
        audio = audio.copy()
        audio.flags.writeable = False
    finite = bool(np.isfinite(audio).all())
    return RowResult(audio if finite else None, chunk.state.pick([place]))
