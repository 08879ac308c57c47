"""The server's protocols with the frame model: notes, drums and strengths, in chunks of 40 ms."""

import base64
import itertools
import json

import numpy as np
import pytest
from served import CONTROLS, hear, samples, say, served, speak, started

import soundstage
from soundstage.apps.server.protocols.frames import HEADER
from soundstage.apps.server.protocols.lyria import PATHS
from soundstage.runners.local import LocalRunner
from soundstage.runners.sessions.session import Session

OWN, CHUNKS = "/ws/stream", 4
CHORD = [60, 64, 67]


@pytest.fixture(scope="module")
def graph():
    return soundstage.load("mrt2-tiny")


@pytest.fixture(scope="module")
def context(graph):
    with served(graph=graph, rows=2, capacity=2) as context:
        yield context


@pytest.fixture(scope="module")
def offline(graph):
    """Returns a function from controls to the same music by a local session."""
    with LocalRunner(graph) as runner:

        def music(**controls):
            session = Session(runner, [{"prompts": ["bells"], "seed": 5} | controls])
            return np.concatenate([chunk.audio[0] for chunk in itertools.islice(session, CHUNKS)])

        yield music


def held(*pitches):
    row = np.zeros((1, 128), np.int32)
    row[0, list(pitches)] = 3
    return row


def heard(socket):
    """Plays, and returns the first chunks."""
    say(socket, type="play")
    frames = [samples(socket) for _ in range(CHUNKS)]
    assert [HEADER.unpack_from(frame)[2] for frame in frames] == list(range(CHUNKS))
    parts = [np.frombuffer(frame, "<f4", offset=HEADER.size) for frame in frames]
    return np.concatenate(parts).reshape(-1, 2)


def test_notes_and_drums_are_those_of_a_local_session(context, offline):
    controls = {"notes": CHORD, "drums": 1, "notes_strength": 4}
    with speak(context, OWN) as socket:
        started(socket, controls=CONTROLS | controls)
        audio = heard(socket)
    expected = offline(notes=held(*CHORD), drums=1, notes_strength=4)
    np.testing.assert_array_equal(audio, expected)
    assert not np.array_equal(audio, offline())


@pytest.mark.parametrize(
    ("controls", "reason"),
    [
        ({"notes": [128]}, "notes: expected a list of MIDI pitches, 0 to 127"),
        ({"drums": 2}, "drums"),
        ({"style_strength": 7.5}, "style_strength: 7.5 is outside the range [-1, 7]"),
        ({"notes_strength": "loud"}, "notes_strength: expected a number"),
    ],
)
def test_refused_control_leaves_the_music_as_it_is(context, offline, controls, reason):
    with speak(context, OWN) as socket:
        started(socket)
        say(socket, type="steer", controls=controls)
        assert reason in hear(socket, "refused")["reason"]
        np.testing.assert_array_equal(heard(socket), offline())


def test_saved_stream_goes_on_after_its_last_chunk(context, offline):
    with speak(context, OWN) as socket:
        started(socket, controls=CONTROLS | {"notes": CHORD}, pace="realtime", buffer_chunks=1)
        say(socket, type="save")
        saved = hear(socket, "session")["data"]
    with speak(context, OWN) as socket:
        started(socket, session=saved, controls={})
        np.testing.assert_array_equal(heard(socket), offline(notes=held(*CHORD)))


def test_state_is_sent_with_every_chunk(context):
    with speak(context, OWN) as socket:
        started(socket, resumable=True)
        say(socket, type="play")
        assert hear(socket, "chunk")["session"]


def test_large_state_is_sent_when_it_is_saved_and_not_with_every_chunk():
    """The decoder of `tiny-gapless` feeds back the last inputs of its layers."""
    graph = soundstage.load("tiny-gapless", settings=["format.chunk_s=0.4"])
    with served(graph=graph, rows=1, capacity=1) as context, speak(context, OWN) as socket:
        started(socket, resumable=True)
        say(socket, type="play")
        assert hear(socket, "chunk")["session"] is None
        say(socket, type="save")
        size = len(hear(socket, "session")["data"])
        assert context.limits.message_bytes < size + 50_000 < context.message_bytes


def lyria(context, **config):
    """Plays by the protocol of Lyria; returns the first chunks, and all warnings before them."""
    parts, warnings = [], []
    with speak(context, PATHS[0]) as socket:
        say(socket, setup={"model": "models/lyria-realtime-exp"})
        hear(socket)
        say(socket, clientContent={"weightedPrompts": [{"text": "bells", "weight": 1.0}]})
        say(socket, musicGenerationConfig={"seed": 5} | config)
        say(socket, playbackControl="PLAY")
        while len(parts) < CHUNKS:
            message = json.loads(socket.recv(timeout=60))
            if "warning" in message:
                warnings.append(message["warning"])
            else:
                (chunk,) = message["serverContent"]["audioChunks"]
                parts.append(np.frombuffer(base64.b64decode(chunk["data"]), "<i2"))
    return np.concatenate(parts).reshape(-1, 2), warnings


def pcm(audio):
    return np.rint(np.clip(audio, -1, 1) * 32767)


@pytest.mark.parametrize(("mute", "drums"), [(True, 0), (False, -1)])
def test_muted_drums_of_lyria_are_no_drums_and_others_are_the_models(context, offline, mute, drums):
    audio, warnings = lyria(context, muteDrums=mute)
    assert warnings == []
    np.testing.assert_array_equal(audio, pcm(offline(drums=drums)))


def test_settings_of_lyria_that_the_model_does_not_have_are_named(context, offline):
    asked = {"muteBass": True, "onlyBassAndDrums": True, "scale": "C_MAJOR_A_MINOR", "bpm": 90}
    audio, warnings = lyria(context, muteDrums=True, **asked)
    names = "bpm, muteBass, onlyBassAndDrums, scale"
    assert warnings == [f"ignored, for this model has no such settings: {names}"]
    np.testing.assert_array_equal(audio, pcm(offline(drums=0)))
