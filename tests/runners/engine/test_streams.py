"""What a listener may do with a stream: steer, pause, reset, save, play into it, leave."""

import asyncio
import math

import numpy as np
import pytest
from engines import Alone, heard, play, read, running, started, toy, until

import soundstage
from soundstage.runners.engine.engine import Engine
from soundstage.runners.engine.refusals import ControlRefused, Full, StreamEnded
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
    """Pauses the only stream there is and reads what is still to come."""
    stream.pause()
    await until(lambda: not engine.figures().under_way)
    return await read(stream, stream.unread)


def test_a_steer_is_in_force_from_the_next_chunk_that_is_begun(engine, alone):
    async def evening():
        stream = await engine.join(QUIET, pace="fast")
        stream.play()
        made = await read(stream, 2) + await stopped(engine, stream)
        count = len(made)
        assert stream.steer(LOUD) == 1
        stream.play()
        made += await read(stream, 2)
        await stream.close()
        assert [chunk.steer for chunk in made] == [0] * count + [1, 1]
        assert made[-1].controls["texts"] == ["loud", "brass"]
        assert heard(made) == alone.sha(QUIET, (count, LOUD), (2, {}))

    play(evening())


@pytest.mark.parametrize(
    ("changes", "said"),
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
def test_a_control_that_is_refused_changes_nothing(engine, alone, changes, said):
    async def evening():
        stream = await engine.join(QUIET, pace="fast")
        with pytest.raises(ControlRefused, match=said):
            stream.steer(changes)
        with pytest.raises(ControlRefused, match=said):
            await engine.join(changes)
        stream.play()
        made = await read(stream, 1)
        await stream.close()
        assert made[0].steer == 0
        assert heard(made) == alone.sha(QUIET, (1, {}))

    play(evening())


@pytest.mark.parametrize(
    ("pace", "buffer_chunks"), [("slow", 1), ("realtime", 0), ("fast", math.nan), ("fast", 61)]
)
def test_a_pace_that_cannot_be_is_refused(engine, pace, buffer_chunks):
    async def evening():
        with pytest.raises(ControlRefused, match=r"pace: |buffer_chunks: "):
            await engine.join({}, pace=pace, buffer_chunks=buffer_chunks)

    play(evening())


def test_a_steer_in_a_hurry_makes_unread_chunks_again(engine, alone):
    async def evening():
        stream = await engine.join(QUIET, pace="fast", buffer_chunks=3)
        stream.play()
        await until(lambda: stream.unread == 3)
        stream.steer(LOUD, again=True)
        made = await read(stream, 5)
        await stream.close()
        assert [chunk.chunk for chunk in made] == list(range(5))
        assert {chunk.steer for chunk in made} == {1}
        assert not any(chunk.again for chunk in made)
        assert heard(made) == alone.sha(QUIET | LOUD, (5, {}))

    play(evening())


def test_a_steer_in_a_hurry_replaces_what_a_listener_cannot_have_heard_yet(alone):
    graph = toy("format.chunk_s=4.0")

    async def evening():
        async with started(graph, rows=1) as engine:
            stream = await engine.join(QUIET)
            stream.play()
            old = await read(stream, 2)  # the second is needed when the first has been heard
            stream.steer(LOUD, again=True)
            new = await read(stream, 1)
            assert [chunk.chunk for chunk in old + new] == [0, 1, 1]
            assert [chunk.again for chunk in old + new] == [False, False, True]
            assert new[0].slack_s > 0
            assert engine.figures().dropped == 1
            return heard([old[0], *new])

    found = play(evening())
    alone = Alone(graph)
    with alone.runner:
        assert found == alone.sha(QUIET, (1, LOUD), (1, {}))


def test_a_paused_stream_makes_nothing_and_goes_on_where_it_was(engine, alone):
    async def evening():
        stream = await engine.join(QUIET, pace="fast", buffer_chunks=2)
        assert not stream.playing
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.05)
        stream.play()
        made = await read(stream, 2) + await stopped(engine, stream)
        ticks = engine.figures().ticks
        await asyncio.sleep(0.05)
        assert engine.figures().ticks == ticks
        stream.play()
        made += await read(stream, 3)
        await stream.close()
        assert heard(made) == alone.sha(QUIET, (len(made), {}))

    play(evening())


@pytest.mark.parametrize("seed", [None, 9])
def test_a_reset_begins_at_chunk_0_with_the_same_or_another_seed(engine, alone, seed):
    async def evening():
        stream = await engine.join(QUIET, pace="fast", buffer_chunks=2)
        stream.play()
        await read(stream, 3)
        stream.reset(seed)
        made = await read(stream, 3)
        with pytest.raises(ControlRefused, match="seed"):
            stream.reset(-1)
        await stream.close()
        assert [chunk.chunk for chunk in made] == [0, 1, 2]
        return heard(made)

    assert play(evening()) == alone.sha(QUIET | ({} if seed is None else {"seed": seed}), (3, {}))


def test_a_saved_stream_goes_on_here_and_anywhere(engine, alone, tmp_path):
    async def evening():
        stream = await engine.join(QUIET, pace="fast", buffer_chunks=2)
        fresh = stream.save()
        stream.play()
        await read(stream, 3)
        session = stream.save()
        await stream.close()
        again = await engine.join({}, pace="fast", session=session)
        again.play()
        made = await read(again, 2)
        await again.close()
        begun = await engine.join(LOUD, pace="fast", session=fresh)
        begun.play()
        loud = await read(begun, 1)
        await begun.close()
        return session, made, loud

    session, made, loud = play(evening())
    assert [chunk.chunk for chunk in made] == [3, 4]
    behind = alone.chunks(QUIET, (5, {}))[3:]
    assert [chunk.audio.tobytes() for chunk in made] == [audio.tobytes() for audio in behind]
    assert heard(loud) == alone.sha(QUIET | LOUD, (1, {}))
    (tmp_path / "x.session").write_bytes(session)
    with soundstage.resume(tmp_path / "x.session") as resumed:
        assert next(resumed).audio[0].tobytes() == behind[0].tobytes()


def test_bytes_that_are_no_session_of_this_graph_are_refused(engine):
    async def evening():
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
            else:  # a bit of padding that nobody reads
                assert opened.save() == session
                await opened.close()
        assert refused > 40
        async with started(toy("format.chunk_s=0.8"), rows=1) as other:
            with pytest.raises(SessionFileError, match="another graph"):
                await other.join({}, session=bytes(session))

    play(evening())


def test_what_is_played_in_is_heard_in_the_next_chunk_and_no_further():
    graph = toy(preset="toy-inject")
    rng = np.random.default_rng(1)
    block = rng.uniform(-0.5, 0.5, (graph.format.dims["sample"], 2)).astype(np.float32)
    silence = block[:0]

    async def evening():
        async with started(graph, rows=1) as engine:
            stream = await engine.join(QUIET, pace="fast")
            with pytest.raises(ControlRefused, match="sent as audio"):
                stream.steer({"inject": block})
            stream.hear(block)
            stream.play()
            made = await read(stream, 3)
            return heard(made)

    found = play(evening())
    alone = Alone(graph)
    with alone.runner:
        parts = (1, {"inject": silence}), (2, {})
        assert found == alone.sha(QUIET | {"inject": block}, *parts)
        assert found != alone.sha(QUIET, (3, {}))


def test_a_chunk_that_is_made_again_hears_what_it_heard_before():
    graph = toy(preset="toy-inject")
    rng = np.random.default_rng(1)
    size = graph.format.dims["sample"]
    first, second, third = rng.uniform(-0.5, 0.5, (3, size, 2)).astype(np.float32)

    async def evening():
        async with started(graph, rows=1) as engine:
            stream = await engine.join(QUIET, pace="fast", buffer_chunks=2)
            stream.hear(first)
            stream.play()
            await until(lambda: stream.unread == 2)
            stream.hear(second)
            made = await read(stream, 1)
            await until(lambda: stream.unread == 2)
            stream.steer(LOUD, again=True)
            stream.hear(third)
            made += await read(stream, 3)
            stream.reset()
            stream.pause()
            return heard(made)

    found = play(evening())
    alone = Alone(graph)
    with alone.runner:
        # Chunk 1 was made when nothing but the first had come in.
        parts = (1, LOUD | {"inject": first[:0]}), (1, {"inject": second}), (1, {"inject": third})
        assert found == alone.sha(QUIET | {"inject": first}, *parts, (1, {}))


def test_an_engine_that_drains_lets_nobody_in_and_waits_for_the_last():
    async def evening():
        engine = Engine(toy(), rows=2)
        with pytest.raises(Full, match="not warm"):
            await engine.join({})
        assert not engine.ready
        await engine.start()
        assert engine.ready
        stream = await engine.join(QUIET, pace="fast")
        stream.play()
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

    play(evening())


def test_closing_an_engine_ends_every_stream_behind_what_is_made():
    async def evening():
        engine = Engine(toy(), rows=2)
        await engine.start()
        stream, paused = await engine.join({}, pace="fast"), await engine.join({})
        stream.play()
        waiting = asyncio.create_task(read_all(paused))
        await until(lambda: stream.unread == 1)
        await engine.close()
        assert [made.chunk for made in await read_all(stream)] == [0]
        assert await waiting == []
        with pytest.raises(StreamEnded):
            stream.steer({"seed": 1})

    play(evening())


def test_a_style_is_what_the_pipelines_embedder_makes_of_it(engine):
    async def evening():
        return [await engine.embed({"prompts": [text]}) for text in ("jazz", "jazz", "rock")]

    jazz, same, rock = play(evening())
    assert jazz.dtype == np.float32
    assert jazz.shape == (768,)
    assert jazz.tobytes() == same.tobytes() != rock.tobytes()


async def read_all(stream):
    return [made async for made in stream]
