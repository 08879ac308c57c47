"""A slot without a stream does not make a stage with a memo rebuild it in every tick."""

import pytest
from engines import play, read, running
from memo_graphs import humming_window


@pytest.mark.parametrize("batch", [1, 3])
def test_memo_of_every_slot_is_kept_while_streams_come_and_go(tmp_path, batch):
    log = tmp_path / "log"

    async def listen(count):
        stream = await engine.join({"step": 2}, pace="fast")
        await stream.play()
        await read(stream, count)
        return stream

    async def listening():
        first = await listen(4)
        before = len(log.read_text().splitlines())
        await read(first, 20)
        assert len(log.read_text().splitlines()) - before <= 1
        second = await listen(4)
        await second.close()
        await read(first, 20)
        # The second stream begins, and its slot rests when it has left.
        assert len(log.read_text().splitlines()) - before <= 6

    with running(humming_window(log=str(log)), rows=3, batch=batch) as engine:
        play(listening())
