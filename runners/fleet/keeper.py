"""Watches an engine in another process: finds that it died or hangs, and replaces it."""

from __future__ import annotations

import logging
import threading
import time

from soundstage.runners.engine.engine import Engine, RemoteRunner
from soundstage.runners.engine.refusals import EngineLost, Full
from soundstage.runners.fleet.places import StreamPlaces

LOGGER = logging.getLogger("soundstage.serve")

# A process that does not answer may go on within this time; then it is ended and replaced.
GRACE_S = 10.0
# A tick is overdue after so many times the usual one, and after the patience at least.
OVERDUE = 6.0
# If there is no other engine, or less than so many ticks tell the usual time: after this time.
HANGING_S, LEAST_TICKS = 60.0, 5
RETRY_S = 5.0


class Keeper:
    """A thread that asks an engine's process whether it lives, and revives it if it does not.

    Args:
        engine: an engine whose runner is a `RemoteRunner`; warm.
        places: the slots of all engines.
        patience_s: how long the process may be silent before its streams move to other engines.
    """

    def __init__(self, engine: Engine, places: StreamPlaces, patience_s: float) -> None:
        self._engine, self._places, self._patience_s = engine, places, patience_s
        self._runner = engine.runner
        self._look, self._stopping = threading.Event(), False
        name = f"keeper-{engine.number}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def look(self) -> None:
        """Looks at once whether the engine is alive."""
        self._look.set()

    def stop(self) -> None:
        """Looks no more."""
        self._stopping = True
        self._look.set()

    def join(self, timeout_s: float) -> None:
        """Waits until the thread has ended, which the end of its engine's process hastens."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping:
            self._look.wait(self._patience_s / 2)
            self._look.clear()
            try:
                if self._engine.alive and not self._stopping:
                    self._check()
                if not self._engine.alive and not self._stopping:
                    self._recover()
            except Full:  # it was closed meanwhile
                return

    def _check(self) -> None:
        """Takes the streams away from an engine that does not answer."""
        try:
            problem = self._problem()
        except EngineLost as error:
            problem = error.reason
        if problem:
            with self._places.lock:
                self._places.lose(self._engine, EngineLost(problem))

    def _problem(self) -> str:
        """Returns why the engine cannot make chunks in time; "" = it can.

        Raises:
            EngineLost: its process is dead.
        """
        assert isinstance(self._runner, RemoteRunner)
        if not self._runner.answers(self._patience_s):
            return f"its process has not answered for {self._patience_s:g} s"
        with self._places.lock:
            workers = self._engine.workers
            longest_s = workers.longest_s(time.monotonic())
            alone = not any(one.ready for one in self._places.engines if one is not self._engine)
            unknown = len(self._engine.counts.ticks_s) < LEAST_TICKS
            usual_s = max(self._patience_s, OVERDUE * workers.tick_s)
            limit_s = HANGING_S if alone or unknown else usual_s
        return f"a tick has taken {longest_s:.1f} s" if longest_s > limit_s else ""

    def _recover(self) -> None:
        """Waits until the engine can make chunks again; replaces its process if need be."""
        lost_s = time.monotonic()
        if not self._answers_again(lost_s + GRACE_S):
            self._revive()
        if self._stopping:
            return
        with self._places.lock:
            self._engine.resume()
            self._places.gather()
        LOGGER.info("engine %d is back", self._engine.number)

    def _answers_again(self, until_s: float) -> bool:
        try:
            while not self._stopping and time.monotonic() < until_s:
                if not self._problem():
                    return True
                time.sleep(self._patience_s / 2)
        except EngineLost:
            pass
        return False

    def _revive(self) -> None:
        told = ""
        while not self._stopping:
            try:
                self._engine.revive()
                return
            # Any error of a stage's constructor: the cause may be mended while others play.
            except Exception as error:
                if str(error) != told:
                    LOGGER.warning("engine %d cannot start: %s", self._engine.number, error)
                told = str(error)
                time.sleep(RETRY_S)
