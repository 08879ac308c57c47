"""Streams of Magenta RealTime 2 in the engine of a server: notes, and the bytes of each stream."""

import asyncio

import numpy as np
import pytest
from engines import Alone, play, read, running, sha_of

from soundstage.runners.api import load

CALM = {"seed": 3, "prompts": ["calm"]}
HELD = [[2 if pitch in (60, 64) else -1 for pitch in range(128)]]


@pytest.fixture(scope="module")
def graph():
    return load(preset="mrt2-tiny")


@pytest.fixture(scope="module")
def engine(graph):
    with running(graph, rows=3, batch=3) as engine:
        yield engine


async def with_notes(engine):
    """Plays some frames, and eight more with two notes held."""
    stream = await engine.join(CALM, pace="fast")
    await stream.play()
    chunks = await read(stream, 4)
    stream.steer({"notes": HELD})
    while sum(chunk.steer > 0 for chunk in chunks) < 8:
        chunks += await read(stream, 1)
    await stream.close()
    return chunks


async def beside_others(engine):
    async def come_and_go(seed):
        for visit in range(3):
            stream = await engine.join({"seed": seed + visit, "drums": 1}, pace="fast")
            await stream.play()
            await read(stream, 2 + visit)
            await stream.close()

    chunks, *_ = await asyncio.gather(with_notes(engine), come_and_go(10), come_and_go(20))
    return chunks


def test_stream_with_notes_has_its_bytes_beside_others_and_alone(engine, graph):
    alone, beside = play(with_notes(engine)), play(beside_others(engine))
    alike = min(sum(chunk.steer == 0 for chunk in chunks) for chunks in (alone, beside))
    assert alike >= 4
    assert sha_of(alone[:alike]) == sha_of(beside[:alike])
    for chunks in (alone, beside):
        before = sum(chunk.steer == 0 for chunk in chunks)
        session = Alone(graph)
        with session.runner:
            parts = (before, {"notes": HELD}), (len(chunks) - before, {})
            expected = np.concatenate(session.chunks(CALM, *parts))
            without_notes = np.concatenate(session.chunks(CALM, (len(chunks), {})))
        played = np.concatenate([chunk.audio for chunk in chunks])
        # The decoder's sums differ in the last bits with the number of rows.
        np.testing.assert_allclose(played, expected, atol=1e-6)
        assert np.abs(played - without_notes).max() > 1e-3
