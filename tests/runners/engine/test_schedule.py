"""When chunks are needed, which is made next, how many streams fit, which stage was slow."""

import asyncio
import math
import time

import pytest
from engines import paces_of, play, read, row_of, running, started, toy
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from soundstage.runners.engine.capacity import Capacity, measure
from soundstage.runners.engine.groups import Groups
from soundstage.runners.engine.refusals import Full
from soundstage.runners.engine.row import StreamRow
from soundstage.runners.engine.schedule import Schedule
from soundstage.runners.fleet.metrics import FleetMetrics

CHUNK_S = 2.0
TICK_S = 0.25


def schedule(ahead_s=CHUNK_S, needed_s=None, asked_s=0.0):
    return Schedule(CHUNK_S, ahead_s, needed_s, asked_s)


# ---- when chunks are needed


def test_first_chunk_is_needed_at_once_and_the_next_after_it():
    times = schedule()
    times.start(10.0)
    assert times.wanted_s == -math.inf
    assert times.advance(10.5) is None
    assert (times.wanted_s, times.needed_s) == (10.5, 12.5)
    assert times.advance(10.75) == 1.75
    assert (times.wanted_s, times.needed_s) == (12.5, 14.5)


@given(st.lists(st.floats(0.0, 5.0), min_size=2), st.floats(0.1, 6.0))
def test_late_chunk_delays_all_later_ones_and_no_other_does(takes_s, ahead_s):
    times, now_s, heard_s = schedule(ahead_s), 100.0, None
    for took_s in takes_s:
        now_s = max(now_s, times.wanted_s) + took_s
        slack_s = times.advance(now_s)
        # A player without a buffer plays the next chunk after this one, or silence before it.
        if heard_s is None:
            assert slack_s is None
            heard_s = now_s
        else:
            assert slack_s == pytest.approx(heard_s - now_s)
            heard_s = max(heard_s, now_s)
        heard_s += CHUNK_S
        assert times.needed_s == pytest.approx(heard_s)


def test_full_buffer_makes_no_chunk_late():
    times = schedule(needed_s=12.0)
    times.forgive(30.0)
    assert (times.wanted_s, times.needed_s) == (30.0, 32.0)
    times.forgive(29.0)
    assert times.needed_s == 32.0


def test_start_after_a_pause_is_like_the_first_unless_held():
    times = schedule(needed_s=12.0)
    times.stop(11.5, hold=True)
    times.start(20.0)
    assert times.needed_s == 20.5
    times.stop(20.25, hold=False)
    times.start(30.0)
    assert times.needed_s is None


def test_non_realtime_stream_is_never_late():
    times = schedule(ahead_s=None)
    assert times.advance(50.0) is None
    assert (times.wanted_s, times.deadline_s) == (-math.inf, math.inf)


# ---- which chunk is made next


def joined(batch, *schedules, rows=4):
    groups = Groups.of(rows, batch)
    streams = [StreamRow(times, 1, {}, None, lambda: None) for times in schedules]
    for row in streams:
        row.playing = True
        groups.join(row)
    return groups, streams


def chosen(groups, now_s=10.0):
    choice = groups.choose(now_s, TICK_S)
    return choice, [] if choice.group is None else choice.group.wanting(now_s)


def test_most_urgent_group_is_chosen():
    groups, rows = joined(1, schedule(needed_s=12.0), schedule(needed_s=11.0), schedule(None))
    assert chosen(groups)[1] == [rows[1]]
    rows[1].playing = False
    assert chosen(groups)[1] == [rows[0]]


def test_no_chunk_is_made_before_it_is_wanted():
    groups, _ = joined(1, schedule(needed_s=13.5), schedule(needed_s=12.5))
    choice, _ = chosen(groups)
    assert (choice.group, choice.wait_s) == (None, 0.5)


def test_started_stream_waits_for_a_more_urgent_one():
    groups, rows = joined(1, schedule(asked_s=9.9), schedule(needed_s=11.0))
    assert chosen(groups)[1] == [rows[1]]
    groups, rows = joined(1, schedule(asked_s=9.9), schedule(needed_s=12.0))
    assert chosen(groups)[1] == [rows[0]]


def test_non_realtime_streams_take_turns_between_realtime_ones():
    groups, rows = joined(1, schedule(needed_s=13.0), schedule(None), schedule(None))
    rows[1].last_served = 5
    choice, next_rows = chosen(groups)
    assert next_rows == [rows[2]]
    choice.group.ticks = 1
    assert chosen(groups)[0].group is None  # one at a time beside a realtime stream
    choice.group.ticks = 0
    rows[0].schedule.needed_s = 12.5
    rows[0].schedule.ahead_s = 0.5
    assert chosen(groups)[1] == [rows[2]]
    rows[0].schedule.needed_s = 10.6  # not wanted yet, but could be late after another tick
    assert chosen(groups)[0].group is None


def test_rows_of_a_tick_wait_for_each_other_unless_one_is_late():
    groups, rows = joined(2, schedule(needed_s=12.0), schedule(needed_s=13.0), rows=2)
    choice, _ = chosen(groups)
    assert (choice.group, choice.wait_s) == (None, 1.0)
    assert chosen(groups, 11.0)[1] == rows
    rows[0].schedule.needed_s = 10.5
    assert chosen(groups)[1] == [rows[0]]


def test_group_is_filled_before_another_is_used():
    groups, rows = joined(2, *[schedule() for _ in range(3)])
    assert [group.slots for group in groups.all] == [rows[:2], [rows[2], None]]
    groups.leave(rows[0])
    groups.leave(rows[0])
    assert list(groups.rows()) == rows[1:]
    assert groups.all[0].slots == [None, rows[1]]


# ---- how many fit


def test_capacity_leaves_a_fifth_of_the_time():
    capacity = Capacity(2.0, 8, {1: 0.5, 2: 0.9, 4: 1.6, 8: 3.0})
    assert capacity.realtime == 4
    assert [capacity.fits(streams, 2.0) for streams in (4, 5)] == [True, False]
    assert [capacity.fits(streams, 1.2) for streams in (2, 3)] == [True, False]
    assert Capacity(2.0, 3, {1: 0.1}).realtime == 3
    assert Capacity(2.0, 3, {1: 1.7}).realtime == 0


@pytest.mark.parametrize(
    ("present", "ahead_s", "reason"),
    [
        ((8, 1), 2.0, "all 8 slots are taken"),
        ((4, 4), 2.0, "each of 5 realtime.* would take 1.95 s and has to take at most 1.60 s"),
        ((4, 4), None, "each of 5 realtime"),
        ((2, 2), 0.4, "has to take at most 0.32 s"),
    ],
)
def test_stream_that_does_not_fit_is_full_with_a_reason(present, ahead_s, reason):
    capacity = Capacity(2.0, 8, {1: 0.5, 2: 0.9, 4: 1.6, 8: 3.0})
    with pytest.raises(Full, match=reason) as refusal:
        capacity.refuse(*present, ahead_s, math.inf)
    assert refusal.value.retry_after_s > 0


def test_non_realtime_streams_alone_are_refused_only_by_rows():
    Capacity(2.0, 8, {1: 10.0}).refuse(7, 0, None, math.inf)


def test_fixed_capacity_overrides_the_measurement():
    capacity = Capacity(2.0, 8, {1: 10.0}, fixed=2)
    assert capacity.realtime == 2
    capacity.refuse(1, 1, 2.0, math.inf)
    with pytest.raises(Full, match=r"2 realtime.* no more are allowed"):
        capacity.refuse(2, 2, 2.0, math.inf)


def test_stream_that_is_alone_fits_if_its_chunks_overlap():
    capacity = Capacity(2.0, 8, {1: 1.9, 2: 3.6}, alone_s=1.5)
    assert (capacity.realtime, capacity.problem) == (1, "")
    assert capacity.spare(1) == pytest.approx(1 - 1.5 * 1.25 / 2)
    # A chunk that has to be made within half its length cannot be begun before the last is made.
    assert not Capacity(2.0, 8, {1: 0.9}, alone_s=0.7).fits(1, 1.0)
    assert capacity.scaled(1.1).realtime == 0


def test_measurement_ends_where_chunks_take_too_long():
    calls = []

    def make(streams):
        calls.append(streams)
        time.sleep(0.06 * streams)

    cost_s = measure(make, 6, 0.2)
    assert calls == [1, 1, 1, 2, 2, 4]
    assert list(cost_s) == [1, 2, 4]
    assert cost_s[4] > 0.2 > cost_s[1] > 0.06


def test_short_chunks_are_measured_more_often():
    calls = []
    cost_s = measure(calls.append, 1, 0.04, longest_s=60.0)
    assert (calls, list(cost_s)) == ([1] * 12, [1])


def test_each_number_of_streams_is_measured_over_several_chunks():
    calls = []
    measure(calls.append, 6, 60.0)
    assert calls == [1, 1, 1, 2, 2, 4, 6]


# ---- a running engine


@pytest.fixture(scope="module")
def engine():
    graph = toy("sample.use=touchy_stages:TouchySample")
    with running(graph, rows=2) as engine:
        yield engine


def test_realtime_stream_is_at_most_its_buffer_ahead(engine):
    async def scenario():
        stream = await engine.join({}, buffer_chunks=2)
        await stream.play()
        times = []
        for _ in range(5):
            await anext(stream)
            times.append(time.monotonic())
        underruns = row_of(stream).underruns
        await stream.close()
        chunk_s = engine.graph.format.chunk_s
        for chunk, at_s in enumerate(times):
            assert at_s - times[0] >= (chunk - 2) * chunk_s - 0.05
        return underruns

    assert play(scenario()) == engine.counts().underruns


def test_slow_stage_is_reported_and_new_streams_are_refused(engine):
    async def scenario():
        before = engine.counts().underruns
        stream = await engine.join({})
        await stream.play()
        await read(stream, 2)
        stream.steer({"guidance": 77.0})
        chunks = [chunk for chunk in await read(stream, 3) if chunk.controls["guidance"] == 77.0]
        assert {chunk.late_stage for chunk in chunks[-2:]} == {"sample"}
        assert all(chunk.slack_s < 0 for chunk in chunks[-2:])
        counts = engine.counts()
        assert counts.underruns - before == row_of(stream).underruns == chunks[-1].underruns
        assert counts.late_stages["sample"] >= 2
        assert min(counts.slacks_s) < 0
        other = await engine.join({})
        with pytest.raises(Full, match="chunk of another stream was late 0 s ago"):
            await other.play()
        await other.close()
        await stream.close()

    play(scenario())


def test_stream_takes_a_slot_by_playing_and_frees_it_at_once_when_it_pauses_or_closes(engine):
    async def scenario():
        streams = [await engine.join({}, pace="fast") for _ in range(4)]
        first, second, third, fourth = streams
        await first.play()
        await second.play()
        with pytest.raises(Full, match="all 2 slots are taken"):
            await third.play()
        await first.close()
        await third.play()
        with pytest.raises(Full, match="all 2 slots are taken"):
            await fourth.play()
        third.pause()
        await fourth.play()
        await read(fourth, 1)
        await asyncio.gather(*(stream.close() for stream in streams))
        assert engine.streams == 0

    play(scenario())


def metrics_of(engine):
    registry = CollectorRegistry()
    registry.register(FleetMetrics(engine))
    return lambda name, **labels: registry.get_sample_value(f"soundstage_{name}", labels)


def test_counts_and_metrics_report_what_happened():
    async def scenario():
        async with started(toy(), rows=2) as engine:
            metric = metrics_of(engine)
            assert engine.ready
            assert metric("ready") == 1
            assert (
                engine.realtime == metric("capacity") == metric("engine_capacity", engine="0") == 2
            )
            assert list(engine.engines[0].capacity.cost_s) == [1, 2]
            assert engine.counts().ticks == 0
            assert (metric("rtf"), metric("slack_seconds")) == (None, None)
            fast, live = await engine.join({}, pace="fast"), await engine.join({})
            await fast.play()
            await live.play()
            third = await engine.join({})
            with pytest.raises(Full):
                await third.play()
            await third.close()
            await read(fast, 6)
            await read(live, 2)
            await fast.close()
            assert (engine.streams, engine.playing, paces_of(engine)) == (1, 1, ["realtime"])
            assert (metric("streams"), metric("streams_playing")) == (1, 1)
            counts = engine.counts()
            assert (counts.joined, counts.left, counts.refused) == (3, 2, 1)
            assert [metric(f"{name}_total") for name in ("joined", "left", "refused")] == [3, 2, 1]
            assert counts.chunks == metric("chunks_total") == 8
            assert 8 <= counts.ticks <= 11
            assert metric("rtf") > 0
            assert metric("overhead_seconds") > 0
            assert set(counts.stage_s) == set(engine.graph.nodes)
            assert counts.stage_s["decode"] > 0
            assert metric("stage_seconds_total", stage="decode") > 0

    play(scenario())
