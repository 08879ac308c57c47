"""Ticks of as many rows as they need; the streams that need a chunk first go first."""

import asyncio

import pytest
from engines import Alone, play, read, sha_of, started, until
from tone_graphs import tones

from soundstage.runners.engine.groups import Groups
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
