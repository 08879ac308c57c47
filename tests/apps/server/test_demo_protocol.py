"""The protocol of the original web demo, spoken as its page speaks it."""

import json
import urllib.error
import urllib.request

import numpy as np
import pytest
from served import PATIENCE_S, samples, say, served, settled, speak


@pytest.fixture(scope="module")
def desk():
    with served() as desk:
        yield desk


def ask(desk, path, body=None):
    address = f"http://127.0.0.1:{desk.settings.port}{path}"
    with urllib.request.urlopen(address, body, timeout=PATIENCE_S) as answer:
        return json.load(answer)


def style_of(desk, text):
    return np.array(ask(desk, "/style", text.encode()))


def playing(desk, style, **kwargs):
    socket = speak(desk, "/stream", legacy=True)
    say(socket, type="StartSession", body={})
    control = {"style": list(style), "generation_kwargs": kwargs}
    say(socket, type="UpdateControl", body=control)
    say(socket, type="UpdatePlayback", body={"state": "PLAYING", "adaptive": False})
    return socket


def test_stream_info_describes_the_chunks(desk):
    info = ask(desk, "/stream_info")
    assert info == {"chunk_length": 0.2, "sample_rate": 48_000, "num_channels": 2}


def test_a_text_has_a_style_of_768_numbers(desk):
    assert style_of(desk, "bells").shape == (768,)
    assert not np.array_equal(style_of(desk, "bells"), style_of(desk, "drums"))


def test_chunks_are_interleaved_float32_and_come_while_they_are_acknowledged(desk):
    socket = playing(desk, style_of(desk, "bells"), temperature=1.1, topk=40, guidance_weight=5)
    for _ in range(4):
        audio = np.frombuffer(samples(socket), "<f4")
        assert len(audio) == round(0.2 * 48_000) * 2
        assert 0.001 < np.abs(audio).max() < 10
        say(socket, type="ReceivedChunk", body={})
    say(socket, type="UpdatePlayback", body={"state": "PAUSED"})
    say(socket, type="EndSession", body={})
    assert settled(desk, 0)


def test_a_blend_made_by_the_page_is_the_blend_of_its_texts(desk):
    one, other = style_of(desk, "bells"), style_of(desk, "drums")
    socket = playing(desk, 0.25 * one + 0.75 * other)
    samples(socket)
    (row,) = desk.engine._lanes.groups.rows()
    assert row.controls["texts"] == ["bells", "drums"]
    shares = np.array(row.controls["text_weights"])
    np.testing.assert_allclose(shares / shares.sum(), [0.25, 0.75], atol=1e-4)
    socket.close()
    assert settled(desk, 0)


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([{"type": "UpdateControl", "body": {}}], "StartSession"),
        ([{"type": "Dance"}], "none of this protocol"),
        ([{"type": "StartSession"}, {"type": "StartSession"}], "already"),
        (
            [{"type": "StartSession"}, {"type": "UpdatePlayback", "body": {"state": "PLAYING"}}],
            "style must be set",
        ),
        (
            [{"type": "StartSession"}, {"type": "UpdateControl", "body": {"style": [1, 2]}}],
            "768 numbers",
        ),
        (
            [{"type": "StartSession"}, {"type": "UpdateControl", "body": {"style": [0.1] * 768}}],
            "no blend",
        ),
    ],
)
def test_what_cannot_be_done_ends_the_session_with_a_reason(desk, messages, words):
    style_of(desk, "bells")
    with speak(desk, "/stream") as socket:
        for message in messages:
            say(socket, **message)
        with pytest.raises(Exception, match=words):
            socket.recv(timeout=PATIENCE_S)
    assert settled(desk, 0)


def test_a_text_that_is_none_is_refused(desk):
    with pytest.raises(urllib.error.HTTPError, match="400"):
        ask(desk, "/style", b"\xff\xfe")
    with pytest.raises(urllib.error.HTTPError, match="413"):
        ask(desk, "/style", b"a" * 3000)
