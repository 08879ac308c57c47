"""The number of engines follows the time that is left, between a least and a most."""

import pytest
from engines import Alone, play, read, sha_of, started, until
from tone_graphs import tones

from soundstage.errors import UsageError
from soundstage.runners.choice import EngineRange
from soundstage.runners.engine import warmup
from soundstage.runners.engine.refusals import Full
from soundstage.runners.fleet.scaling import PAUSE_S, REMOVE_AFTER_S, Demand, Scaler

# Two realtime streams fit on an engine: with the margin of 1.25, two chunks take 27.5 s of 30 s.
CHUNK_S, COST_S = 30.0, {1: 11.0, 2: 22.0, 4: 44.0}


@pytest.fixture
def graph(monkeypatch):
    monkeypatch.setattr(warmup, "_measure", lambda *_: COST_S)
    return tones(chunk_s=CHUNK_S)


@pytest.mark.parametrize(
    ("demand", "step"),
    [
        (Demand(1, 0, 1.0, True, False), 0),
        (Demand(1, 0, 0.2, True, False), 1),  # little time is left
        (Demand(2, 0, 0.5, False, False), 1),  # nothing fits on any
        (Demand(1, 0, 0.5, True, True), 1),  # a listener waits
        (Demand(2, 1, 0.0, False, True), 0),  # one starts already
        (Demand(2, 1, -0.9, False, True), 1),  # which will not do
        (Demand(3, 0, -0.9, False, True), 0),  # there may be no more
        (Demand(0, 0, 0.0, False, False), 1),  # fewer than the least
    ],
)
def test_engine_is_added_when_a_listener_would_be_refused(demand, step):
    assert Scaler(None, None, EngineRange(1, 3)).step(demand, 0.0) == step


def test_engine_is_removed_after_a_minute_in_which_fewer_would_do():
    scaler, roomy = Scaler(None, None, EngineRange(1, 3)), Demand(2, 0, 1.5, True, False)
    assert scaler.step(roomy, 0.0) == 0
    assert scaler.step(Demand(2, 0, 1.4, True, False), REMOVE_AFTER_S / 2) == 0  # begins again
    assert scaler.step(roomy, REMOVE_AFTER_S) == 0
    assert scaler.step(roomy, 2 * REMOVE_AFTER_S - 1) == 0
    assert scaler.step(roomy, 2 * REMOVE_AFTER_S) == -1
    alone = Demand(1, 0, 1.5, True, False)
    assert {scaler.step(alone, second) for second in (200.0, 300.0)} == {0}


@pytest.mark.parametrize(
    ("text", "limits"), [("4", EngineRange(4, 4)), ("2..8", EngineRange(2, 8))]
)
def test_range_of_engines_is_read_and_written(text, limits):
    assert EngineRange.read(text) == limits
    assert str(limits) == text


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "1.5", "8..2", "..3", "3..", "1..9999"])
def test_other_words_are_no_range_of_engines(text):
    with pytest.raises(UsageError, match=f"--engines {text}: give a number"):
        EngineRange.read(text)


async def playing(fleet, step, **options):
    stream = await fleet.join({"step": step}, **options)
    await stream.play()
    return stream


def test_engines_come_and_go_with_the_listeners_whose_bytes_stay(graph):
    async def scenario():
        async with started(graph, rows=16) as fleet:
            scaler = Scaler(fleet.places, fleet.roster, EngineRange(1, 3))

            async def look(now_s):
                await scaler.look(graph, now_s)
                await until(lambda: not scaler.starting)
                return len(fleet.engines)

            assert await look(0.0) == 1
            listeners = [await playing(fleet, step) for step in (1, 2)]
            with pytest.raises(Full, match="has to take at most"):
                await playing(fleet, 3)
            assert await look(1.0) == 2
            assert await look(2.0) == 2
            listeners += [await playing(fleet, step) for step in (3, 4)]
            assert [len(engine.rows()) for engine in fleet.engines] == [2, 2]
            assert await look(3.0) == 3
            fast = await playing(fleet, 7, pace="fast")
            listeners += [await playing(fleet, step) for step in (5, 6)]
            assert await look(4.0) == 3
            for place in (5, 3, 1):
                await listeners[place].close()
            assert await look(10.0) == 3
            removed = max(fleet.engines, key=lambda one: one.number)
            moves, ticks = len(removed.rows()), fleet.counts().ticks
            assert await look(10.0 + REMOVE_AFTER_S) == 2
            assert removed not in fleet.engines
            assert fleet.places.moves["drained"] == moves
            assert (scaler.added, scaler.removed) == (2, 1)
            assert fleet.counts().ticks >= ticks  # those of the removed engine count on
            rest = [await read(stream, 1) for stream in (listeners[0], listeners[2], listeners[4])]
            return await read(fast, 6), rest

    fast, rest = play(scenario())
    alone = Alone(graph)
    with alone.runner:
        assert sha_of(fast) == alone.sha({"step": 7}, (6, {}))
        for step, chunks in zip((1, 3, 5), rest, strict=True):
            assert sha_of(chunks) == alone.sha({"step": step}, (1, {}))


def test_engine_that_cannot_start_is_one_line_and_is_tried_again_later(graph, caplog):
    fails = tones(chunk_s=CHUNK_S, fails=1)  # at its first chunk, with the default controls

    async def scenario():
        async with started(graph, rows=4) as fleet:
            scaler = Scaler(fleet.places, fleet.roster, EngineRange(2, 2))
            stream = await playing(fleet, 3, pace="fast")
            for now_s, tried in ((0.0, 1), (PAUSE_S - 1, 1), (PAUSE_S, 2)):
                await scaler.look(fails, now_s)
                await until(lambda: not scaler.starting)
                assert scaler.added == tried
            await scaler.look(graph, 2 * PAUSE_S)
            await until(lambda: not scaler.starting)
            assert [engine.ready for engine in fleet.engines] == [True, True]
            return await read(stream, 4)

    chunks = play(scenario())
    warnings = [record.getMessage() for record in caplog.records]
    expected = "an engine cannot start: stage 'tone' failed at chunk 0: RuntimeError: a row has the"
    assert [line.startswith(expected) for line in warnings] == [True, True]
    alone = Alone(graph)
    with alone.runner:
        assert sha_of(chunks) == alone.sha({"step": 3}, (4, {}))
