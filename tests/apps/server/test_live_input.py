"""Clips to go on from, live input, and prepared changes, over a WebSocket."""

import io
import itertools
import json
import time
import urllib.request

import numpy as np
import pytest
import soundfile
from served import PATIENCE_S, hear, samples, say, served, settled, speak, started

import soundstage
from soundstage.apps.server.protocols.frames import AGAIN, HEADER
from soundstage.apps.server.protocols.live_frames import LIVE_INPUT_HEADER, LIVE_INPUT_MAGIC
from soundstage.runners.engine.clip_encoder import ClipEncoder
from soundstage.stages.weights.array_source import WeightsError

PATH = "/ws/stream"
RATE_HZ = 48_000
# Long: on a busy machine, a test takes a while to act while a chunk sounds.
CHUNK_S = 10.0
SEED_5 = {"texts": ["bells"], "text_weights": [1.0], "seed": 5}


@pytest.fixture(scope="module")
def context():
    with served(rows=2, preset="toy-inject", chunk_s=CHUNK_S) as context:
        yield context


def sound(seconds, pitch_hz=220.0):
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = 0.3 * np.sin(2 * np.pi * pitch_hz * time_s)
    return np.stack([wave, 0.5 * wave], axis=1).astype(np.float32)


def wav(audio):
    file = io.BytesIO()
    soundfile.write(file, audio, RATE_HZ, format="WAV", subtype="FLOAT")
    return file.getvalue()


def upload(context, data):
    address = f"http://127.0.0.1:{context.settings.port}/uploads"
    with urllib.request.urlopen(urllib.request.Request(address, data)) as answer:
        return json.load(answer)["upload"]


def live_frame(audio, encoding, rate_hz=RATE_HZ):
    header = LIVE_INPUT_HEADER.pack(LIVE_INPUT_MAGIC, encoding, rate_hz, audio.shape[1])
    return header + (np.rint(32767 * audio).astype("<i2") if encoding else audio).tobytes()


def ticked(context, ticks):
    """Waits until `ticks` ticks have been made; returns whether they were."""
    until = time.monotonic() + PATIENCE_S
    while context.fleet.counts().ticks < ticks and time.monotonic() < until:
        time.sleep(0.01)
    return context.fleet.counts().ticks >= ticks


def offline(chunks, **options):
    lengths = [f"format.chunk_s={CHUNK_S}", f"format.context_s={2 * CHUNK_S}"]
    options = {"prompts": ["bells"], "seed": 5} | options
    with soundstage.open(preset="toy-inject", settings=lengths, **options) as session:
        return [chunk.audio[0] for chunk in itertools.islice(session, chunks)]


def audio_of(frame):
    return np.frombuffer(frame, "<f4", offset=HEADER.size).reshape(-1, 2)


def test_stream_starts_from_one_upload_and_restarts_from_another(context):
    clips = sound(3.0), sound(2.0, 440.0)
    one, other = (upload(context, wav(clip)) for clip in clips)
    with speak(context, PATH) as socket:
        ready = hear(socket)
        assert ready["takes"] == {"continue": True, "inject": True}
        say(socket, type="start", controls=SEED_5, **{"continue": one})
        hear(socket, "started")
        say(socket, type="play")
        first = audio_of(samples(socket))
        np.testing.assert_array_equal(first, offline(1, continue_from=clips[0])[0])
        assert (first != offline(1)[0]).any()
        say(socket, type="reset", **{"continue": "gone"})
        assert "upload it again" in hear(socket, "refused")["reason"]
        say(socket, type="reset", **{"continue": other})
        hear(socket, "restarted")
        frame = samples(socket)
        while HEADER.unpack_from(frame)[2]:
            frame = samples(socket)
        np.testing.assert_array_equal(audio_of(frame), offline(1, continue_from=clips[1])[0])
    assert settled(context, 0)


def test_clip_that_a_stage_fails_on_is_refused_and_music_goes_on(context, monkeypatch):
    def lacking(graph):
        raise WeightsError("the weights lack the encoder")

    monkeypatch.setattr(context, "clip_encoder", ClipEncoder(context.graph))
    monkeypatch.setattr("soundstage.runners.engine.clip_encoder.ClipContinuer", lacking)
    clip = upload(context, wav(sound(1.0)))
    with speak(context, PATH) as socket:
        started(socket, controls=SEED_5, pace="realtime")
        say(socket, type="reset", **{"continue": clip})
        refused = hear(socket, "refused")
        assert (refused["of"], "lack the encoder" in refused["reason"]) == ("reset", True)
        say(socket, type="play")
        np.testing.assert_array_equal(audio_of(samples(socket)), offline(1)[0])
    assert settled(context, 0)


def test_generated_file_goes_on_from_an_upload(context):
    clip = sound(1.0)
    fields = {"prompts": ["bells"], "seed": 5, "duration_s": 2.0, "format": "flac"}
    fields |= {"continue": upload(context, wav(clip))}
    address = f"http://127.0.0.1:{context.settings.port}/generate"
    request = urllib.request.Request(address, json.dumps(fields).encode())
    with urllib.request.urlopen(request) as answer:
        audio, rate_hz = soundfile.read(io.BytesIO(answer.read()), dtype="float32")
    assert rate_hz == RATE_HZ
    expected = offline(1, continue_from=clip)[0][: len(audio)]
    # 16 bits in the file, rounded once.
    assert np.abs(audio - np.clip(expected, -1, 1)).max() < 2 / 32768


@pytest.mark.parametrize("encoding", [0, 1])
def test_live_input_is_heard_by_the_music(context, encoding):
    audio = sound(1.0)
    if encoding:
        audio = np.rint(32767 * audio).astype(np.float32) * np.float32(1 / 32767)
    with speak(context, PATH) as socket:
        started(socket, controls=SEED_5, pace="realtime")
        for part in np.split(audio, 10):
            socket.send(live_frame(part, encoding))
        # Messages are read in turn: when this one is answered, the audio has been added.
        say(socket, type="steer", controls={})
        hear(socket, "steered")
        say(socket, type="play")
        first = audio_of(samples(socket))
    np.testing.assert_array_equal(first, offline(1, inject=audio)[0])
    assert (first != offline(1)[0]).any()
    assert settled(context, 0)


def test_unusable_live_input_is_refused_and_music_goes_on(context):
    with speak(context, PATH) as socket:
        started(socket, controls=SEED_5, pace="realtime")
        wrong = sound(0.1)
        wrong[7] = np.nan
        socket.send(live_frame(wrong, 0))
        assert "numbers within full scale" in hear(socket, "refused")["reason"]
        socket.send(live_frame(sound(0.1), 0, rate_hz=3))
        assert "1 kHz" in hear(socket, "refused")["reason"]
        say(socket, type="play")
        np.testing.assert_array_equal(audio_of(samples(socket)), offline(1)[0])


def test_prepared_change_replaces_the_chunk_that_sounds(context):
    drums = {"texts": ["drums"], "text_weights": [1.0]}
    with speak(context, PATH) as socket, speak(context, PATH) as other:
        started(socket, controls=SEED_5, pace="realtime")
        say(socket, type="play")
        first, second = samples(socket), samples(socket)
        assert [HEADER.unpack_from(frame)[2] for frame in (first, second)] == [0, 1]
        ticks = context.fleet.counts().ticks
        say(socket, type="prepare", controls=drums)
        hear(socket, "preparing")
        # The last slot is taken now.
        started(other, controls=SEED_5)
        say(other, type="play")
        assert hear(other)["type"] == "full"
        assert ticked(context, ticks + 1)
        say(socket, type="steer", controls=drums, again=True)
        assert hear(socket, "steered")["steer"] == 1
        frame = samples(socket)
        _, _, chunk, steer, _, _, _, flags = HEADER.unpack_from(frame)
        assert (chunk, steer, flags) == (0, 1, AGAIN)
        np.testing.assert_array_equal(audio_of(frame), offline(1, prompts=["drums"])[0])
        say(other, type="play")
        samples(other)
    assert settled(context, 0)


def test_prepare_is_refused_with_a_reason_and_can_be_undone(context):
    with speak(context, PATH) as socket, speak(context, PATH) as other:
        started(socket, controls=SEED_5, pace="realtime")
        started(other, controls=SEED_5, pace="realtime")
        say(socket, type="prepare", controls={"temperature": 99})
        refused = hear(socket, "refused")
        assert refused["of"] == "prepare"
        assert "temperature" in refused["reason"]
        say(socket, type="prepare", controls={"temperature": 0.5})
        hear(socket, "preparing")
        say(socket, type="prepare", controls=None)
        hear(socket, "unprepared")
        for one in (socket, other):
            say(one, type="play")
            samples(one)
        say(socket, type="prepare", controls={"temperature": 0.5})
        full = hear(socket, "full")
        assert full["of"] == "prepare"
    assert settled(context, 0)
