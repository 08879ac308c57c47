"""Chunks of any number of frames, down to one of 40 ms, in sessions, commands and the server."""

import io
from itertools import islice

import numpy as np
import pytest
import soundfile
from command_line import run
from served import hear, samples, say, served, speak, started

import soundstage
from soundstage.runners.engine.admission import MOST_AHEAD
from soundstage.runners.local import LocalRunner
from soundstage.runners.sessions.files import read_session
from soundstage.runners.sessions.session import Session

FRAME_S, FRAME_SAMPLES = 0.04, 1920
SHORT = ("--preset", "toy", "--set", "format.chunk_s=0.04", "--set", "format.context_s=0.4")


def toy(frames):
    settings = [f"format.chunk_s={frames * FRAME_S}", f"format.context_s={2 + frames * FRAME_S}"]
    return soundstage.load("toy", settings=settings)


@pytest.mark.parametrize("frames", [1, 2, 3, 7, 29, 50])
def test_session_makes_chunks_of_any_number_of_frames(frames, tmp_path):
    with LocalRunner(toy(frames)) as runner:
        session = Session(runner, [{"seed": 1}])
        chunks = list(islice(session, 3))
        assert [chunk.audio.shape for chunk in chunks] == [(1, frames * FRAME_SAMPLES, 2)] * 3
        session.save(tmp_path / "s.session")
        expected = next(session).audio
        resumed = Session.resume(runner, read_session(tmp_path / "s.session"))
        np.testing.assert_array_equal(next(resumed).audio, expected)
        recording = session.write(0.3, tmp_path / "x.wav")
    assert recording.seconds == 0.3
    assert soundfile.info(tmp_path / "x.wav").frames == 14_400


def test_frame_by_frame_with_lookahead_gives_the_same_bytes():
    with LocalRunner(toy(1)) as runner:
        one, ahead = (
            [chunk.audio.tobytes() for chunk in islice(Session(runner, lookahead=lookahead), 40)]
            for lookahead in (0, 6)
        )
    assert one == ahead
    assert len(set(one)) == 40


def test_commands_write_and_play_chunks_of_a_frame(tmp_path):
    made, played = tmp_path / "made.wav", tmp_path / "played.wav"
    options = (*SHORT, "--seed", 3, "--duration", 1.5)
    done = run("generate", "bells", *options, "--output", made)
    assert done.code == 0, done.stderr
    done = run("play", "bells", *options, "--output", played)
    assert done.code == 0, done.stderr
    assert "1.5 s of music" in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("chunk ")]
    assert lines[0].startswith("chunk 0: ")
    assert len(lines) < 38 / 4  # one for each second of music, and for each underrun
    first, second = (soundfile.read(path, dtype="float32")[0] for path in (made, played))
    assert len(first) == 72_000
    if "underrun" not in done.stderr.replace("underruns", ""):  # else silence is between
        inner = slice(1000, 70_000)  # the player fades in and out
        np.testing.assert_allclose(second[inner], first[inner], atol=1e-4)


def test_server_streams_chunks_of_a_frame_a_fifth_of_a_second_ahead():
    with served(chunk_s=FRAME_S) as context:
        assert context.graph.format.dims["sample"] == FRAME_SAMPLES
        with speak(context, "/ws/stream") as socket:
            started(socket, pace="realtime")
            say(socket, type="play")
            sizes = {len(samples(socket)) for _ in range(30)}
            (row,) = context.fleet.engines[0].rows()
            assert row.schedule.ahead_s == pytest.approx(0.2)
            assert row.max_unread == 5 < MOST_AHEAD
            assert len(sizes) == 1
            say(socket, type="stop")
            hear(socket, "stopped")


def test_stream_over_http_is_made_of_chunks_of_a_frame(tmp_path):
    import urllib.request

    with served(chunk_s=FRAME_S) as context:
        address = f"http://127.0.0.1:{context.settings.port}/stream.wav?prompt=bells"
        with urllib.request.urlopen(address) as stream:
            data = stream.read(44 + 20 * FRAME_SAMPLES * 4)
    audio, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32")
    assert rate_hz == 48_000
    assert np.abs(audio).max() > 0
