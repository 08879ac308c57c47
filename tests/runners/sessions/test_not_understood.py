"""Words that a pipeline does not understand come with its chunks, in sessions and in engines."""

import asyncio

import numpy as np
import pytest
from engines import started
from worded_graphs import WORDED, lengths, worded

import soundstage
from soundstage.runners.sessions.not_understood import WordReports
from soundstage.runners.traces.trace import open_trace, read_trace


@pytest.fixture(scope="module")
def session():
    rows = [{"prompts": ["techno"]}, {"prompts": ["techno", "salsa flrbgl quux", "wug"]}]
    with soundstage.open(pipeline=WORDED, settings=lengths(0.2), rows=rows) as session:
        yield session


def test_chunk_has_the_words_of_each_row_by_prompt(session):
    chunk = next(session)
    assert chunk.outputs["not_understood"] == [[""], ["", "flrbgl, quux", "wug"]]
    assert chunk.not_understood == ({}, {"salsa flrbgl quux": "flrbgl, quux", "wug": "wug"})


def test_words_follow_the_steering(session):
    session.steer(0, prompts=["gloop"])
    assert next(session).not_understood[0] == {"gloop": "gloop"}
    session.steer(0, prompts=["techno"])
    assert next(session).not_understood[0] == {}


def test_pipeline_without_the_output_reports_nothing():
    with soundstage.open(preset="toy", prompts=["flrbgl"], settings=lengths(0.2)) as session:
        assert next(session).not_understood == ({},)


def test_trace_holds_the_words(session, tmp_path):
    path = tmp_path / "run.arrow"
    session.steer(prompts=["techno gloop"])
    weights = session.runner.weights()
    with open_trace(path, session.graph, weights, session.state, "test") as trace:
        trace.write(next(session))
    assert read_trace(path).complete
    assert b"gloop" in path.read_bytes()
    assert soundstage.replay(path).equal


def test_engine_gives_each_stream_its_own_words():
    async def chunks():
        async with started(worded(), rows=2, batch=2) as engine:
            streams = [
                await engine.join({"prompts": [text]}, pace="fast")
                for text in ("techno", "techno flrbgl")
            ]
            for stream in streams:
                await stream.play()
            return [await anext(stream) for stream in streams]

    first, second = asyncio.run(chunks())
    assert first.not_understood == {}
    assert second.not_understood == {"techno flrbgl": "flrbgl"}
    assert np.isfinite(second.audio).all()


def test_prompt_is_reported_once_until_it_is_forgotten():
    reports = WordReports()
    first, second = {"a wug": "wug"}, {"a wug": "wug", "b": "quux"}
    assert list(reports.lines(first, second)) == ["not understood: wug", "not understood: quux"]
    assert list(reports.lines(second)) == []
    reports.keep(["b"])
    assert list(reports.lines(second)) == ["not understood: wug"]
