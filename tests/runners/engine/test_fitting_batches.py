"""Ticks of as many rows as they need; the streams that need a chunk first go first."""

import asyncio

import pytest
from engines import Alone, play, read, sha_of, started, until
from tone_graphs import tones

from soundstage.runners.engine import warmup
from soundstage.runners.engine.capacity import Capacity
from soundstage.runners.engine.groups import Groups
from soundstage.runners.engine.load import LEAST, LearntLoad
from soundstage.runners.engine.row import StreamRow
from soundstage.runners.engine.schedule import Schedule
from soundstage.runners.engine.warmup import WarmUp


def row(needed_s, ahead_s=2.0):
    one = StreamRow(Schedule(2.0, ahead_s, needed_s), 1, {}, None, lambda: None)
    one.playing = True
    return one


def group_of(*rows, sizes):
    groups = Groups.of(8, 4, fits=True)
    for one in rows:
        groups.join(one)
    groups.all[0].sizes = sizes
    return groups.all[0]


def test_tick_takes_the_streams_that_need_a_chunk_first_and_waits_for_no_other():
    late, soon, rests, fast = row(13.0), row(12.0), row(99.0), row(None, ahead_s=None)
    group = group_of(late, fast, rests, soon, sizes=(1, 2))
    assert group.wanting(11.5) == [soon, late]
    group = group_of(late, fast, rests, soon, sizes=(1, 2, 4))
    assert group.wanting(11.5) == [soon, late, fast]
    assert group.start_s(lead_s=1.0) == 10.0  # when the first of them is wanted
    assert [group.size_for(count) for count in (1, 2, 3, 4)] == [1, 2, 4, 4]


def test_sizes_are_powers_of_two_up_to_the_batch():
    warm_up = WarmUp(lambda remembered: None, rows=12, batch=12, workers=1, fits=True)
    assert warm_up.sizes(12) == [1, 2, 4, 8, 12]
    assert (warm_up.grows(12), warm_up.grows(1)) == (True, False)


@pytest.fixture(scope="module")
def alone():
    alone = Alone(tones())
    with alone.runner:
        yield alone


def test_engine_is_ready_with_one_row_and_makes_the_bytes_of_streams_alone(alone):
    async def scenario():
        async with started(tones(seconds=0.01), rows=5, batch=4, fits=True) as fleet:
            (engine,) = fleet.engines
            await until(lambda: engine.sizes == (1, 2, 4))
            assert set(engine.capacity.cost_s) == {1, 2, 4}
            streams = [await fleet.join({"step": step + 1}, pace="fast") for step in range(5)]
            for stream in streams:
                await stream.play()
            chunks = await asyncio.gather(*(read(stream, 6) for stream in streams))
            assert max(chunk.rows for of_one in chunks for chunk in of_one) > 1
            for step, of_one in enumerate(chunks):
                assert sha_of(of_one) == alone.sha({"step": step + 1}, (6, {}))

    play(scenario())


def test_row_that_fails_in_a_tick_of_several_ends_alone(alone):
    async def scenario():
        async with started(tones(fails=77), rows=4, batch=4, fits=True) as fleet:
            await until(lambda: fleet.engines[0].sizes == (1, 2, 4))
            good, bad = [await fleet.join({"step": step}, pace="fast") for step in (5, 77)]
            with fleet.places.lock:
                await good.play()
                await bad.play()
            assert sha_of(await read(good, 4)) == alone.sha({"step": 5}, (4, {}))
            await until(lambda: fleet.counts().failed == 1)
            assert sha_of(await read(good, 2)) != ""

    play(scenario())


def test_sizes_that_a_device_has_no_room_for_are_left_out(monkeypatch):
    measure = WarmUp.measure_size

    def out_of_memory(self, runner, size):
        if size > 2:
            raise RuntimeError("out of memory")
        return measure(self, runner, size)

    monkeypatch.setattr(WarmUp, "measure_size", out_of_memory)

    async def scenario():
        async with started(tones(), rows=8, batch=8, fits=True) as fleet:
            await until(lambda: fleet.engines[0].sizes == (1, 2))
            stream = await fleet.join({}, pace="fast")
            await stream.play()
            await read(stream, 2)
            assert fleet.engines[0].sizes == (1, 2)

    play(scenario())


def test_chunk_may_have_to_wait_for_the_ticks_in_progress():
    """With two workers, a chunk takes three ticks at most, the last with a margin of 1.25."""
    capacity = Capacity(2.0, 64, {1: 0.6, 64: 0.7}, waits=2)
    assert capacity.realtime == 10  # 3.25 * (0.6 + 9 / 63 * 0.1) = 1.997
    assert capacity.spare(1) == pytest.approx(1 - 1.25 * 0.6 / 2)  # alone, it waits for none
    assert Capacity(2.0, 64, {1: 1.2, 64: 1.3}, waits=2).realtime == 1


def test_ticks_of_several_sizes_are_compared_with_their_own_times():
    """Streams that play at different times share no tick, and each tick takes as long as ever."""
    load = LearntLoad(Capacity(2.0, 64, {1: 0.2, 64: 0.4}))
    for spell in range(LEAST):
        for tick in range(10):  # back to back: another one is always in progress
            load.begin(spell * 2.0 + 0.2 * tick)
            if tick:
                load.end(spell * 2.0 + 0.2 * tick, 1, sized=True)
        load.end(spell * 2.0 + 2.0, 1, sized=True)
    assert load.learnt
    assert load.capacity.realtime == 64
    assert load.capacity.takes_s(64) == pytest.approx(0.4)


def test_small_ticks_are_measured_again_with_small_ticks(monkeypatch):
    """Their times correct those of all sizes, in proportion."""

    async def scenario():
        async with started(tones(), rows=4, batch=4, fits=True) as fleet:
            (engine,) = fleet.engines
            await until(lambda: engine.sizes == (1, 2, 4))
            measured = []

            def measure(runner, rows, batch, workers):
                measured.append((rows, batch))
                return {1: 0.1}

            monkeypatch.setattr(warmup, "_measure", measure)
            await asyncio.to_thread(engine.measure_again, 2)
            return measured

    assert play(scenario()) == [(1, 1)]
