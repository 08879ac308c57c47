"""Two chunks of one stream in flight: the next one begins while a stage of the last one runs."""

import asyncio
import threading
import time
import weakref
from contextlib import asynccontextmanager

import numpy as np
import pytest
from command_line import run, told
from engines import Alone, is_idle, play, read, row_of, sha_of, started, until
from tone_graphs import tones

from soundstage.runners.api import load
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.engine.refusals import EngineLost, StreamFailed

# So long that no chunk is late while a test holds it.
CHUNK_S = 30.0
ONE, OTHER = {"step": 1}, {"step": 100}


class HeldStage:
    """Stands in for a built stage, and holds some of its calls until they are released.

    Attributes:
        made: the numbers that it was called with, or that came out of it, in order.
    """

    def __init__(self, stage, name):
        self._stage, self._name = stage, name
        self._gates, self.made = {}, []

    def hold(self, number):
        self._gates[number] = threading.Event()

    def release(self):
        for gate in self._gates.values():
            gate.set()

    def __call__(self, **inputs):
        number = int(inputs["a"][0] if self._name == "tone" else inputs["a"][0] + inputs["b"][0])
        self.made.append(number)
        if number in self._gates:
            self._gates[number].wait()
        return self._stage(**inputs)


class NeverQuick(list):
    """What a stage notes of its last call: a held one never shares a thread with others."""

    def __setitem__(self, replica, quick):
        pass


class Held:
    """A fleet of one engine, whose stages `count` and `tone` are held by hand.

    With steps of 1, chunk n has the number n + 1. The tone of chunk 1 is held.
    """

    def __init__(self, fleet):
        self.fleet = fleet
        self.count, self.tone = (self._stand_in(name) for name in ("count", "tone"))
        self.tone.hold(2)

    def _stand_in(self, name):
        runner = self.fleet.engines[0].runner
        runner._stages[name].quick = NeverQuick([False])
        (host,) = runner.hosts[name]
        host.stage = held = HeldStage(host.stage, name)
        return held

    async def play(self, **options):
        """Plays a stream, and reads its first chunk."""
        options = {"buffer_chunks": 6, **options}
        self.stream = await self.fleet.join(ONE, **options)
        await self.stream.play()
        return await read(self.stream, 1)

    async def overlap(self, **options):
        """Plays a stream until chunk 2 is counted, while the tone of chunk 1 is held."""
        first = await self.play(**options)
        await until(lambda: 3 in self.count.made and 2 in self.tone.made)
        await until(lambda: row_of(self.stream).in_flight.follower.begun)
        return first


@asynccontextmanager
async def held(graph=None, window=None):
    choice = RunnerChoice(window=window)
    async with started(graph or tones(CHUNK_S), rows=4, runner=choice) as fleet:
        one = Held(fleet)
        try:
            yield one
        finally:
            one.tone.release()


def bytes_of(*parts, graph=None):
    alone = Alone(graph or tones(CHUNK_S))
    with alone.runner:
        return alone.sha(ONE, *parts)


def test_next_chunk_begins_while_a_stage_of_the_last_is_held():
    async def scenario():
        async with held() as one:
            chunks = await one.overlap()
            request = row_of(one.stream).in_flight
            assert (request.chunk, request.follower.chunk) == (1, 2)
            # No third chunk: it would have to wait for the first of the two.
            assert row_of(one.stream).followable is None
            tick = weakref.ref(request.begun)
            del request
            one.tone.release()
            chunks += await read(one.stream, 4)
            assert [chunk.chunk for chunk in chunks] == list(range(5))
            assert one.fleet.counts().dropped == 0
            assert tick() is None
            return sha_of(chunks)

    assert play(scenario()) == bytes_of((5, {}))


@pytest.mark.parametrize(
    ("window", "options"),
    [
        (1, {}),
        (2, {"pace": "fast"}),
        # The next chunk is not wanted before the last one is needed.
        (2, {"buffer_chunks": 1}),
    ],
    ids=["window 1", "non-realtime", "not wanted yet"],
)
def test_chunk_waits_for_the_last_one_otherwise(window, options):
    async def scenario():
        async with held(window=window) as one:
            await one.play(**options)
            await until(lambda: 2 in one.tone.made)
            with one.fleet.places.lock:
                choice = one.fleet.engines[0].workers.groups.choose(time.monotonic(), 0.1)
            assert choice.group is None
            assert one.count.made[-1] == 2

    play(scenario())


def test_steer_with_two_chunks_in_flight_holds_from_the_third():
    async def scenario():
        async with held() as one:
            chunks = await one.overlap()
            one.stream.steer(OTHER)
            one.tone.release()
            chunks += await read(one.stream, 4)
            assert [chunk.steer for chunk in chunks] == [0, 0, 0, 1, 1]
            return sha_of(chunks)

    assert play(scenario()) == bytes_of((3, OTHER), (2, {}))


def test_steer_again_drops_both_chunks_in_flight():
    async def scenario():
        async with held() as one:
            chunks = await one.overlap()
            one.stream.steer(OTHER, again=True)
            one.tone.release()
            chunks += await read(one.stream, 4)
            assert [chunk.chunk for chunk in chunks] == list(range(5))
            assert [chunk.steer for chunk in chunks] == [0, 1, 1, 1, 1]
            return sha_of(chunks)

    assert play(scenario()) == bytes_of((1, OTHER), (4, {}))


def test_reset_drops_both_chunks_in_flight():
    async def scenario():
        async with held() as one:
            await one.overlap()
            one.stream.reset()
            await dropped(row_of(one.stream))
            one.tone.release()
            chunks = await read(one.stream, 4)
            return sha_of(chunks)

    assert play(scenario()) == bytes_of((4, {}))


async def dropped(row):
    """Waits until the worker of the chunk that follows has seen that it is not awaited."""
    begun = row.in_flight.follower.begun
    await until(lambda: begun._pending.cancelled)


def test_stream_that_leaves_with_two_in_flight_frees_its_slot():
    async def scenario():
        async with held() as one:
            await one.overlap()
            row = row_of(one.stream)
            await one.stream.close()
            await dropped(row)
            one.tone.release()
            await until(lambda: is_idle(one.fleet))
            assert (row.in_flight, one.tone.made.count(3)) == (None, 0)
            assert one.fleet.counts().failed == 0
            stream = await one.fleet.join(ONE, buffer_chunks=6)
            await stream.play()
            return sha_of(await read(stream, 3))

    assert play(scenario()) == bytes_of((3, {}))


def test_both_chunks_in_flight_arrive_after_a_pause():
    async def scenario():
        async with held() as one:
            chunks = await one.overlap()
            one.stream.pause()
            one.tone.release()
            await until(lambda: is_idle(one.fleet))
            assert len(row_of(one.stream).unread) == 2
            await one.stream.play()
            chunks += await read(one.stream, 4)
            return sha_of(chunks)

    assert play(scenario()) == bytes_of((5, {}))


def test_session_saved_with_two_chunks_in_flight_goes_on_alike():
    async def scenario():
        async with held() as one:
            chunks = await one.overlap()
            saved = one.stream.save()
            one.tone.release()
            chunks += await read(one.stream, 3)
            resumed = await one.fleet.join({}, session=saved, buffer_chunks=6)
            await resumed.play()
            assert sha_of(await read(resumed, 3)) == sha_of(chunks[1:])
            return sha_of(chunks)

    assert play(scenario()) == bytes_of((4, {}))


@pytest.mark.parametrize(("number", "read_before"), [(2, 0), (3, 1)], ids=["first", "second"])
@pytest.mark.parametrize("reason", ["fails", "not finite"])
def test_failing_chunk_ends_the_stream_after_those_before_it(number, read_before, reason):
    def fail(stage):
        def call(**inputs):
            audio = stage(**inputs)["audio"]
            if inputs["a"][0] == number:
                if reason == "fails":
                    raise RuntimeError("it fails")
                audio = np.full_like(audio, np.nan)
            return {"audio": audio}

        return call

    async def scenario():
        async with held() as one:
            one.tone._stage = fail(one.tone._stage)
            await one.overlap()
            one.tone.release()
            await read(one.stream, read_before)
            text = f"chunk {number - 1}"
            with pytest.raises(StreamFailed, match=text):
                await read(one.stream, 1)
            await until(lambda: is_idle(one.fleet))
            assert one.fleet.counts().failed == 1
            assert row_of(one.stream).in_flight is None

    play(scenario())


@pytest.mark.parametrize("lost", [False, True], ids=["drained", "lost"])
def test_stream_moves_to_another_engine_with_two_in_flight(lost):
    async def scenario():
        async with held() as one:
            chunks = await one.overlap()
            first = one.fleet.engines[0]
            second = one.fleet.roster.add(one.fleet.graph)
            await one.fleet.roster.start(second)
            with one.fleet.places.lock:
                if lost:
                    one.fleet.places.lose(first, EngineLost("it does not answer"))
                else:
                    assert one.fleet.places.drain(first) == 0
            if not lost:
                assert row_of(one.stream).followable is None
                one.tone.release()
            chunks += await read(one.stream, 4)
            one.tone.release()
            assert second.counts.ticks >= 2
            return sha_of(chunks)

    assert play(scenario()) == bytes_of((5, {}))


def test_closing_waits_for_two_chunks_in_flight():
    async def scenario():
        async with held() as one:
            await one.overlap()
            close = asyncio.create_task(one.fleet.close())
            await until(lambda: row_of(one.stream).closed)
            one.tone.release()
            await close
            with pytest.raises(StopAsyncIteration):
                await read(one.stream, 1)

    play(scenario())


def test_command_line_refuses_other_windows():
    done = run("serve", "toy", "--runner", "ray", "--window", "2")
    assert (done.code, "--window 2 needs --runner local" in told(done.stderr)) == (2, True)
    assert run("serve", "toy", "--window", "3").code == 2


def test_frames_of_a_network_that_overlap_have_their_bytes():
    graph = load(preset="mrt2-tiny")
    controls = {"seed": 3, "prompts": ["calm"]}
    followed = []

    async def scenario():
        async with started(graph, rows=1, capacity=1) as fleet:
            stream = await fleet.join(controls, buffer_chunks=5)
            row, request_after = row_of(stream), row_of(stream).request_after

            def counted(*args):
                followed.append(args[0].chunk)
                return request_after(*args)

            row.request_after = counted
            await stream.play()
            return sha_of(await read(stream, 12))

    digest = play(scenario())
    assert followed
    alone = Alone(graph)
    with alone.runner:
        assert digest == alone.sha(controls, (12, {}))
