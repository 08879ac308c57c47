"""soundstage's own protocol, against a real server on loopback."""

import base64
import hashlib
import json

import numpy as np
import pytest
from served import CONTROLS, hear, offline, samples, say, served, settled, speak, started
from websockets.exceptions import ConnectionClosedError
from websockets.frames import CloseCode, Frame
from wires import PATIENCE_S
from worded_graphs import worded

import soundstage
from soundstage.apps.server.listen_sockets import LARGE_MESSAGE
from soundstage.apps.server.protocols.frames import HEADER, MAGIC
from soundstage.apps.server.protocols.own_messages import CLIENT_MESSAGES, read_message
from soundstage.apps.server.protocols.websocket import Refused

PATH = "/ws/stream"


@pytest.fixture(scope="module")
def context():
    with served() as context:
        yield context


@pytest.fixture
def client(context):
    with speak(context, PATH) as socket:
        yield socket
    assert settled(context, 0)


def decoded(frame):
    magic, encoding, chunk, steer, rate_hz, channels, count, flags = HEADER.unpack_from(frame)
    assert (magic, rate_hz, channels, flags) == (MAGIC, 48_000, 2, 0)
    audio = np.frombuffer(frame, ["<f4", "<i2"][encoding], offset=HEADER.size)
    return chunk, steer, audio.reshape(count, channels)


def test_ready_describes_the_pipeline_and_its_controls(client, context):
    ready = hear(client)
    assert ready["format"] == {"chunk_s": 0.2, "sample_rate_hz": 48_000, "channels": 2}
    assert ready["pipeline"] == "toy"
    assert ready["controls"]["temperature"]["maximum"] == 10
    assert set(ready["controls"]) == set(context.graph.controls)


def test_chunks_are_the_bytes_of_a_local_session(client, context):
    started(client)
    say(client, type="play")
    frames = [decoded(samples(client)) for _ in range(4)]
    assert [chunk for chunk, _, _ in frames] == [0, 1, 2, 3]
    audio = np.concatenate([audio for _, _, audio in frames])
    np.testing.assert_array_equal(audio, offline(4))


def test_samples_of_a_chunk_are_sent_without_a_copy(client, monkeypatch):
    copied, serialize = [], Frame.serialize

    def count(frame, **options):
        copied.append(len(frame.data))
        return serialize(frame, **options)

    started(client)
    monkeypatch.setattr(Frame, "serialize", count)
    say(client, type="play")
    assert len(samples(client)) > LARGE_MESSAGE > max(copied)


def test_int16_is_the_same_music_rounded(client, context):
    started(client, encoding="int16")
    say(client, type="play")
    _, _, audio = decoded(samples(client))
    rounded = np.rint(np.clip(offline(1), -1, 1) * 32767)
    np.testing.assert_array_equal(audio, rounded)


def test_steer_is_confirmed_and_heard(client, context):
    started(client)
    say(client, type="steer", controls={"texts": ["drums"]})
    assert hear(client, "steered")["steer"] == 1
    say(client, type="play")
    _, steer, audio = decoded(samples(client))
    assert steer == 1
    np.testing.assert_array_equal(audio, offline(1, text="drums"))


def test_style_vector_is_a_prompt(client, context):
    with soundstage.open(preset="toy") as session:
        vector = session.embed("drums").tolist()
    prompts = {"texts": [], "text_weights": [], "styles": [vector], "style_weights": [2]}
    started(client, controls={**CONTROLS, **prompts})
    say(client, type="play")
    _, _, audio = decoded(samples(client))
    np.testing.assert_array_equal(audio, offline(1, text="drums"))


def test_reset_makes_the_first_chunk_again(client, context):
    started(client)
    say(client, type="play")
    first = samples(client)
    say(client, type="pause")
    say(client, type="reset")
    hear(client, "restarted")
    say(client, type="play")
    chunk = HEADER.unpack_from(again := samples(client))[2]
    while chunk:  # chunks in progress come first
        chunk = HEADER.unpack_from(again := samples(client))[2]
    assert again == first


def test_saved_session_goes_on_after_the_last_chunk(context):
    with speak(context, PATH) as socket:
        started(socket)
        say(socket, type="play")
        for _ in range(2):
            samples(socket)
        say(socket, type="pause")
        say(socket, type="save")
        saved = hear(socket, "session")["data"]
    with speak(context, PATH) as socket:
        started(socket, session=saved, controls={})
        say(socket, type="play")
        chunk, _, audio = decoded(samples(socket))
        whole = offline(chunk + 1)
        assert chunk >= 2
        np.testing.assert_array_equal(audio, whole[-len(audio) :])
    assert base64.b64decode(saved)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("{", "not JSON"),
        ("[1]", "a message is a JSON object"),
        ('{"type": "dance"}', "none of start"),
        ('{"type": "play"}', "no stream yet"),
        ('{"type": "start", "controls": {"texts": 3}}', "texts"),
        ('{"type": "start", "controls": {"tempo": 3}}', "no control 'tempo'"),
        ('{"type": "start", "controls": {"temperature": NaN}}', "NaN"),
        ('{"type": "start", "controls": {"temperature": true}}', "true or false"),
        ('{"type": "start", "controls": {"temperature": HUGE}}', "temperature"),
        ('{"type": "start", "controls": {"prompts": [["a", HUGE]]}}', "prompts"),
        ('{"type": "reset", "seed": HUGE}', "no stream yet"),
        ('{"type": "start", "buffer_chunks": HUGE}', "at most 60"),
        ('{"type": "start", "controls": {"clips": ["gone"]}}', "upload it again"),
        ('{"type": "start", "controls": {"temperature": 1e999}}', "controls.temperature: 1e999"),
        ('{"type": "start", "controls": {"seed": %s}}' % (5000 * "9"), "controls.seed: a number"),
        ('{"type": "start", "buffer_chunks": -1e999}', "buffer_chunks: -1e999 is beyond"),
        ('{"type": "start", "controls": {"texts": ["\\ud800"]}}', "not text that UTF-8 can write"),
        ('{"type": "start", "controls": {"texts": [" \\u200b"]}}', "blanks only"),
        ('{"type": "start", "controls": %s}' % (99_999 * "["), "more than 64 levels"),
        ('{"a":' * 70 + "1" + "}" * 70, "more than 64 levels"),
        ('{"type": "start", "pace": "slow"}', "pace"),
        ('{"type": "start", "encoding": "mp3"}', "encoding"),
        ('{"type": "start", "session": "!"}', "base64"),
        ('{"type": "start", "session": "é"}', "base64"),
        ('{"type": "start", "session": "AAAA"}', "session"),
        # A packed session that says that it is 4 GB long.
        ('{"type": "start", "session": "U1NUMf////8="}', "4294967295 bytes; at most"),
        ('{"type": "start", "controls": {"styles": [1, 2]}}', "styles: expected a list of lists"),
        ('{"type": "start", "controls": {"styles": [["a"]]}}', "styles: expected lists of numbers"),
        (
            '{"type": "start", "controls": {"styles": [[1, 2]], "style_weights": [1]}}',
            "styles: expected a list of float32 [768] each",
        ),
        ('{"type": "start", "continue": 3}', "the name of an upload"),
        ('{"type": "start", "continue": "gone"}', "upload it again"),
        ('{"type": "start", "continue": "gone", "session": "AAAA"}', "not both"),
        ('{"type": "prepare", "controls": {}}', "no stream yet"),
        (b"\x00\x01", "begins with shin"),
        (b"shin" + bytes(8) + b"\x02\x00\x00\x00", "no stream yet"),
        (b"shin" + bytes(8) + b"\x07\x00\x00\x00", "1 or 2 channels"),
        (b"shin" + bytes(8) + b"\x02\x00\x00\x00" + bytes(9), "within a sample"),
    ],
)
def test_unusable_message_is_refused_and_the_connection_lives(client, message, words):
    hear(client)
    if isinstance(message, str):
        message = message.replace("HUGE", "9" * 400)  # a number that does not fit in a float
    client.send(message)
    refused = hear(client)
    assert refused["type"] == "refused"
    assert words in refused["reason"]
    say(client, type="start", controls=CONTROLS)
    assert hear(client)["type"] == "started"


@pytest.mark.parametrize("frames", [[b"\xff"], [b'{"type": "', b'\xe9"}']])
def test_text_that_is_not_utf8_ends_the_connection_with_a_reason(context, caplog, frames):
    with speak(context, PATH) as socket:
        hear(socket)
        socket.send(frames if len(frames) > 1 else frames[0], text=True)
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv(timeout=PATIENCE_S)
    assert closed.value.rcvd.code == CloseCode.INVALID_DATA
    assert closed.value.rcvd.reason == "a text message is not UTF-8"
    assert not caplog.records
    assert settled(context, 0)


def test_refused_steer_changes_no_byte(client, context):
    started(client)
    say(client, type="steer", controls={"seed": 9, "temperature": -1})
    assert "temperature" in hear(client, "refused")["reason"]
    say(client, type="play")
    _, _, audio = decoded(samples(client))
    np.testing.assert_array_equal(audio, offline(1))


def test_second_stream_on_one_connection_is_refused(client):
    started(client)
    say(client, type="start")
    assert "already" in hear(client, "refused")["reason"]
    say(client, type="stop")
    hear(client, "stopped")
    say(client, type="start")
    hear(client, "started")


def test_stalled_client_delays_no_other_and_frees_its_slot(context):
    stalled = speak(context, PATH, legacy=True)
    started(stalled)
    say(stalled, type="play")
    with speak(context, PATH) as socket:
        started(socket)
        say(socket, type="play")
        digest = hashlib.sha256()
        for _ in range(20):
            digest.update(samples(socket)[HEADER.size :])
    assert digest.hexdigest() == hashlib.sha256(offline(20).tobytes()).hexdigest()
    stalled.socket.close()  # without a close frame
    assert settled(context, 0)


def test_stream_above_the_rows_is_answered_by_full():
    with served(rows=1) as context, speak(context, PATH) as first, speak(context, PATH) as second:
        started(first)
        started(second)  # only looks: it takes no slot before it plays
        say(first, type="play")
        samples(first)
        say(second, type="play")
        full = hear(second)
        assert (full["type"], full["of"]) == ("full", "play")
        assert full["retry_after_s"] > 0
        say(first, type="pause")
        say(first, type="save")
        hear(first, "session")
        say(second, type="play")
        assert len(samples(second)) > 0


def resumable(socket, chunks, **options):
    """Starts a resumable stream and reads chunks; returns their sessions and samples."""
    started(socket, resumable=True, **options)
    say(socket, type="play")
    sessions, audio = [], []
    for _ in range(chunks):
        sessions.append(hear(socket, "chunk")["session"])
        audio.append(samples(socket)[HEADER.size :])
    return sessions, b"".join(audio)


def test_stream_of_a_lost_server_goes_on_with_another_after_the_chunk_of_its_session(client):
    controls = CONTROLS | {"texts": ["drums"]}
    with served() as first, speak(first, PATH) as socket:
        sessions, before = resumable(socket, 3, controls=controls)
    with served() as second, speak(second, PATH) as socket:
        _, after = resumable(socket, 2, session=sessions[1], controls={})
    assert before == offline(3, text="drums").tobytes()
    assert after == offline(4, text="drums")[2 * len(offline(1)) :].tobytes()


def test_session_of_another_pipeline_is_refused_and_the_client_may_start_without(context):
    with served(preset="toy-inject") as other, speak(other, PATH) as socket:
        (session,), _ = resumable(socket, 1)
    with speak(context, PATH) as socket:
        hear(socket)
        say(socket, type="start", session=session)
        refused = hear(socket, "refused")
        assert refused["of"] == "start"
        assert "made by 'toy-inject', not 'toy': start without" in refused["reason"]
        say(socket, type="start")
        assert hear(socket)["type"] == "started"


def test_session_of_a_server_with_other_weights_is_refused(client, context, monkeypatch):
    (session,), _ = resumable(client, 1)
    runner = context.fleet.engines[0].runner
    ours = runner.weights()["embed"]
    other = {"embed": {**ours, "digest": "0", "note": "others"}}
    monkeypatch.setattr(runner, "weights", lambda: runner.__class__.weights(runner) | other)
    with speak(context, PATH) as socket:
        hear(socket)
        say(socket, type="start", session=session)
        reason = hear(socket, "refused")["reason"]
        assert "stage 'embed' had other weights" in reason
        assert "than it has now (others): start without the session" in reason
    assert len(samples(client)) > 0  # the listener plays on


def test_asyncapi_document_has_the_fields_of_the_messages(client, context):
    import urllib.request

    root = f"http://127.0.0.1:{context.settings.port}"
    with urllib.request.urlopen(f"{root}/asyncapi.json") as answer:
        document = json.load(answer)
    messages = document["channels"]["stream"]["messages"]
    assert {"say_start", "say_steer", "hear_started", "hear_refused"} <= set(messages)
    ready = hear(client)
    say(client, type="start", controls=CONTROLS, pace="fast", resumable=True)
    say(client, type="play")
    for message in (ready, hear(client, "chunk")):
        payload = messages[f"hear_{message['type']}"]["payload"]
        assert payload["properties"].keys() == message.keys()
        # Only chunks of a resumable stream have a session.
        assert payload["required"] == [name for name in message if name != "session"]


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (kind, field.alias)
        for kind, model in CLIENT_MESSAGES.items()
        for field in model.model_fields.values()
        if field.alias != "type"
    ],
)
def test_wrong_field_is_refused_with_its_name_value_and_what_fits(kind, field):
    with pytest.raises(Refused, match=rf"^{field}: expected .+; got \[3\]$") as caught:
        read_message({"type": kind, field: [3]})
    assert caught.value.where == field


def test_message_of_deeply_nested_type_is_refused():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(Refused, match="none of start"):
        read_message({"type": nested})


def chunk_after(client, steer):
    """The description of the first chunk that is made after so many steers."""
    while True:
        message = hear(client)
        if message["type"] == "chunk" and message["steer"] == steer:
            return message


def test_chunk_names_the_words_of_its_prompts_that_are_not_understood():
    with served(graph=worded()) as context, speak(context, PATH) as client:
        started(client, controls={"prompts": ["techno", "salsa flrbgl quux"]})
        say(client, type="play")
        chunk = chunk_after(client, 0)
        assert chunk["not_understood"] == {"salsa flrbgl quux": "flrbgl, quux"}
        say(client, type="steer", controls={"prompts": ["techno"]})
        chunk = chunk_after(client, 1)
        assert chunk["not_understood"] == {}
