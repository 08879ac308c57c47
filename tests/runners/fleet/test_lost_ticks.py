"""Streams of a lost engine go on: those that had moved before, and those that wait for another."""

import asyncio
import threading
import time

import pytest
from engines import Alone, play, read, row_of, sha_of, started, until
from tone_graphs import tones

from soundstage.runners.engine.refusals import EngineLost
from soundstage.runners.fleet import roster


class HangingTicks:
    """Stands in for the ticks of an engine whose process hangs."""

    overlap = False

    def __init__(self):
        self.over = threading.Event()

    def make(self, group, requests):
        self.over.wait()
        raise EngineLost("its process died")


def on_two_engines(scenario):
    """Runs a scenario on a fleet whose first engine hangs in the tick of a stream."""
    graph, ticks = tones(), HangingTicks()

    async def run():
        async with started(graph, rows=4) as fleet:
            first = fleet.engines[0]
            first.workers._ticks = ticks
            stream = await fleet.join({"step": 3}, pace="fast")
            await stream.play()
            await until(lambda: row_of(stream).in_flight is not None)
            second = fleet.roster.add(graph)
            await fleet.roster.start(second)
            with fleet.places.lock:
                assert fleet.places.drain(first) == 0
            assert second.rows() == [row_of(stream)]
            # Its thread has seen that the stream's tick is still made elsewhere, and waits.
            await until(lambda: second.workers.changed._waiters)
            try:
                scenario(fleet, first, ticks)
                return await read(stream, 3)
            finally:
                ticks.over.set()

    chunks = play(run())
    alone = Alone(graph)
    with alone.runner:
        assert sha_of(chunks) == alone.sha({"step": 3}, (3, {}))


def test_stream_that_has_moved_goes_on_when_its_former_engine_is_found_lost():
    def lose(fleet, first, ticks):
        with fleet.places.lock:
            fleet.places.lose(first, EngineLost("it does not answer"))

    on_two_engines(lose)


def test_stream_that_has_moved_goes_on_when_its_tick_ends_with_the_process():
    on_two_engines(lambda fleet, first, ticks: ticks.over.set())


@pytest.mark.parametrize("removed", [False, True])
def test_stream_that_waits_for_an_engine_goes_on_with_the_next_one_that_is_ready(removed):
    graph = tones()

    async def run():
        async with started(graph, rows=4) as fleet:
            (first,) = fleet.engines
            stream = await fleet.join({"step": 3}, pace="fast")
            await stream.play()
            chunks = await read(stream, 2)
            with fleet.places.lock:
                fleet.places.lose(first, EngineLost("its process died"))
            if removed:
                await fleet.roster.remove(first)
            await fleet.roster.start(fleet.roster.add(graph))
            return chunks + await read(stream, 4)

    chunks = play(run())
    alone = Alone(graph)
    with alone.runner:
        assert sha_of(chunks) == alone.sha({"step": 3}, (6, {}))


def test_closing_waits_for_an_engine_that_starts(monkeypatch):
    """Its thread would ask Ray after the end of the connection, which ends the process."""
    opens, ended = threading.Event(), []

    def opening(graph, choice, number, workers, closing, remembered):
        opens.set()
        closing.wait()
        time.sleep(0.1)
        ended.append(number)
        raise EngineLost("it was closed before it was ready")

    async def run():
        async with started(tones(), rows=4) as fleet:
            monkeypatch.setattr(roster, "open_engine", opening)
            start = asyncio.create_task(fleet.roster.start(fleet.roster.add(fleet.graph)))
            await until(opens.is_set)
        assert ended == [1]
        with pytest.raises(EngineLost):
            await start

    play(run())
