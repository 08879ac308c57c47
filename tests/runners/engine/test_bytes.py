"""A stream's bytes are those of the same stream alone, whoever joins, leaves, dawdles or fails."""

import asyncio

import pytest
from engines import Alone, heard, play, read, running, started, toy, until

from soundstage.runners.engine.refusals import Full, StreamEnded, StreamFailed
from soundstage.runners.engine.warmup import rows_are_alike

TOUCHY = "sample.use=touchy_stages:TouchySample"


@pytest.fixture(scope="module")
def alone():
    alone = Alone(toy())
    with alone.runner:
        yield alone


@pytest.fixture(scope="module", params=[1, 3], ids=["a row a tick", "three rows a tick"])
def engine(request):
    with running(toy(TOUCHY), rows=6, batch=request.param) as engine:
        yield engine


async def listen(engine, controls, count, **options):
    """Joins, reads so many chunks, leaves."""
    stream = await engine.join(controls, **options)
    stream.play()
    made = await read(stream, count)
    await stream.close()
    return made


async def come_and_go(engine, visits):
    """Joins and leaves so often: mostly at once, sometimes behind a chunk, sometimes unread."""
    for visit in range(visits):
        try:
            stream = await engine.join(
                {"seed": visit, "prompts": [f"visit {visit % 7}"]}, pace="fast"
            )
        except Full:
            await asyncio.sleep(0)
            continue
        stream.play()
        if visit % 5 == 0:
            await anext(stream)
        await stream.close()


def test_a_thousand_joins_and_leaves_change_no_byte_of_another_stream(engine, alone):
    async def steered(seed):
        calm, storm = {"prompts": ["calm"]}, {"prompts": ["storm"]}
        stream = await engine.join({"seed": seed, **calm}, pace="fast")
        stream.play()
        made = await read(stream, 10)
        stream.steer(storm)
        made += await read(stream, 10)
        await stream.close()
        before = sum(chunk.steer == 0 for chunk in made)
        parts = (before, storm), (20 - before, {})
        return before < 13 and heard(made) == alone.sha({"seed": seed, **calm}, *parts)

    async def evening():
        before = engine.figures()
        visitors = [come_and_go(engine, 250) for _ in range(4)]
        results = await asyncio.gather(steered(1), steered(2), *visitors)
        assert results[:2] == [True, True]
        figures = engine.figures()
        assert figures.streams == 0
        assert figures.joined - before.joined + figures.refused - before.refused == 1002
        assert figures.left == figures.joined

    play(evening())


def test_a_reader_that_does_not_read_rests_and_holds_up_nobody(engine, alone):
    async def evening():
        dead = await engine.join({"seed": 4}, pace="fast")
        dead.play()
        await until(lambda: dead.unread == 1)
        made = await listen(engine, {"seed": 5}, 12, pace="fast")
        assert heard(made) == alone.sha({"seed": 5}, (12, {}))
        assert dead.unread == 1
        await dead.close()
        with pytest.raises(StopAsyncIteration):
            await anext(dead)
        with pytest.raises(StreamEnded):
            dead.play()

    play(evening())


def test_a_slow_reader_misses_nothing(engine, alone):
    async def evening():
        slow = await engine.join({"seed": 6}, pace="fast", buffer_chunks=2)
        slow.play()
        made = []
        for _ in range(4):
            await until(lambda: slow.unread == 2)
            made += await read(slow, 2)
        await slow.close()
        assert [chunk.chunk for chunk in made] == list(range(8))
        assert heard(made) == alone.sha({"seed": 6}, (8, {}))

    play(evening())


def test_a_row_that_raises_ends_alone_and_says_why(engine, alone):
    async def evening():
        doomed = await engine.join({"seed": 1}, pace="fast")
        others = [asyncio.create_task(listen(engine, {"seed": s}, 12, pace="fast")) for s in (2, 3)]
        doomed.play()
        await read(doomed, 2)
        doomed.steer({"temperature": 7.0})
        with pytest.raises(StreamFailed, match=r"'sample' failed at chunks? .*a row is too hot"):
            await read(doomed, 3)
        assert doomed.closed
        for seed, other in zip((2, 3), others, strict=True):
            assert heard(await other) == alone.sha({"seed": seed}, (12, {}))
        assert engine.figures().streams == 0

    failed = engine.figures().failed
    play(evening())
    assert engine.figures().failed == failed + 1


def test_music_that_is_no_number_reaches_no_listener():
    async def evening():
        async with started(toy("decode.use=broken_stages:NanDecode"), rows=1) as engine:
            stream = await engine.join({}, pace="fast")
            stream.play()
            with pytest.raises(
                StreamFailed, match="chunk 0 has samples that are no finite numbers"
            ):
                await anext(stream)

    play(evening())


def test_where_bytes_depend_on_the_place_a_tick_has_one_row(alone):
    async def evening():
        async with started(toy("sample.use=touchy_stages:PlacedSample"), rows=3, batch=3) as engine:
            return engine.note, engine.figures().batch

    assert play(evening()) == (
        "with 3 rows a tick, a stream's bytes depend on its place: 1 row a tick",
        1,
    )
    assert rows_are_alike(alone.runner, 3)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 3])
def test_real_networks_give_the_bytes_of_a_session_alone(batch):
    graph = toy(preset="tiny")

    async def evening():
        async with started(graph, rows=3, batch=batch) as engine:
            assert engine.note == ""
            wanted = [listen(engine, {"seed": seed}, 2 + seed, pace="fast") for seed in range(3)]
            return [heard(made) for made in await asyncio.gather(*wanted)]

    found = play(evening())
    alone = Alone(graph)
    with alone.runner:
        assert found == [alone.sha({"seed": seed}, (2 + seed, {})) for seed in range(3)]
