"""An engine that was started on a busy machine, and one on a machine too slow for realtime."""

import asyncio

import pytest
from engines import play, read, started, toy

from soundstage.runners.engine.capacity import Capacity
from soundstage.runners.engine.load import LEAST, RECENT, LearntLoad
from soundstage.runners.engine.refusals import Full

BUSY = {1: 9.0}
# Long chunks, of which a busy machine makes several in time.
LONG = "format.chunk_s=2.0"


def busy(fleet):
    """Makes a fleet's engine believe that it was measured while the machine was busy."""
    (engine,) = fleet.engines
    engine._load.remeasure(engine.capacity.measured(BUSY))
    assert fleet.realtime == 0


def test_stream_plays_after_the_machine_has_become_free():
    async def check():
        async with started(toy(LONG), rows=2, batch=1) as fleet:
            busy(fleet)
            assert "smaller preset" in fleet.problem
            streams = [await fleet.join({}), await fleet.join({})]
            await asyncio.gather(*(stream.play() for stream in streams))
            assert fleet.realtime == 2
            assert fleet.problem == ""
            for stream in streams:
                await stream.close()

    play(check())


def test_playing_streams_tell_what_a_stream_costs(monkeypatch):
    async def check():
        async with started(toy(LONG), rows=3, batch=1, workers=1) as fleet:
            busy(fleet)
            monkeypatch.setattr("soundstage.runners.engine.warmup._measure", None)
            first = await fleet.join({}, pace="fast")
            await first.play()
            await read(first, 3 * LEAST)
            assert fleet.realtime == 3
            second, third = await fleet.join({}), await fleet.join({})
            await second.play()
            await third.play()
            for stream in (first, second, third):
                await stream.close()

    play(check())


def test_machine_too_slow_for_realtime_is_named_with_the_cure(monkeypatch):
    measured = []

    def measure(*_):
        measured.append(1)
        return {1: 3.0, 2: 6.0}

    async def check():
        async with started(toy(), rows=2, batch=1) as fleet:
            busy(fleet)
            monkeypatch.setattr("soundstage.runners.engine.warmup._measure", measure)
            realtime = await fleet.join({})
            for _ in range(3):
                with pytest.raises(Full) as caught:
                    await realtime.play()
                assert "too slow for realtime" in caught.value.reason
                assert "smaller preset, or pace fast" in caught.value.reason
            # Not once for each attempt.
            assert len(measured) == 1
            await realtime.close()
            stream = await fleet.join({}, pace="fast")
            await stream.play()
            await read(stream, 2)
            await stream.close()

    play(check())


def test_fixed_capacity_is_not_measured_again(monkeypatch):
    async def check():
        async with started(toy(), rows=3, batch=1, capacity=1) as fleet:
            monkeypatch.setattr("soundstage.runners.engine.warmup._measure", None)
            streams = [await fleet.join({}), await fleet.join({})]
            await streams[0].play()
            with pytest.raises(Full, match="no more are allowed"):
                await streams[1].play()
            for stream in streams:
                await stream.close()

    play(check())


def spells(load, start_s, count, took_s, ticks=1):
    """Adds spells of work in each of which all ticks begin together."""
    for spell in range(count):
        at_s = start_s + 10.0 * spell
        for _ in range(ticks):
            load.begin(at_s)
        for _ in range(ticks):
            load.end(at_s + took_s, 1)


def test_capacity_falls_and_rises_with_what_ticks_cost():
    load = LearntLoad(Capacity(2.0, 8, {1: 0.2, 2: 0.4, 4: 0.8}))
    assert load.capacity.realtime == 8
    spells(load, 0.0, LEAST - 1, 0.6)
    assert load.capacity.realtime == 8  # too few to tell
    spells(load, 100.0, 1, 0.6)
    assert load.capacity.takes_s(1) == pytest.approx(0.6)
    assert load.capacity.realtime == 2
    spells(load, 200.0, RECENT, 0.2, ticks=2)
    assert load.capacity.takes_s(4) == pytest.approx(0.4)
    assert load.capacity.realtime == 8


def test_tick_that_failed_tells_nothing_about_its_spell():
    load = LearntLoad(Capacity(2.0, 8, {1: 0.2}))
    for at_s in range(LEAST):
        load.begin(float(at_s))
        load.begin(float(at_s))
        load.end(at_s + 0.01, 0)
        load.end(at_s + 0.5, 1)
    assert not load.learnt


def test_later_measurements_scale_those_of_more_streams():
    before = Capacity(2.0, 8, {1: 4.0, 2: 7.0, 4: 13.0})
    after = before.measured_again({1: 0.4, 2: 0.7})
    assert after.cost_s == {1: 0.4, 2: 0.7, 4: pytest.approx(1.3)}
    assert after.realtime == 5
    assert Capacity(2.0, 8, {}).measured_again({1: 0.1}).realtime == 8
