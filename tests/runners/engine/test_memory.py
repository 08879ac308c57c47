"""What streams may hold in memory: chunks ahead, and audio prompts that change."""

import numpy as np
import pytest
from engines import play, read, running, toy

from soundstage.graph.port import array_bytes
from soundstage.runners.engine.admission import refuse_large_session
from soundstage.runners.engine.refusals import ControlRefused, Full
from soundstage.runners.hosts.host import Host

CLIP_BYTES = 640_000


@pytest.fixture(scope="module")
def engine():
    with running(toy(), rows=4, batch=1) as engine:
        yield engine


def clips(count, value=0.1):
    return {"clips": [np.full(160_000, value, np.float32)] * count, "clip_weights": [1.0] * count}


def test_bytes_of_controls_count_arrays_and_texts():
    value = {"a": np.zeros(10, np.float32), "b": ["jazz", "dub"], "c": 3, "d": [np.zeros(2)]}
    assert array_bytes(value) == 40 + 7 + 16


def test_clips_for_many_chunks_ahead_are_refused_with_both_cures(engine):
    async def check():
        with pytest.raises(ControlRefused, match="fewer buffer_chunks or clips"):
            await engine.join(clips(32), buffer_chunks=60)
        stream = await engine.join(clips(2), buffer_chunks=60)
        with pytest.raises(ControlRefused, match="fewer buffer_chunks or clips"):
            stream.steer(clips(32))
        with pytest.raises(ControlRefused, match="fewer buffer_chunks or clips"):
            stream.prepare(clips(32))
        assert stream.steer(clips(3)) == 1
        await stream.close()

    play(check())


def test_memory_of_all_streams_is_limited(engine, monkeypatch):
    monkeypatch.setattr("soundstage.runners.engine.admission.MOST_BYTES", 20 * CLIP_BYTES)

    async def check():
        stream = await engine.join(clips(3))
        with pytest.raises(Full, match="all streams would hold"):
            await engine.join(clips(3))
        with pytest.raises(ControlRefused, match="all streams would hold"):
            stream.steer(clips(5))
        await stream.close()
        await (await engine.join(clips(3))).close()

    play(check())


def test_session_with_large_prompts_is_not_saved(engine):
    async def check():
        stream = await engine.join(clips(14))
        with pytest.raises(ControlRefused, match=r"prompts of 9\.0 MB"):
            stream.save()
        await stream.close()

    play(check())
    refuse_large_session(clips(13))


def test_stages_remember_only_so_many_bytes_of_inputs(engine, monkeypatch):
    monkeypatch.setattr("soundstage.runners.hosts.host.MOST_REMEMBERED_BYTES", 3 * CLIP_BYTES)
    hosts, remember = set(), Host._remember

    def watched(host, *args):
        remember(host, *args)
        hosts.add(host)

    monkeypatch.setattr(Host, "_remember", watched)

    async def check():
        stream = await engine.join(clips(1), pace="fast")
        await stream.play()
        for number in range(8):
            stream.steer(clips(1, 0.01 * (number + 1)))
            await read(stream, 2)
        await stream.close()

    play(check())
    assert hosts
    assert max(host.remembered_bytes for host in hosts) <= 3.1 * CLIP_BYTES
