"""Prepared changes: made beside the music, heard at once, and without effect if unused."""

import asyncio

import pytest
from engines import Alone, play, read, running, sha_of, started, toy, until
from touchy_stages import RAISES_AT

from soundstage.runners.engine.refusals import ControlRefused, Full

QUIET = {"seed": 3, "prompts": ["quiet"]}
LOUD = {"prompts": [("loud", 2.0), "brass"], "temperature": 0.5}


@pytest.fixture(scope="module")
def alone():
    # Long chunks: on a busy machine, a test takes a while to act while one sounds.
    alone = Alone(toy("format.chunk_s=10.0"))
    with alone.runner:
        yield alone


@pytest.fixture(scope="module")
def engine():
    with running(toy("format.chunk_s=10.0"), rows=2) as engine:
        yield engine


def facts(chunks):
    return [(chunk.chunk, chunk.again, chunk.steer) for chunk in chunks]


def test_prepared_change_is_heard_in_the_chunk_that_sounds(engine, alone):
    async def scenario():
        stream = await engine.join(QUIET)
        await stream.play()
        chunks = await read(stream, 2)
        stream.prepare(LOUD)
        await until(lambda: stream.prepared)
        assert stream.steer(LOUD, again=True) == 1
        chunks += await read(stream, 2)
        # Chunk 0 still sounds: it comes again, and the later chunks go on from it.
        assert facts(chunks) == [(0, False, 0), (1, False, 0), (0, True, 1), (1, True, 1)]
        assert sha_of(chunks[:2]) == alone.sha(QUIET, (2, {}))
        assert sha_of(chunks[2:]) == alone.sha(QUIET | LOUD, (2, {}))
        assert engine.streams == 1
        await stream.close()

    play(scenario())


def test_prepared_change_continues_the_music_before_it(alone):
    async def scenario():
        async with started(toy("format.chunk_s=1.0"), rows=2) as engine:
            stream = await engine.join(QUIET)
            await stream.play()
            stream.prepare(LOUD)
            chunks = await read(stream, 3)
            await until(lambda: stream.prepared)
            stream.steer(LOUD, again=True)
            chunks += await read(stream, 4)
            await stream.close()
            return chunks

    chunks = play(scenario())
    changed = next(position for position, chunk in enumerate(chunks) if chunk.steer)
    first = chunks[changed].chunk
    assert first >= 1
    assert [chunk.chunk for chunk in chunks[changed:]] == list(range(first, first + 7 - changed))
    short = Alone(toy("format.chunk_s=1.0"))
    with short.runner:
        whole = short.chunks(QUIET, (first, LOUD), (7 - changed, {}))
    played = {chunk.chunk: chunk.audio for chunk in chunks}
    for index, audio in enumerate(whole):
        assert played[index].tobytes() == audio.tobytes()


def test_unused_prepared_change_changes_no_byte(engine, alone):
    async def scenario():
        stream = await engine.join(QUIET, pace="fast")
        await stream.play()
        stream.prepare(LOUD)
        chunks = await read(stream, 2)
        stream.prepare({"prompts": ["something else"]})
        chunks += await read(stream, 2)
        assert engine.streams == 2
        stream.unprepare()
        stream.unprepare()
        assert engine.streams == 1
        chunks += await read(stream, 1)
        await stream.close()
        assert sha_of(chunks) == alone.sha(QUIET, (5, {}))

    play(scenario())


def test_steer_to_other_controls_ignores_the_prepared_ones(engine, alone):
    async def scenario():
        stream = await engine.join(QUIET)
        await stream.play()
        chunks = await read(stream, 2)
        stream.prepare({"prompts": ["something else"]})
        await until(lambda: stream.prepared)
        stream.steer(LOUD, again=True)
        chunks += await read(stream, 1)
        await stream.close()
        assert facts(chunks)[2:] == [(1, True, 1)]
        assert sha_of([chunks[0], chunks[2]]) == alone.sha(QUIET, (1, LOUD), (1, {}))

    play(scenario())


def test_prepare_takes_a_slot_and_is_refused_without_one(engine):
    async def scenario():
        stream, other = await engine.join(QUIET), await engine.join(QUIET)
        await stream.play()
        await other.play()
        with pytest.raises(Full, match="all 2 slots are taken"):
            stream.prepare(LOUD)
        assert not stream.prepared
        await other.close()
        with pytest.raises(ControlRefused, match="temperature"):
            stream.prepare({"temperature": 99.0})
        stream.prepare(LOUD)
        late = await engine.join(QUIET)
        with pytest.raises(Full):
            await late.play()
        await late.close()
        await stream.close()
        assert engine.streams == 0

    play(scenario())


def test_failed_preparation_leaves_the_stream_alone():
    graph = toy("sample.use=touchy_stages:TouchySample", "format.chunk_s=10.0")

    async def scenario():
        async with started(graph, rows=2) as engine:
            stream = await engine.join({"seed": 1})
            await stream.play()
            await read(stream, 2)
            stream.prepare({"temperature": RAISES_AT})
            await until(lambda: engine.counts().failed == 1)
            assert engine.streams == 1
            assert not stream.prepared
            stream.prepare({"seed": 2})
            await until(lambda: stream.prepared)
            await stream.close()

    play(scenario())


def test_reset_with_another_seed_ends_the_preparation(engine):
    async def scenario():
        stream = await engine.join(QUIET)
        await stream.play()
        stream.prepare(LOUD)
        await until(lambda: stream.prepared)
        stream.reset()
        assert not stream.prepared
        await until(lambda: stream.prepared)
        stream.reset(seed=9)
        assert not stream.prepared
        assert engine.streams == 1
        await read(stream, 2)
        assert not stream.prepared
        stream.prepare(LOUD)
        await until(lambda: stream.prepared)
        await stream.close()

    play(scenario())


def test_paused_stream_prepares_nothing(engine):
    async def scenario():
        stream = await engine.join(QUIET)
        stream.prepare(LOUD)
        await asyncio.sleep(0.05)
        assert not stream.prepared
        await stream.play()
        await until(lambda: stream.prepared)
        stream.reset()
        stream.pause()
        assert not stream.prepared
        await stream.close()

    play(scenario())
