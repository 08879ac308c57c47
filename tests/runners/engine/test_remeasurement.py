"""An engine that was started on a busy machine, and one on a machine too slow for realtime."""

import asyncio

import pytest
from engines import play, read, started, toy, until

from soundstage.runners.engine.capacity import Capacity
from soundstage.runners.engine.refusals import Full

BUSY = {1: 9.0}
# Long chunks, of which a busy machine makes several in time.
LONG = "format.chunk_s=2.0"


def busy(engine):
    """Makes an engine believe that it was measured while the machine was busy."""
    engine.capacity = engine.capacity.measured(BUSY)
    assert engine.capacity.realtime == 0


def test_stream_is_accepted_after_the_machine_has_become_free():
    async def check():
        async with started(toy(LONG), rows=2, batch=1) as engine:
            busy(engine)
            assert "smaller preset" in engine.capacity.problem
            streams = await asyncio.gather(engine.join({}), engine.join({}))
            assert engine.capacity.realtime == 2
            assert engine.capacity.problem == ""
            for stream in streams:
                await stream.close()

    play(check())


def test_playing_streams_tell_what_a_stream_costs(monkeypatch):
    async def check():
        async with started(toy(LONG), rows=3, batch=1, workers=1) as engine:
            first = await engine.join({}, pace="fast")
            first.play()
            await read(first, 8)
            engine.capacity = engine.capacity.measured({1: 1.5})
            assert engine.capacity.realtime == 1
            monkeypatch.setattr("soundstage.runners.engine.warmup._measure", None)
            second, third = await engine.join({}), await engine.join({})
            assert engine.capacity.realtime == 3
            for stream in (first, second, third):
                await stream.close()

    play(check())


def test_machine_too_slow_for_realtime_is_named_with_the_cure(monkeypatch):
    measured = []

    def measure(*_):
        measured.append(1)
        return {1: 3.0, 2: 6.0}

    async def check():
        async with started(toy(), rows=2, batch=1) as engine:
            busy(engine)
            monkeypatch.setattr("soundstage.runners.engine.warmup._measure", measure)
            for _ in range(3):
                with pytest.raises(Full) as caught:
                    await engine.join({})
                assert "too slow for realtime" in caught.value.reason
                assert "smaller preset, or pace fast" in caught.value.reason
            # Not once for each client.
            assert len(measured) == 1
            stream = await engine.join({}, pace="fast")
            stream.play()
            await read(stream, 2)
            await stream.close()

    play(check())


def test_fixed_capacity_is_not_measured_again(monkeypatch):
    async def check():
        async with started(toy(), rows=3, batch=1, capacity=1) as engine:
            monkeypatch.setattr("soundstage.runners.engine.warmup._measure", None)
            stream = await engine.join({})
            with pytest.raises(Full, match="no more are allowed"):
                await engine.join({})
            await stream.close()

    play(check())


def test_only_ticks_without_others_tell_what_a_tick_costs():
    async def check():
        async with started(toy(), rows=2, batch=1, workers=2) as engine:
            workers = engine._workers
            assert workers.alone_s(1) is None
            stream = await engine.join({}, pace="fast")
            stream.play()
            await read(stream, 6)
            await until(lambda: workers.alone_s(5) is not None)
            assert 0 < workers.alone_s(5) < 60
            await stream.close()

    play(check())


def test_later_measurements_scale_those_of_more_streams():
    before = Capacity(2.0, 8, {1: 4.0, 2: 7.0, 4: 13.0})
    after = before.measured_again({1: 0.4, 2: 0.7})
    assert after.cost_s == {1: 0.4, 2: 0.7, 4: pytest.approx(1.3)}
    assert after.realtime == 5
    assert Capacity(2.0, 8, {}).measured_again({1: 0.1}).realtime == 8
