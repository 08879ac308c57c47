"""How many engines a fleet has, between a least and a most number, by the time that is left."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass

from soundstage.graph.plan import Graph
from soundstage.runners.choice import EngineRange
from soundstage.runners.engine.engine import Engine
from soundstage.runners.fleet.places import StreamPlaces
from soundstage.runners.fleet.roster import Roster, report

LOGGER = logging.getLogger("soundstage.serve")

# An engine is added if so much time is left on all engines together, 1 = all of one engine's time.
LEAST_SPARE = 0.25
# An engine is removed if so much is left without it, for so many seconds.
MOST_SPARE, REMOVE_AFTER_S = 0.5, 60.0
# After an engine could not start, none is added for so many seconds.
PAUSE_S = 60.0


@dataclass(frozen=True)
class Demand:
    """What the engines have left.

    Attributes:
        engines: how many there are, with those that start and those that are lost for now.
        starting: how many of them start.
        spare: the time left on those that are ready, 1 = all of one engine's; may be below 0.
        fits: whether another realtime stream fits on one of them.
        waits: whether a stream was refused lately that another engine could serve.
    """

    engines: int
    starting: int
    spare: float
    fits: bool
    waits: bool


class Scaler:
    """Adds and removes engines, one at a time.

    One is added if a listener was refused for want of time, if the next would be, or if less than
    `LEAST_SPARE` is left; one that starts counts as free already. One that cannot start is removed,
    and another is tried after `PAUSE_S` if it is still needed. The newest is removed if
    `MOST_SPARE` is left without one for `REMOVE_AFTER_S`: its streams move to others first. So
    machines that were there from the start keep their engines, and those added later may go.

    Args:
        places: the engines and their streams.
        roster: adds and removes them.
        limits: the least and the most engines.

    Attributes:
        limits: the least and the most engines.
        added: engines added so far.
        removed: engines removed so far.
    """

    def __init__(self, places: StreamPlaces, roster: Roster, limits: EngineRange) -> None:
        self.limits = limits
        self.added = self.removed = 0
        self._places, self._roster = places, roster
        self._starting: dict[Engine, asyncio.Task[None]] = {}
        self._roomy_s = math.inf  # since when one engine fewer would do
        self._now_s = self._paused_until_s = -math.inf
        self._seen_wanting = 0

    @property
    def starting(self) -> int:
        """How many engines start."""
        return len(self._starting)

    async def look(self, graph: Graph, now_s: float) -> None:
        """Adds or removes an engine, if need be.

        Args:
            graph: what makes the music now.
            now_s: the time.
        """
        self._now_s = now_s
        step = self.step(self._demand(), now_s)
        if step > 0:
            self._add(graph)
        elif step < 0:
            await self._remove()

    def start(self, engine: Engine) -> asyncio.Task[None]:
        """Starts an engine that was added; the task ends with its error, if it has been removed."""
        self._starting[engine] = asyncio.create_task(self._start(engine))
        return self._starting[engine]

    def step(self, demand: Demand, now_s: float) -> int:
        """Returns how many engines to add now: 1, 0 or -1.

        Args:
            demand: what the engines have left.
            now_s: the time.
        """
        spare = demand.spare + demand.starting
        short = spare < LEAST_SPARE or not (demand.fits or demand.starting)
        wanted = short or (demand.waits and not demand.starting)
        roomy = not (wanted or demand.starting) and spare - 1 >= MOST_SPARE
        self._roomy_s = min(self._roomy_s, now_s) if roomy else math.inf
        few = demand.engines < self.limits.least
        if few or (wanted and demand.engines < self.limits.most):
            return int(now_s >= self._paused_until_s)
        if demand.engines > self.limits.least and now_s - self._roomy_s >= REMOVE_AFTER_S:
            self._roomy_s = math.inf
            return -1
        return 0

    def _demand(self) -> Demand:
        with self._places.lock:
            engines = [one for one in self._places.engines if not one.draining]
            ready = [one for one in engines if one.ready]
            waits = self._places.wanting > self._seen_wanting
            self._seen_wanting = self._places.wanting
            return Demand(
                len(engines),
                self.starting,
                sum(one.spare() for one in ready),
                any(one.spare(1) >= 0 for one in ready),
                waits,
            )

    def _add(self, graph: Graph) -> None:
        engine = self._roster.add(graph)
        LOGGER.info("engine %d is added", engine.number)
        self.added += 1
        self.start(engine).add_done_callback(report)

    async def _start(self, engine: Engine) -> None:
        try:
            await self._roster.start(engine)
        # Any error of a stage's constructor: the others play on, and a later attempt may succeed.
        except Exception:
            self._paused_until_s = self._now_s + PAUSE_S
            await self._roster.remove(engine)
            raise
        finally:
            del self._starting[engine]

    async def _remove(self) -> None:
        with self._places.lock:
            ready = [one for one in self._places.engines if one.ready]
            if len(ready) < 2:
                return
            engine = max(ready, key=lambda one: one.number)
        LOGGER.info("engine %d is removed: the others have time enough", engine.number)
        self.removed += 1
        await self._roster.remove(engine)
