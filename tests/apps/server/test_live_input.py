"""Clips to go on from, audio that is played in, changes that are prepared: over a real socket."""

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
from soundstage.apps.server.protocols.frames import AGAIN, HEADER, HEARD_HEADER, HEARD_MAGIC
from soundstage.runners.engine.clip_encoder import ClipEncoder
from soundstage.stages.weights.array_source import WeightsError

PATH = "/ws/stream"
RATE_HZ = 48_000
# Long: what a test does while a chunk sounds takes a while on a busy machine.
CHUNK_S = 10.0
SEED_5 = {"texts": ["bells"], "text_weights": [1.0], "seed": 5}


@pytest.fixture(scope="module")
def desk():
    with served(rows=2, preset="toy-inject", chunk_s=CHUNK_S) as desk:
        yield desk


def sound(seconds, pitch_hz=220.0):
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = 0.3 * np.sin(2 * np.pi * pitch_hz * time_s)
    return np.stack([wave, 0.5 * wave], axis=1).astype(np.float32)


def wav(audio):
    file = io.BytesIO()
    soundfile.write(file, audio, RATE_HZ, format="WAV", subtype="FLOAT")
    return file.getvalue()


def upload(desk, data):
    address = f"http://127.0.0.1:{desk.settings.port}/uploads"
    with urllib.request.urlopen(urllib.request.Request(address, data)) as answer:
        return json.load(answer)["upload"]


def heard_frame(audio, encoding, rate_hz=RATE_HZ):
    header = HEARD_HEADER.pack(HEARD_MAGIC, encoding, rate_hz, audio.shape[1])
    return header + (np.rint(32767 * audio).astype("<i2") if encoding else audio).tobytes()


def ticked(desk, ticks):
    """Waits until so many ticks have been made; False = they never were."""
    until = time.monotonic() + PATIENCE_S
    while desk.engine.figures().ticks < ticks and time.monotonic() < until:
        time.sleep(0.01)
    return desk.engine.figures().ticks >= ticks


def offline(chunks, **options):
    lengths = [f"format.chunk_s={CHUNK_S}", f"format.context_s={2 * CHUNK_S}"]
    asked = {"prompts": ["bells"], "seed": 5} | options
    with soundstage.open(preset="toy-inject", settings=lengths, **asked) as session:
        return [chunk.audio[0] for chunk in itertools.islice(session, chunks)]


def audio_of(frame):
    return np.frombuffer(frame, "<f4", offset=HEADER.size).reshape(-1, 2)


def test_a_stream_goes_on_from_an_upload_and_begins_anew_from_another(desk):
    clips = sound(3.0), sound(2.0, 440.0)
    one, other = (upload(desk, wav(clip)) for clip in clips)
    with speak(desk, PATH) as socket:
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
    assert settled(desk, 0)


def test_a_clip_that_a_stage_fails_on_is_refused_and_the_music_goes_on(desk, monkeypatch):
    def lacking(graph):
        raise WeightsError("the weights lack the encoder")

    monkeypatch.setattr(desk, "continuing", ClipEncoder(desk.graph))
    monkeypatch.setattr("soundstage.runners.engine.clip_encoder.ClipContinuer", lacking)
    clip = upload(desk, wav(sound(1.0)))
    with speak(desk, PATH) as socket:
        started(socket, controls=SEED_5, pace="realtime")
        say(socket, type="reset", **{"continue": clip})
        refused = hear(socket, "refused")
        assert (refused["of"], "lack the encoder" in refused["reason"]) == ("reset", True)
        say(socket, type="play")
        np.testing.assert_array_equal(audio_of(samples(socket)), offline(1)[0])
    assert settled(desk, 0)


def test_a_file_over_http_goes_on_from_an_upload(desk):
    clip = sound(1.0)
    asked = {"prompts": ["bells"], "seed": 5, "duration_s": 2.0, "format": "flac"}
    asked |= {"continue": upload(desk, wav(clip))}
    address = f"http://127.0.0.1:{desk.settings.port}/generate"
    request = urllib.request.Request(address, json.dumps(asked).encode())
    with urllib.request.urlopen(request) as answer:
        audio, rate_hz = soundfile.read(io.BytesIO(answer.read()), dtype="float32")
    assert rate_hz == RATE_HZ
    wanted = offline(1, continue_from=clip)[0][: len(audio)]
    # 16 bits in the file, rounded once.
    assert np.abs(audio - np.clip(wanted, -1, 1)).max() < 2 / 32768


@pytest.mark.parametrize("encoding", [0, 1])
def test_what_is_played_in_is_heard_by_the_music(desk, encoding):
    audio = sound(1.0)
    if encoding:
        audio = np.rint(32767 * audio).astype(np.float32) * np.float32(1 / 32767)
    with speak(desk, PATH) as socket:
        started(socket, controls=SEED_5, pace="realtime")
        for part in np.split(audio, 10):
            socket.send(heard_frame(part, encoding))
        # Messages are read in turn: when this one is answered, those are in.
        say(socket, type="steer", controls={})
        hear(socket, "steered")
        say(socket, type="play")
        first = audio_of(samples(socket))
    np.testing.assert_array_equal(first, offline(1, inject=audio)[0])
    assert (first != offline(1)[0]).any()
    assert settled(desk, 0)


def test_what_nobody_can_hear_is_refused_and_the_music_goes_on(desk):
    with speak(desk, PATH) as socket:
        started(socket, controls=SEED_5, pace="realtime")
        wrong = sound(0.1)
        wrong[7] = np.nan
        socket.send(heard_frame(wrong, 0))
        assert "numbers within full scale" in hear(socket, "refused")["reason"]
        socket.send(heard_frame(sound(0.1), 0, rate_hz=3))
        assert "1 kHz" in hear(socket, "refused")["reason"]
        say(socket, type="play")
        np.testing.assert_array_equal(audio_of(samples(socket)), offline(1)[0])


def test_a_prepared_change_comes_in_the_place_of_the_chunk_that_sounds(desk):
    drums = {"texts": ["drums"], "text_weights": [1.0]}
    with speak(desk, PATH) as socket, speak(desk, PATH) as other:
        started(socket, controls=SEED_5, pace="realtime")
        say(socket, type="play")
        first, second = samples(socket), samples(socket)
        assert [HEADER.unpack_from(frame)[2] for frame in (first, second)] == [0, 1]
        made = desk.engine.figures().ticks
        say(socket, type="prepare", controls=drums)
        hear(socket, "preparing")
        # The last place is taken now.
        hear(other)
        say(other, type="start")
        assert hear(other)["type"] == "full"
        assert ticked(desk, made + 1)
        say(socket, type="steer", controls=drums, again=True)
        assert hear(socket, "steered")["steer"] == 1
        frame = samples(socket)
        _, _, chunk, steer, _, _, _, flags = HEADER.unpack_from(frame)
        assert (chunk, steer, flags) == (0, 1, AGAIN)
        np.testing.assert_array_equal(audio_of(frame), offline(1, prompts=["drums"])[0])
        say(other, type="start", controls=SEED_5)
        assert hear(other)["type"] == "started"
    assert settled(desk, 0)


def test_preparing_is_refused_in_words_and_given_back_on_demand(desk):
    with speak(desk, PATH) as socket, speak(desk, PATH) as other:
        started(socket, controls=SEED_5, pace="realtime")
        say(socket, type="prepare", controls={"temperature": 99})
        refused = hear(socket, "refused")
        assert refused["of"] == "prepare"
        assert "temperature" in refused["reason"]
        say(socket, type="prepare", controls={"temperature": 0.5})
        hear(socket, "preparing")
        say(socket, type="prepare", controls=None)
        hear(socket, "unprepared")
        started(other, controls=SEED_5, pace="realtime")
        say(socket, type="prepare", controls={"temperature": 0.5})
        full = hear(socket, "full")
        assert full["of"] == "prepare"
    assert settled(desk, 0)
