"""The engines of a fleet: adding, starting, watching and removing them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial

from soundstage.graph.plan import Graph
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.engine.capacity import Capacity
from soundstage.runners.engine.engine import Engine, RemoteRunner
from soundstage.runners.engine.refusals import EngineLost
from soundstage.runners.engine.warmup import WarmUp
from soundstage.runners.fleet.keeper import Keeper
from soundstage.runners.fleet.opening import open_engine
from soundstage.runners.fleet.places import StreamPlaces
from soundstage.runners.runner import Runner

LOGGER = logging.getLogger("soundstage.serve")
# The longest wait at the end for a process that is started or revived.
_LAST_WAIT_S = 5.0


class Roster:
    """Adds engines to the places of a fleet and removes them, while streams play.

    Args:
        places: where the streams are.
        choice: what runs the stages of the engines.
        warm_up: returns how an engine is made ready, by what opens its runner.
        workers: ticks that an engine makes at the same time.
        capacity: the limits of an engine; not measured yet.
        patience_s: how long the process of an engine may be silent before its streams move.
        most: how many engines may start at the same time.
    """

    def __init__(
        self,
        places: StreamPlaces,
        choice: RunnerChoice,
        warm_up: Callable[[Callable[[int], Runner]], WarmUp],
        workers: int,
        capacity: Capacity,
        patience_s: float,
        most: int,
    ) -> None:
        self._places, self._choice = places, choice
        self._warm_up, self._workers, self._capacity = warm_up, workers, capacity
        self._patience_s = patience_s
        self._next = 0
        self._keepers: dict[Engine, Keeper] = {}
        # One more: a reload starts an engine beside the others.
        self._starts = ThreadPoolExecutor(most + 1, thread_name_prefix="start")
        self._starting: set[Future[None]] = set()

    def add(self, graph: Graph) -> Engine:
        """Adds an engine, which is not started yet."""
        number, self._next = self._next, self._next + 1
        closing = threading.Event()
        opener = partial(open_engine, graph, self._choice, number, self._workers, closing)
        warm_up, lock = self._warm_up(opener), self._places.lock
        engine = Engine(number, graph, warm_up, self._capacity, lock, closing)
        self._places.engines.append(engine)
        return engine

    async def start(self, engine: Engine) -> None:
        """Starts an engine that was added.

        Raises:
            Exception: those of `runners.api.open_runner`.
            StageFailed: a stage fails with the pipeline's default controls.
        """
        start = self._starts.submit(self._start, engine)
        self._starting.add(start)
        start.add_done_callback(self._starting.discard)
        await asyncio.wrap_future(start)

    async def remove(self, engine: Engine) -> None:
        """Closes an engine; its streams go on with others."""
        with self._places.lock:
            self._places.drain(engine)
            if engine in self._places.engines:
                self._places.engines.remove(engine)
                self._places.counts += engine.counts
        keeper = self._keepers.pop(engine, None)
        if keeper is not None:
            keeper.stop()
        await asyncio.to_thread(engine.close)

    def close(self) -> None:
        """Ends all engines; their streams have left."""
        self._starts.shutdown(wait=False, cancel_futures=True)
        keepers = list(self._keepers.values())
        for keeper in keepers:
            keeper.stop()
        for engine in self._places.engines:
            engine.close()
        # A thread that asks Ray for something after its shutdown would end this process.
        wait(list(self._starting), _LAST_WAIT_S)
        for keeper in keepers:
            keeper.join(_LAST_WAIT_S)

    def _start(self, engine: Engine) -> None:
        engine.start(self._lose)
        if isinstance(engine.runner, RemoteRunner):
            self._keepers[engine] = keeper = Keeper(engine, self._places, self._patience_s)
            keeper.start()
        with self._places.lock:
            self._places.gather()
        LOGGER.debug("engine %d is ready", engine.number)

    def _lose(self, engine: Engine, error: EngineLost) -> None:
        self._places.lose(engine, error)
        with suppress(KeyError):
            self._keepers[engine].look()


def report(start: asyncio.Future[None]) -> None:
    """Logs why an engine could not start, unless it was not wanted any more."""
    error = None if start.cancelled() else start.exception()
    if error is not None and not isinstance(error, EngineLost):
        LOGGER.warning("an engine cannot start: %s", error)
