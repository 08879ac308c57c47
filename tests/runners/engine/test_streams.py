"""The methods of a stream: steer, pause, reset, save, live input, close; and its engine's."""

import asyncio
import math

import numpy as np
import pytest
from engines import Alone, is_idle, play, read, row_of, running, sha_of, started, toy, until

import soundstage
from soundstage.runners.engine.refusals import ControlRefused, Full, StreamEnded
from soundstage.runners.fleet.fleet import Fleet
from soundstage.runners.sessions.files import SessionFileError

QUIET = {"seed": 3, "prompts": ["quiet"]}
LOUD = {"prompts": [("loud", 2.0), "brass"], "temperature": 0.5}


@pytest.fixture(scope="module")
def alone():
    alone = Alone(toy())
    with alone.runner:
        yield alone


@pytest.fixture(scope="module")
def engine():
    with running(toy(), rows=3) as engine:
        yield engine


async def stopped(engine, stream):
    """Pauses the engine's only stream and reads the chunks that are still made."""
    stream.pause()
    await until(lambda: is_idle(engine))
    return await read(stream, len(row_of(stream).unread))


def test_steer_is_in_force_from_the_next_chunk_that_is_begun(engine, alone):
    async def scenario():
        stream = await engine.join(QUIET, pace="fast")
        await stream.play()
        chunks = await read(stream, 2) + await stopped(engine, stream)
        count = len(chunks)
        assert stream.steer(LOUD) == 1
        await stream.play()
        chunks += await read(stream, 2)
        await stream.close()
        assert [chunk.steer for chunk in chunks] == [0] * count + [1, 1]
        assert chunks[-1].controls["texts"] == ["loud", "brass"]
        assert sha_of(chunks) == alone.sha(QUIET, (count, LOUD), (2, {}))

    play(scenario())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"temperature": math.nan}, "temperature: nan is not a finite number"),
        ({"temperature": 11}, "temperature: 11 is outside"),
        ({"temperature": "hot"}, "temperature: expected a number"),
        ({"tempo": 1}, "has no control 'tempo'"),
        ({"texts": [7], "text_weights": [1.0]}, "texts: expected a list of texts"),
        ({"texts": ["a"], "text_weights": []}, "give one of each"),
        ({"texts": ["a"] * 65, "text_weights": [1.0] * 65}, "texts: 65 entries; at most 64"),
        ({"texts": ["a" * 2001], "text_weights": [1.0]}, "a text of 2001 characters"),
        ({"prompts": ["a", ["b", 1]]}, "a prompt is"),
        ({"seed": 2**70}, "seed"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_refused_control_changes_nothing(engine, alone, changes, reason):
    async def scenario():
        stream = await engine.join(QUIET, pace="fast")
        with pytest.raises(ControlRefused, match=reason):
            stream.steer(changes)
        with pytest.raises(ControlRefused, match=reason):
            await engine.join(changes)
        await stream.play()
        chunks = await read(stream, 1)
        await stream.close()
        assert chunks[0].steer == 0
        assert sha_of(chunks) == alone.sha(QUIET, (1, {}))

    play(scenario())


@pytest.mark.parametrize(
    ("pace", "buffer_chunks"), [("slow", 1), ("realtime", 0), ("fast", math.nan), ("fast", 61)]
)
def test_unknown_pace_or_buffer_is_refused(engine, pace, buffer_chunks):
    async def scenario():
        with pytest.raises(ControlRefused, match=r"pace: |buffer_chunks: "):
            await engine.join({}, pace=pace, buffer_chunks=buffer_chunks)

    play(scenario())


def test_steer_again_makes_unread_chunks_again(engine, alone):
    async def scenario():
        stream = await engine.join(QUIET, pace="fast", buffer_chunks=3)
        await stream.play()
        await until(lambda: len(row_of(stream).unread) == 3)
        stream.steer(LOUD, again=True)
        chunks = await read(stream, 5)
        await stream.close()
        assert [chunk.chunk for chunk in chunks] == list(range(5))
        assert {chunk.steer for chunk in chunks} == {1}
        assert not any(chunk.again for chunk in chunks)
        assert sha_of(chunks) == alone.sha(QUIET | LOUD, (5, {}))

    play(scenario())


def test_steer_again_replaces_a_read_chunk_that_is_not_needed_yet(alone):
    graph = toy("format.chunk_s=4.0")

    async def scenario():
        async with started(graph, rows=1) as engine:
            stream = await engine.join(QUIET)
            await stream.play()
            old = await read(stream, 2)  # the second is needed when the first has been heard
            stream.steer(LOUD, again=True)
            new = await read(stream, 1)
            assert [chunk.chunk for chunk in old + new] == [0, 1, 1]
            assert [chunk.again for chunk in old + new] == [False, False, True]
            assert new[0].slack_s > 0
            assert engine.counts().dropped == 1
            return sha_of([old[0], *new])

    digest = play(scenario())
    alone = Alone(graph)
    with alone.runner:
        assert digest == alone.sha(QUIET, (1, LOUD), (1, {}))


def test_paused_stream_makes_nothing_and_goes_on_where_it_was(engine, alone):
    async def scenario():
        stream = await engine.join(QUIET, pace="fast", buffer_chunks=2)
        assert not row_of(stream).playing
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.05)
        await stream.play()
        chunks = await read(stream, 2) + await stopped(engine, stream)
        ticks = engine.counts().ticks
        await asyncio.sleep(0.05)
        assert engine.counts().ticks == ticks
        await stream.play()
        chunks += await read(stream, 3)
        await stream.close()
        assert sha_of(chunks) == alone.sha(QUIET, (len(chunks), {}))

    play(scenario())


@pytest.mark.parametrize("seed", [None, 9])
def test_reset_starts_at_chunk_0_with_the_same_or_another_seed(engine, alone, seed):
    async def scenario():
        stream = await engine.join(QUIET, pace="fast", buffer_chunks=2)
        await stream.play()
        await read(stream, 3)
        stream.reset(seed)
        chunks = await read(stream, 3)
        with pytest.raises(ControlRefused, match="seed"):
            stream.reset(-1)
        await stream.close()
        assert [chunk.chunk for chunk in chunks] == [0, 1, 2]
        return sha_of(chunks)

    assert play(scenario()) == alone.sha(QUIET | ({} if seed is None else {"seed": seed}), (3, {}))


def test_saved_stream_goes_on_in_an_engine_and_in_a_local_session(engine, alone, tmp_path):
    async def scenario():
        stream = await engine.join(QUIET, pace="fast", buffer_chunks=2)
        fresh = stream.save()
        await stream.play()
        await read(stream, 3)
        session = stream.save()
        await stream.close()
        again = await engine.join({}, pace="fast", session=session)
        await again.play()
        chunks = await read(again, 2)
        await again.close()
        restarted = await engine.join(LOUD, pace="fast", session=fresh)
        await restarted.play()
        loud = await read(restarted, 1)
        await restarted.close()
        return session, chunks, loud

    session, chunks, loud = play(scenario())
    assert [chunk.chunk for chunk in chunks] == [3, 4]
    expected = alone.chunks(QUIET, (5, {}))[3:]
    assert [chunk.audio.tobytes() for chunk in chunks] == [audio.tobytes() for audio in expected]
    assert sha_of(loud) == alone.sha(QUIET | LOUD, (1, {}))
    (tmp_path / "x.session").write_bytes(session)
    with soundstage.resume(tmp_path / "x.session") as resumed:
        assert next(resumed).audio[0].tobytes() == expected[0].tobytes()


def test_damaged_or_foreign_sessions_are_refused(engine):
    async def scenario():
        stream = await engine.join(QUIET)
        session = bytearray(stream.save())
        await stream.close()
        rng = np.random.default_rng(0)
        bad = [b"", b"ARROW1", bytes(rng.bytes(999)), bytes(session[: len(session) // 2])]
        for at in rng.integers(len(session), size=60):
            flipped = session.copy()
            flipped[at] ^= 1 << int(rng.integers(8))
            bad.append(bytes(flipped))
        refused = 0
        for content in bad:
            try:
                opened = await engine.join({}, session=content)
            except SessionFileError:
                refused += 1
            else:  # a bit of padding that is not read
                assert opened.save() == session
                await opened.close()
        assert refused > 40
        async with started(toy("format.chunk_s=0.8"), rows=1) as other:
            with pytest.raises(SessionFileError, match="made by another version of"):
                await other.join({}, session=bytes(session))

    play(scenario())


def test_live_input_is_heard_in_the_next_chunk_only():
    graph = toy(preset="toy-inject")
    rng = np.random.default_rng(1)
    block = rng.uniform(-0.5, 0.5, (graph.format.dims["sample"], 2)).astype(np.float32)
    silence = block[:0]

    async def scenario():
        async with started(graph, rows=1) as engine:
            stream = await engine.join(QUIET, pace="fast")
            with pytest.raises(ControlRefused, match="send it as audio"):
                stream.steer({"inject": block})
            stream.add_live_input(block)
            await stream.play()
            chunks = await read(stream, 3)
            return sha_of(chunks)

    digest = play(scenario())
    alone = Alone(graph)
    with alone.runner:
        parts = (1, {"inject": silence}), (2, {})
        assert digest == alone.sha(QUIET | {"inject": block}, *parts)
        assert digest != alone.sha(QUIET, (3, {}))


def test_chunk_made_again_has_the_same_live_input():
    graph = toy(preset="toy-inject")
    rng = np.random.default_rng(1)
    size = graph.format.dims["sample"]
    first, second, third = rng.uniform(-0.5, 0.5, (3, size, 2)).astype(np.float32)

    async def scenario():
        async with started(graph, rows=1) as engine:
            stream = await engine.join(QUIET, pace="fast", buffer_chunks=2)
            stream.add_live_input(first)
            await stream.play()
            await until(lambda: len(row_of(stream).unread) == 2)
            stream.add_live_input(second)
            chunks = await read(stream, 1)
            await until(lambda: len(row_of(stream).unread) == 2)
            stream.steer(LOUD, again=True)
            stream.add_live_input(third)
            chunks += await read(stream, 3)
            stream.reset()
            stream.pause()
            return sha_of(chunks)

    digest = play(scenario())
    alone = Alone(graph)
    with alone.runner:
        # Chunk 1 was made before the second block was added.
        parts = (1, LOUD | {"inject": first[:0]}), (1, {"inject": second}), (1, {"inject": third})
        assert digest == alone.sha(QUIET | {"inject": first}, *parts, (1, {}))


def test_draining_engine_refuses_streams_and_waits_for_the_last():
    async def scenario():
        engine = Fleet(toy(), rows=2)
        with pytest.raises(Full, match="not warm"):
            await engine.join({})
        assert not engine.ready
        await engine.start()
        assert engine.ready
        stream = await engine.join(QUIET, pace="fast")
        await stream.play()
        assert not await engine.drain(0.01)
        with pytest.raises(Full, match="about to close") as refusal:
            await engine.join({})
        assert refusal.value.retry_after_s > 0
        await read(stream, 2)
        draining = asyncio.create_task(engine.drain(30))
        await stream.close()
        assert await draining
        await engine.close()
        await engine.close()
        assert not engine.ready

    play(scenario())


def test_closed_engine_ends_streams_after_their_unread_chunks():
    async def scenario():
        engine = Fleet(toy(), rows=2)
        await engine.start()
        stream, paused = await engine.join({}, pace="fast"), await engine.join({})
        await stream.play()
        waiting = asyncio.create_task(read_all(paused))
        await until(lambda: len(row_of(stream).unread) == 1)
        await engine.close()
        assert [chunk.chunk for chunk in await read_all(stream)] == [0]
        assert await waiting == []
        with pytest.raises(StreamEnded):
            stream.steer({"seed": 1})

    play(scenario())


def test_embed_returns_the_style_of_the_pipelines_embedder(engine):
    async def scenario():
        return [await engine.embed({"prompts": [text]}) for text in ("jazz", "jazz", "rock")]

    jazz, same, rock = play(scenario())
    assert jazz.dtype == np.float32
    assert jazz.shape == (768,)
    assert jazz.tobytes() == same.tobytes() != rock.tobytes()


async def read_all(stream):
    return [chunk async for chunk in stream]
