"""Time: when chunks are needed, who is next, how many fit, who is to blame."""

import asyncio
import math
import time

import pytest
from engines import play, read, running, started, toy
from hypothesis import given
from hypothesis import strategies as st

from soundstage.runners.engine.capacity import Capacity, measure
from soundstage.runners.engine.groups import Groups
from soundstage.runners.engine.refusals import Full
from soundstage.runners.engine.row import StreamRow
from soundstage.runners.engine.schedule import Schedule

CHUNK_S = 2.0
TICK_S = 0.25


def schedule(ahead_s=CHUNK_S, needed_s=None, asked_s=0.0):
    return Schedule(CHUNK_S, ahead_s, needed_s, asked_s)


# ---- when chunks are needed


def test_the_first_chunk_is_needed_at_once_and_the_next_when_it_has_been_heard():
    times = schedule()
    times.start(10.0)
    assert times.wanted_s == -math.inf
    assert times.made(10.5) is None
    assert (times.wanted_s, times.needed_s) == (10.5, 12.5)
    assert times.made(10.75) == 1.75
    assert (times.wanted_s, times.needed_s) == (12.5, 14.5)


@given(st.lists(st.floats(0.0, 5.0), min_size=2), st.floats(0.1, 6.0))
def test_a_chunk_that_is_late_delays_all_behind_it_and_one_in_time_does_not(takes_s, ahead_s):
    times, now_s, heard_s = schedule(ahead_s), 100.0, None
    for took_s in takes_s:
        now_s = max(now_s, times.wanted_s) + took_s
        slack_s = times.made(now_s)
        # What a player with just this music does: the next chunk follows this one, or silence does.
        if heard_s is None:
            assert slack_s is None
            heard_s = now_s
        else:
            assert slack_s == pytest.approx(heard_s - now_s)
            heard_s = max(heard_s, now_s)
        heard_s += CHUNK_S
        assert times.needed_s == pytest.approx(heard_s)


def test_a_listener_that_held_the_stream_up_makes_nothing_late():
    times = schedule(needed_s=12.0)
    times.give_way(30.0)
    assert (times.wanted_s, times.needed_s) == (30.0, 32.0)
    times.give_way(29.0)
    assert times.needed_s == 32.0


def test_a_start_behind_a_pause_is_as_the_first_unless_the_music_was_held():
    times = schedule(needed_s=12.0)
    times.stop(11.5, hold=True)
    times.start(20.0)
    assert times.needed_s == 20.5
    times.stop(20.25, hold=False)
    times.start(30.0)
    assert times.needed_s is None


def test_a_fast_stream_is_never_late():
    times = schedule(ahead_s=None)
    assert times.made(50.0) is None
    assert (times.wanted_s, times.deadline_s) == (-math.inf, math.inf)


# ---- who is next


def seated(batch, *schedules, rows=4):
    groups = Groups.of(rows, batch)
    seats = [StreamRow(times, 1, {}, None, lambda: None) for times in schedules]
    for row in seats:
        row.playing = True
        groups.join(row)
    return groups, seats


def chosen(groups, now_s=10.0):
    choice = groups.choose(now_s, TICK_S)
    return choice, [] if choice.group is None else choice.group.wanting(now_s)


def test_of_those_whose_time_has_come_the_most_urgent_is_next():
    groups, rows = seated(1, schedule(needed_s=12.0), schedule(needed_s=11.0), schedule(None))
    assert chosen(groups)[1] == [rows[1]]
    rows[1].playing = False
    assert chosen(groups)[1] == [rows[0]]


def test_nothing_is_made_before_it_is_wanted():
    groups, _ = seated(1, schedule(needed_s=13.5), schedule(needed_s=12.5))
    choice, _ = chosen(groups)
    assert (choice.group, choice.wait_s) == (None, 0.5)


def test_who_starts_waits_for_listeners_whose_time_runs_out():
    groups, rows = seated(1, schedule(asked_s=9.9), schedule(needed_s=11.0))
    assert chosen(groups)[1] == [rows[1]]
    groups, rows = seated(1, schedule(asked_s=9.9), schedule(needed_s=12.0))
    assert chosen(groups)[1] == [rows[0]]


def test_fast_streams_take_turns_in_what_realtime_ones_leave():
    groups, rows = seated(1, schedule(needed_s=13.0), schedule(None), schedule(None))
    rows[1].served = 5
    choice, next_rows = chosen(groups)
    assert next_rows == [rows[2]]
    choice.group.busy = True
    assert chosen(groups)[0].group is None  # one at a time while somebody needs chunks
    choice.group.busy = False
    rows[0].schedule.needed_s = 12.5
    rows[0].schedule.ahead_s = 0.5
    assert chosen(groups)[1] == [rows[2]]
    rows[0].schedule.needed_s = 10.6  # not wanted yet, but it could come too late behind this one
    assert chosen(groups)[0].group is None


def test_rows_of_one_tick_wait_for_each_other_unless_one_would_be_late():
    groups, rows = seated(2, schedule(needed_s=12.0), schedule(needed_s=13.0), rows=2)
    choice, _ = chosen(groups)
    assert (choice.group, choice.wait_s) == (None, 1.0)
    assert chosen(groups, 11.0)[1] == rows
    rows[0].schedule.needed_s = 10.5
    assert chosen(groups)[1] == [rows[0]]


def test_a_full_group_is_filled_before_another_is_begun():
    groups, rows = seated(2, *[schedule() for _ in range(3)])
    assert [group.places for group in groups.all] == [rows[:2], [rows[2], None]]
    assert groups.leave(rows[0])
    assert not groups.leave(rows[0])
    assert groups.all[0].places == [None, rows[1]]


# ---- how many fit


def test_so_many_streams_fit_as_leave_a_fifth_of_the_time():
    capacity = Capacity(2.0, 8, {1: 0.5, 2: 0.9, 4: 1.6, 8: 3.0})
    assert capacity.realtime == 4
    assert [capacity.fits(streams, 2.0) for streams in (4, 5)] == [True, False]
    assert [capacity.fits(streams, 1.2) for streams in (2, 3)] == [True, False]
    assert Capacity(2.0, 3, {1: 0.1}).realtime == 3
    assert Capacity(2.0, 3, {1: 1.7}).realtime == 0


@pytest.mark.parametrize(
    ("there", "ahead_s", "said"),
    [
        ((8, 1), 2.0, "all 8 places are taken"),
        ((4, 4), 2.0, "each of 5 listener.* would take 1.95 s and has to take 1.60 s at most"),
        ((4, 4), None, "each of 5 listener"),
        ((2, 2), 0.4, "has to take 0.32 s at most"),
    ],
)
def test_who_does_not_fit_is_told_why_and_when_to_ask_again(there, ahead_s, said):
    capacity = Capacity(2.0, 8, {1: 0.5, 2: 0.9, 4: 1.6, 8: 3.0})
    with pytest.raises(Full, match=said) as refusal:
        capacity.refuse(*there, ahead_s, math.inf)
    assert refusal.value.retry_after_s > 0


def test_fast_streams_alone_are_never_too_many_for_the_time():
    Capacity(2.0, 8, {1: 10.0}).refuse(7, 0, None, math.inf)


def test_who_runs_the_machine_may_insist_on_a_number():
    capacity = Capacity(2.0, 8, {1: 10.0}, insisted=2)
    assert capacity.realtime == 2
    capacity.refuse(1, 1, 2.0, math.inf)
    with pytest.raises(Full, match=r"2 listener.* no more were allowed"):
        capacity.refuse(2, 2, 2.0, math.inf)


def test_measuring_ends_where_a_chunk_takes_longer_than_it_lasts():
    asked = []

    def make(streams):
        asked.append(streams)
        time.sleep(0.03 * streams)

    found = measure(make, 6, 0.1)
    assert asked == [1, 1, 1, 2, 2, 2, 4]
    assert list(found) == [1, 2, 4]
    assert found[4] > 0.1 > found[1] > 0.03


# ---- all of it, by the clock


@pytest.fixture(scope="module")
def engine():
    graph = toy("sample.use=touchy_stages:TouchySample")
    with running(graph, rows=2) as engine:
        yield engine


def test_a_realtime_stream_is_at_most_its_buffer_ahead_of_the_clock(engine):
    async def evening():
        stream = await engine.join({}, buffer_chunks=2)
        stream.play()
        times = []
        for _ in range(5):
            await anext(stream)
            times.append(time.monotonic())
        underruns = stream.underruns
        await stream.close()
        chunk_s = engine.graph.format.chunk_s
        for chunk, at_s in enumerate(times):
            assert at_s - times[0] >= (chunk - 2) * chunk_s - 0.05
        return underruns

    assert play(evening()) == engine.figures().underruns


def test_a_stage_that_is_slow_is_named_and_counted_and_nobody_is_let_in_for_a_while(engine):
    async def evening():
        before = engine.figures().underruns
        stream = await engine.join({})
        stream.play()
        await read(stream, 2)
        stream.steer({"guidance": 77.0})
        made = [chunk for chunk in await read(stream, 3) if chunk.controls["guidance"] == 77.0]
        assert {chunk.late_stage for chunk in made[-2:]} == {"sample"}
        assert all(chunk.slack_s < 0 for chunk in made[-2:])
        figures = engine.figures()
        assert figures.underruns - before == stream.underruns == made[-1].underruns
        assert figures.late_stages["sample"] >= 2
        assert figures.least_slack_s < 0
        with pytest.raises(Full, match="somebody's chunk was late 0 s ago"):
            await engine.join({})
        await stream.close()

    play(evening())


def test_a_place_is_free_as_soon_as_its_listener_has_left(engine):
    async def evening():
        streams = [await engine.join({}, pace="fast") for _ in range(2)]
        with pytest.raises(Full, match="all 2 places are taken"):
            await engine.join({}, pace="fast")
        await streams[0].close()
        streams.append(await engine.join({}, pace="fast"))
        await asyncio.gather(*(stream.close() for stream in streams))
        assert engine.figures().streams == 0

    play(evening())


def test_figures_count_what_has_happened():
    async def evening():
        async with started(toy(), rows=2) as engine:
            fresh = engine.figures()
            assert fresh.ready
            assert fresh.capacity == 2
            assert list(fresh.cost_s) == [1, 2]
            assert (fresh.ticks, fresh.rtf, fresh.slack_s) == (0, None, None)
            fast, live = await engine.join({}, pace="fast"), await engine.join({})
            with pytest.raises(Full):
                await engine.join({})
            fast.play()
            live.play()
            await read(fast, 6)
            await read(live, 2)
            await fast.close()
            figures = engine.figures()
            assert (figures.streams, figures.playing, figures.realtime, figures.fast) == (
                1,
                1,
                1,
                0,
            )
            assert (figures.joined, figures.left, figures.refused) == (2, 1, 1)
            assert figures.chunks == 8
            assert 8 <= figures.ticks <= 11
            assert figures.rtf > 0
            assert figures.overhead_s > 0
            assert set(figures.stage_s) == set(engine.graph.nodes)
            assert figures.stage_s["decode"] > 0

    play(evening())
