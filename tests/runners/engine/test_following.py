"""When a stream's next chunk may begin while its last one is being made, and with what."""

import numpy as np
import pytest
from tone_graphs import tones

from soundstage.graph.state import initial
from soundstage.runners.engine.groups import Choice, Groups
from soundstage.runners.engine.row import StreamRow
from soundstage.runners.engine.schedule import Schedule


def schedule(needed_s, ahead_s=4.0):
    return Schedule(2.0, ahead_s, needed_s)


def in_place(groups, times):
    row = StreamRow(times, 3, {}, state_of_chunk_0(), lambda: None)
    row.playing = True
    groups.join(row)
    return row


def begin(row):
    row.in_flight = row.request(0, {})
    row.in_flight.begun = object()


def chosen(groups, now_s):
    choice = groups.choose(now_s, 0.1)
    rows = choice.group.following() if choice.follows else choice.group.wanting(now_s)
    return rows, choice.follows


def state_of_chunk_0():
    return initial(tones(), ["0"])


def test_chunk_that_follows_is_made_after_those_of_other_streams():
    late, later, fast = (schedule(12.0), schedule(13.0), schedule(None, ahead_s=None))
    groups = Groups.of(3, 1)
    rows = [in_place(groups, one) for one in (late, later, fast)]
    begin(rows[0])
    assert chosen(groups, 11.5) == ([rows[1]], False)
    begin(rows[1])
    assert chosen(groups, 11.5) == ([rows[0]], True)
    for row in rows[:2]:
        row.request_after(row.followable, 0, {})
    assert chosen(groups, 11.5) == ([rows[2]], False)


def test_chunk_that_follows_is_not_begun_before_it_is_wanted():
    groups = Groups.of(1, 1)
    row = in_place(groups, schedule(12.0))
    begin(row)
    assert groups.choose(9.25, 0.1) == Choice(None, 0.75)
    assert groups.choose(10.0, 0.1) == Choice(groups.all[0], follows=True)


@pytest.mark.parametrize(("max_unread", "unread", "follows"), [(1, 0, True), (1, 1, False)])
def test_one_chunk_ahead_allows_two_in_flight_if_none_is_unread(max_unread, unread, follows):
    row = StreamRow(Schedule(2.0, 2.0), max_unread, {}, state_of_chunk_0(), lambda: None)
    row.playing = True
    begin(row)
    row.unread.extend([(None, None)] * unread)
    assert (row.followable is row.in_flight) is follows


def test_chunk_that_follows_has_the_next_live_input():
    class Samples:
        def __init__(self):
            self.taken = 0

        def take(self):
            self.taken += 1
            return np.full(1, self.taken)

    silent = {"live": np.zeros(1)}
    row = StreamRow(Schedule(2.0, 2.0), 3, {"step": 1}, state_of_chunk_0(), lambda: None)
    row.playing, row.live_input = True, Samples()
    row.in_flight = row.request(0, silent)
    row.in_flight.begun = object()
    after = row.request_after(row.followable, 0, silent)
    assert (row.in_flight.controls["live"], after.controls["live"]) == (1, 2)
    assert (row.in_flight.chunk, after.chunk) == (0, 1)
    assert "live" not in after.steady


def test_chunk_that_follows_is_wanted_a_chunk_later_or_before_it_would_be_late():
    times = Schedule(2.0, 6.0)
    assert times.after_next_wanted_s(1.0) == float("inf")  # the first chunk is needed at once
    times.advance(10.0)
    assert (times.wanted_s, times.after_next_wanted_s(4.0)) == (6.0, 8.0)
    assert Schedule(2.0, None, 12.0).after_next_wanted_s(1.0) == float("inf")
    short = Schedule(2.0, 2.0, 12.0)
    assert [short.after_next_wanted_s(tick_s) for tick_s in (1.6, 2.0, 9.0)] == [12.0, 11.5, 10.0]
