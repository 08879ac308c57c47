"""What is prepared: made beside the music, heard at once, and the music's own if it never comes."""

import asyncio

import pytest
from engines import Alone, heard, play, read, running, started, toy, until
from touchy_stages import RAISES_AT

from soundstage.runners.engine.refusals import ControlRefused, Full

QUIET = {"seed": 3, "prompts": ["quiet"]}
LOUD = {"prompts": [("loud", 2.0), "brass"], "temperature": 0.5}


@pytest.fixture(scope="module")
def alone():
    # Long chunks: what a test does while one sounds takes a while on a busy machine.
    alone = Alone(toy("format.chunk_s=10.0"))
    with alone.runner:
        yield alone


@pytest.fixture(scope="module")
def engine():
    with running(toy("format.chunk_s=10.0"), rows=2) as engine:
        yield engine


def told(made):
    return [(chunk.chunk, chunk.again, chunk.steer) for chunk in made]


def test_a_prepared_change_is_heard_in_the_chunk_that_sounds(engine, alone):
    async def evening():
        stream = await engine.join(QUIET)
        stream.play()
        made = await read(stream, 2)
        stream.prepare(LOUD)
        await until(lambda: stream.prepared)
        assert stream.steer(LOUD, again=True) == 1
        made += await read(stream, 2)
        # Chunk 0 has been sounding all the time: it comes anew, and what follows goes on from it.
        assert told(made) == [(0, False, 0), (1, False, 0), (0, True, 1), (1, True, 1)]
        assert heard(made[:2]) == alone.sha(QUIET, (2, {}))
        assert heard(made[2:]) == alone.sha(QUIET | LOUD, (2, {}))
        assert engine.figures().streams == 1
        await stream.close()

    play(evening())


def test_the_music_before_a_prepared_change_stays_and_the_music_behind_it_is_its_own(alone):
    async def evening():
        async with started(toy("format.chunk_s=1.0"), rows=2) as engine:
            stream = await engine.join(QUIET)
            stream.play()
            stream.prepare(LOUD)
            made = await read(stream, 3)
            await until(lambda: stream.prepared)
            stream.steer(LOUD, again=True)
            made += await read(stream, 4)
            await stream.close()
            return made

    made = play(evening())
    changed = next(place for place, chunk in enumerate(made) if chunk.steer)
    first = made[changed].chunk
    assert first >= 1
    assert [chunk.chunk for chunk in made[changed:]] == list(range(first, first + 7 - changed))
    short = Alone(toy("format.chunk_s=1.0"))
    with short.runner:
        whole = short.chunks(QUIET, (first, LOUD), (7 - changed, {}))
    played = {chunk.chunk: chunk.audio for chunk in made}
    for index, audio in enumerate(whole):
        assert played[index].tobytes() == audio.tobytes()


def test_what_is_prepared_and_never_asked_for_changes_no_byte(engine, alone):
    async def evening():
        stream = await engine.join(QUIET, pace="fast")
        stream.play()
        stream.prepare(LOUD)
        made = await read(stream, 2)
        stream.prepare({"prompts": ["something else"]})
        made += await read(stream, 2)
        assert engine.figures().streams == 2
        stream.unprepare()
        stream.unprepare()
        assert engine.figures().streams == 1
        made += await read(stream, 1)
        await stream.close()
        assert heard(made) == alone.sha(QUIET, (5, {}))

    play(evening())


def test_a_steer_to_something_else_than_was_prepared_is_a_steer(engine, alone):
    async def evening():
        stream = await engine.join(QUIET)
        stream.play()
        made = await read(stream, 2)
        stream.prepare({"prompts": ["something else"]})
        await until(lambda: stream.prepared)
        stream.steer(LOUD, again=True)
        made += await read(stream, 1)
        await stream.close()
        assert told(made)[2:] == [(1, True, 1)]
        assert heard([made[0], made[2]]) == alone.sha(QUIET, (1, LOUD), (1, {}))

    play(evening())


def test_preparing_takes_a_place_and_is_refused_where_none_is_free(engine):
    async def evening():
        stream, other = await engine.join(QUIET), await engine.join(QUIET)
        with pytest.raises(Full, match="all 2 places are taken"):
            stream.prepare(LOUD)
        assert not stream.prepared
        await other.close()
        with pytest.raises(ControlRefused, match="temperature"):
            stream.prepare({"temperature": 99.0})
        stream.prepare(LOUD)
        with pytest.raises(Full):
            await engine.join(QUIET)
        await stream.close()
        assert engine.figures().streams == 0

    play(evening())


def test_a_change_that_fails_beforehand_leaves_the_music_alone():
    graph = toy("sample.use=touchy_stages:TouchySample", "format.chunk_s=10.0")

    async def evening():
        async with started(graph, rows=2) as engine:
            stream = await engine.join({"seed": 1})
            stream.play()
            await read(stream, 2)
            stream.prepare({"temperature": RAISES_AT})
            await until(lambda: engine.figures().failed == 1)
            assert engine.figures().streams == 1
            assert not stream.prepared
            stream.prepare({"seed": 2})
            await until(lambda: stream.prepared)
            await stream.close()

    play(evening())


def test_another_seed_ends_what_was_prepared_and_the_same_one_does_not(engine):
    async def evening():
        stream = await engine.join(QUIET)
        stream.play()
        stream.prepare(LOUD)
        await until(lambda: stream.prepared)
        stream.reset()
        assert not stream.prepared
        await until(lambda: stream.prepared)
        stream.reset(seed=9)
        assert not stream.prepared
        assert engine.figures().streams == 1
        await read(stream, 2)
        assert not stream.prepared
        stream.prepare(LOUD)
        await until(lambda: stream.prepared)
        await stream.close()

    play(evening())


def test_a_stream_that_stands_still_gives_nothing_to_prepare(engine):
    async def evening():
        stream = await engine.join(QUIET)
        stream.prepare(LOUD)
        await asyncio.sleep(0.05)
        assert not stream.prepared
        stream.play()
        await until(lambda: stream.prepared)
        stream.reset()
        stream.pause()
        assert not stream.prepared
        await stream.close()

    play(evening())
