"""Buffers are asked for in seconds, and hold whole chunks of any length."""

import pytest

from soundstage.runners.timing.realtime import Verdict, chunks_ahead


@pytest.mark.parametrize(
    ("chunk_s", "chunks"), [(0.04, 5), (0.08, 3), (0.2, 1), (0.28, 1), (2.0, 1), (0.1, 2)]
)
def test_usual_buffer_is_a_chunk_or_a_fifth_of_a_second(chunk_s, chunks):
    assert chunks_ahead(chunk_s) == chunks


@pytest.mark.parametrize(
    ("chunk_s", "seconds", "chunks"),
    [(2.0, 2.0, 1), (2.0, 2.1, 2), (2.0, 4.0, 2), (0.04, 0.04, 1), (0.04, 1.2, 30), (2.0, 0.1, 1)],
)
def test_buffer_holds_whole_chunks(chunk_s, seconds, chunks):
    assert chunks_ahead(chunk_s, seconds) == chunks


def test_verdict_on_short_chunks_has_two_digits():
    assert "0.04 s of music take 0.0051 s (7.9 x real time)" in str(Verdict(0.04, 0.00508, 0.01))
    assert "2 s of music take 0.11 s" in str(Verdict(2.0, 0.114, 0.2))
