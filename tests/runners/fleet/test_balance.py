"""Streams are moved between engines that live, if that leaves the fuller one more of its time."""

import pytest
from engines import play, started
from tone_graphs import tones

from soundstage.runners.engine import warmup

# A chunk lasts 30 s; with the margin of 1.25, four streams take 15 s of it.
IN_PROPORTION = {1: 3.0, 2: 6.0, 4: 12.0}
# On an accelerator another row is nearly free.
FREE = {1: 12.0, 4: 12.1}


@pytest.mark.parametrize(
    ("cost_s", "placed"), [(IN_PROPORTION, [[4, 0], [3, 1], [2, 2]]), (FREE, [[4, 0]])]
)
def test_streams_are_moved_as_long_as_that_gains_time(cost_s, placed, monkeypatch):
    monkeypatch.setattr(warmup, "_measure", lambda *_: cost_s)
    graph = tones(chunk_s=30.0)

    async def scenario():
        async with started(graph, rows=8) as fleet:
            for step in range(4):
                stream = await fleet.join({"step": step})
                await stream.play()
            await fleet.roster.start(fleet.roster.add(graph))
            counts = []
            for _ in range(4):
                with fleet.places.lock:
                    counts.append([len(engine.rows()) for engine in fleet.engines])
                    fleet.places.balance()
            return counts, fleet.places.moves["balanced"]

    counts, moves = play(scenario())
    assert [one for at, one in enumerate(counts) if one not in counts[:at]] == placed
    assert moves == len(placed) - 1
