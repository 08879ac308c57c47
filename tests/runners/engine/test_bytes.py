"""A stream's bytes are those of the same stream alone, whatever other streams do."""

import asyncio

import pytest
from engines import Alone, batch_of, play, read, row_of, running, sha_of, started, toy, until

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
    """Joins, reads `count` chunks, and leaves."""
    stream = await engine.join(controls, **options)
    await stream.play()
    chunks = await read(stream, count)
    await stream.close()
    return chunks


async def come_and_go(engine, visits):
    """Joins and leaves `visits` times, every fifth time after reading a chunk."""
    for visit in range(visits):
        try:
            stream = await engine.join(
                {"seed": visit, "prompts": [f"visit {visit % 7}"]}, pace="fast"
            )
        except Full:
            await asyncio.sleep(0)
            continue
        await stream.play()
        if visit % 5 == 0:
            await anext(stream)
        await stream.close()


def test_thousand_joins_change_no_byte_of_another_stream(engine, alone):
    async def steered(seed):
        calm, storm = {"prompts": ["calm"]}, {"prompts": ["storm"]}
        stream = await engine.join({"seed": seed, **calm}, pace="fast")
        await stream.play()
        chunks = await read(stream, 10)
        stream.steer(storm)
        chunks += await read(stream, 10)
        await stream.close()
        before = sum(chunk.steer == 0 for chunk in chunks)
        parts = (before, storm), (20 - before, {})
        return before < 13 and sha_of(chunks) == alone.sha({"seed": seed, **calm}, *parts)

    async def scenario():
        before = engine.counts()
        visitors = [come_and_go(engine, 250) for _ in range(4)]
        results = await asyncio.gather(steered(1), steered(2), *visitors)
        assert results[:2] == [True, True]
        counts = engine.counts()
        assert engine.streams == 0
        assert counts.joined - before.joined + counts.refused - before.refused == 1002
        assert counts.left == counts.joined

    play(scenario())


def test_stalled_reader_delays_no_other_stream(engine, alone):
    async def scenario():
        stalled = await engine.join({"seed": 4}, pace="fast")
        await stalled.play()
        await until(lambda: len(row_of(stalled).unread) == 1)
        chunks = await listen(engine, {"seed": 5}, 12, pace="fast")
        assert sha_of(chunks) == alone.sha({"seed": 5}, (12, {}))
        assert len(row_of(stalled).unread) == 1
        await stalled.close()
        with pytest.raises(StopAsyncIteration):
            await anext(stalled)
        with pytest.raises(StreamEnded):
            await stalled.play()

    play(scenario())


def test_slow_reader_misses_nothing(engine, alone):
    async def scenario():
        slow = await engine.join({"seed": 6}, pace="fast", buffer_chunks=2)
        await slow.play()
        chunks = []
        for _ in range(4):
            await until(lambda: len(row_of(slow).unread) == 2)
            chunks += await read(slow, 2)
        await slow.close()
        assert [chunk.chunk for chunk in chunks] == list(range(8))
        assert sha_of(chunks) == alone.sha({"seed": 6}, (8, {}))

    play(scenario())


def test_row_that_fails_ends_alone_with_a_reason(engine, alone):
    async def scenario():
        doomed = await engine.join({"seed": 1}, pace="fast")
        others = [asyncio.create_task(listen(engine, {"seed": s}, 12, pace="fast")) for s in (2, 3)]
        await doomed.play()
        await read(doomed, 2)
        doomed.steer({"temperature": 7.0})
        with pytest.raises(StreamFailed, match=r"'sample' failed at chunks? .*a row is too hot"):
            await read(doomed, 3)
        assert row_of(doomed).closed
        for seed, other in zip((2, 3), others, strict=True):
            assert sha_of(await other) == alone.sha({"seed": seed}, (12, {}))
        assert engine.streams == 0

    failed = engine.counts().failed
    play(scenario())
    assert engine.counts().failed == failed + 1


def test_chunk_with_nan_samples_fails_the_stream():
    async def scenario():
        async with started(toy("decode.use=broken_stages:NanDecode"), rows=1) as engine:
            stream = await engine.join({}, pace="fast")
            await stream.play()
            with pytest.raises(StreamFailed, match="chunk 0 has samples that are not finite"):
                await anext(stream)

    play(scenario())


def test_batch_is_1_where_bytes_depend_on_the_slot(alone):
    async def scenario():
        async with started(toy("sample.use=touchy_stages:PlacedSample"), rows=3, batch=3) as engine:
            return engine.note, batch_of(engine)

    assert play(scenario()) == (
        "with 3 rows a tick, a stream's bytes depend on its slot: 1 row a tick",
        1,
    )
    assert rows_are_alike(alone.runner, 3)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 3])
def test_tiny_networks_give_the_bytes_of_a_local_session(batch):
    graph = toy(preset="tiny")

    async def scenario():
        async with started(graph, rows=3, batch=batch) as engine:
            assert engine.note == ""
            streams = [listen(engine, {"seed": seed}, 2 + seed, pace="fast") for seed in range(3)]
            return [sha_of(chunks) for chunks in await asyncio.gather(*streams)]

    digests = play(scenario())
    alone = Alone(graph)
    with alone.runner:
        assert digests == [alone.sha({"seed": seed}, (2 + seed, {})) for seed in range(3)]
