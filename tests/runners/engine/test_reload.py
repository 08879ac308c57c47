"""A new pipeline beside the old one: streams go on with it, or end with a reason, or stay."""

import asyncio
import threading

import pytest
from engines import Alone, play, read, started, until
from tone_graphs import tones

from soundstage.runners.engine.refusals import StreamFailed
from soundstage.runners.engine.warmup import WarmUp
from soundstage.runners.fleet.reload import NotReloaded, reload

OFFSET = 1000


def noise(graph, count):
    alone = Alone(graph)
    with alone.runner:
        return [audio.tobytes() for audio in alone.chunks({"step": 3}, (count, {}))]


def test_streams_go_on_with_the_new_pipeline_from_their_state():
    old, new = tones(), tones(offset=OFFSET)

    async def scenario():
        async with started(old, rows=4) as fleet:
            stream, paused = [await fleet.join({"step": 3}, pace="fast") for _ in range(2)]
            await stream.play()
            chunks = await read(stream, 3)
            await reload(fleet, new)
            assert [engine.number for engine in fleet.engines] == [1]
            assert fleet.places.moves["reloaded"] == 1
            chunks += await read(stream, 5)
            await paused.play()
            fresh = [chunk.audio.tobytes() for chunk in await read(paused, 2)]
            saved = stream.save()
            again = await fleet.join({}, pace="fast", session=saved)
            await again.play()
            return chunks, fresh, await read(again, 1)

    chunks, fresh, again = play(scenario())
    assert [chunk.chunk for chunk in chunks] == list(range(8))
    audio = [chunk.audio.tobytes() for chunk in chunks]
    before, after = noise(old, 8), noise(new, 9)
    first = next(index for index in range(8) if audio[index] != before[index])
    assert 3 <= first <= 5  # what was made ahead is played
    assert audio[first:] == after[first:8]
    assert fresh == after[:2]
    assert [chunk.audio.tobytes() for chunk in again] == after[8:]


def test_streams_move_when_the_new_engine_has_all_sizes_of_ticks(monkeypatch):
    """Its first is of one row, and would make the streams of a whole engine late."""
    may_grow, measure = threading.Event(), WarmUp.measure_size

    def measure_when_allowed(self, runner, size):
        may_grow.wait()
        return measure(self, runner, size)

    async def scenario():
        async with started(tones(), rows=4, batch=4, fits=True) as fleet:
            (old,) = fleet.engines
            await until(lambda: old.sizes == (1, 2, 4))
            stream = await fleet.join({"step": 3}, pace="fast")
            await stream.play()
            monkeypatch.setattr(WarmUp, "measure_size", measure_when_allowed)
            reloading = asyncio.create_task(reload(fleet, tones(offset=OFFSET)))
            await until(lambda: fleet.engines[-1].ready and fleet.engines[-1] is not old)
            new = fleet.engines[-1]
            await asyncio.wait({reloading}, timeout=0.2)
            assert (new.sizes, fleet.places.moves.total()) == ((1,), 0)
            may_grow.set()
            await reloading
            assert (new.sizes, fleet.places.moves["reloaded"]) == ((1, 2, 4), 1)
            await read(stream, 3)

    play(scenario())


def test_stream_whose_state_does_not_fit_ends_with_a_reason_and_new_ones_play():
    async def scenario():
        async with started(tones(), rows=4) as fleet:
            stream = await fleet.join({}, pace="fast")
            await stream.play()
            await read(stream, 1)
            await reload(fleet, tones(count="other"))
            with pytest.raises(StreamFailed, match=r"changed: the state of count\.sum, other\.sum"):
                await read(stream, 3)
            stream = await fleet.join({}, pace="fast")
            await stream.play()
            await read(stream, 1)

    play(scenario())


def test_pipeline_that_cannot_start_is_rolled_back():
    async def scenario():
        async with started(tones(), rows=4) as fleet:
            (engine,) = fleet.engines
            stream = await fleet.join({}, pace="fast")
            await stream.play()
            chunks = await read(stream, 2)
            fails = tones(fails=1)  # at its first chunk, with the default controls
            with pytest.raises(NotReloaded, match=r"failed at chunk 0.*the old pipeline goes on"):
                await reload(fleet, fails)
            with pytest.raises(NotReloaded, match=r"format\.chunk_s is 0.8 and was 0.4"):
                await reload(fleet, tones(chunk_s=0.8))
            assert fleet.engines == [engine]
            chunks += await read(stream, 3)
            assert [chunk.chunk for chunk in chunks] == list(range(5))

    play(scenario())
