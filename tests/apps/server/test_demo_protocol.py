"""The protocol of the original web demo, with the messages of its page."""

import json
import urllib.error
import urllib.request

import numpy as np
import pytest
from served import PATIENCE_S, samples, say, served, settled, speak

HUGE = {"generation_kwargs": {"temperature": 10**400}}


@pytest.fixture(scope="module")
def context():
    with served() as context:
        yield context


def ask(context, path, body=None):
    address = f"http://127.0.0.1:{context.settings.port}{path}"
    with urllib.request.urlopen(address, body, timeout=PATIENCE_S) as answer:
        return json.load(answer)


def style_of(context, text):
    return np.array(ask(context, "/style", text.encode()))


def playing(context, style, **kwargs):
    socket = speak(context, "/stream", legacy=True)
    say(socket, type="StartSession", body={})
    control = {"style": list(style), "generation_kwargs": kwargs}
    say(socket, type="UpdateControl", body=control)
    say(socket, type="UpdatePlayback", body={"state": "PLAYING", "adaptive": False})
    return socket


def test_stream_info_describes_the_chunks(context):
    info = ask(context, "/stream_info")
    assert info == {"chunk_length": 0.2, "sample_rate": 48_000, "num_channels": 2}


def test_style_of_a_text_has_768_numbers(context):
    assert style_of(context, "bells").shape == (768,)
    assert not np.array_equal(style_of(context, "bells"), style_of(context, "drums"))


def test_chunks_are_interleaved_float32(context):
    socket = playing(
        context, style_of(context, "bells"), temperature=1.1, topk=40, guidance_weight=5
    )
    for _ in range(4):
        audio = np.frombuffer(samples(socket), "<f4")
        assert len(audio) == round(0.2 * 48_000) * 2
        assert 0.001 < np.abs(audio).max() < 10
        say(socket, type="ReceivedChunk", body={})
    say(socket, type="UpdatePlayback", body={"state": "PAUSED"})
    say(socket, type="EndSession", body={})
    assert settled(context, 0)


def test_blend_of_styles_becomes_weights_of_texts(context):
    one, other = style_of(context, "bells"), style_of(context, "drums")
    socket = playing(context, 0.25 * one + 0.75 * other)
    samples(socket)
    (row,) = context.fleet.places.rows()
    assert row.controls["texts"] == ["bells", "drums"]
    shares = np.array(row.controls["text_weights"])
    np.testing.assert_allclose(shares / shares.sum(), [0.25, 0.75], atol=1e-4)
    socket.close()
    assert settled(context, 0)


def test_vector_that_is_no_blend_of_texts_is_a_prompt_itself(context):
    style_of(context, "bells")
    vector = np.linspace(-1, 1, 768, dtype=np.float32)
    socket = playing(context, vector.astype(float))
    samples(socket)
    (row,) = context.fleet.places.rows()
    assert row.controls["texts"] == []
    np.testing.assert_array_equal(row.controls["styles"], vector[None])
    socket.close()
    assert settled(context, 0)


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
            [{"type": "StartSession"}, {"type": "UpdateControl", "body": HUGE}],
            "temperature: expected a number",
        ),
        (
            [{"type": "StartSession"}, {"type": "UpdateControl", "body": {"style": [1, 2]}}],
            "768 numbers",
        ),
        (
            [{"type": "StartSession"}, {"type": "UpdateControl", "body": {"style": [2e3] * 768}}],
            "outside the range",
        ),
    ],
)
def test_refused_message_closes_the_session_with_a_reason(context, messages, words):
    style_of(context, "bells")
    with speak(context, "/stream") as socket:
        for message in messages:
            say(socket, **message)
        with pytest.raises(Exception, match=words):
            socket.recv(timeout=PATIENCE_S)
    assert settled(context, 0)


def test_unusable_text_is_refused(context):
    with pytest.raises(urllib.error.HTTPError, match="400"):
        ask(context, "/style", b"\xff\xfe")
    with pytest.raises(urllib.error.HTTPError, match="413"):
        ask(context, "/style", b"a" * 3000)
