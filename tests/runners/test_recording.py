"""Chunks and sessions written to files, shown in a notebook, and awaited in an event loop."""

import asyncio
import base64
import io
import re
import threading
from itertools import islice

import numpy as np
import pytest
import soundfile

import soundstage
from soundstage.audio.inspection import inspect
from soundstage.presets.preset import preset_path
from soundstage.runners import recording

SETTINGS = ["format.chunk_s=0.4"]
CHUNK = 19_200


@pytest.fixture(scope="module")
def toy():
    with soundstage.open(preset="toy", settings=SETTINGS) as session:
        yield session


@pytest.fixture
def session(toy):
    return soundstage.Session(toy.runner, [{"prompts": ["bells:0.5"], "seed": 3}])


@pytest.fixture
def pair(toy):
    rows = [{"prompts": ["bells"], "seed": 3}, {"prompts": ["<b>house</b>"], "seed": 4}]
    return soundstage.Session(toy.runner, rows)


def pcm16(audio):
    return np.rint(audio.clip(-1, 1) * 32767).astype(int)


def read(path):
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    assert rate == 48_000
    return samples.astype(int)


def test_audio_of_a_chunk_is_a_read_only_numpy_array(session):
    chunk = next(session)
    assert type(chunk.audio) is np.ndarray
    assert (chunk.audio.dtype, chunk.audio.shape) == (np.float32, (1, CHUNK, 2))
    assert not chunk.audio.flags.writeable
    assert chunk.sample_rate == session.sample_rate == 48_000


def test_chunk_writes_its_audio_and_what_made_it(session, tmp_path):
    chunk = next(session)
    written = chunk.write(tmp_path / "a.wav")
    assert (written.paths, written.seconds) == ((tmp_path / "a.wav",), 0.4)
    assert np.abs(read(tmp_path / "a.wav") - pcm16(chunk.audio[0])).max() <= 1
    made = inspect(tmp_path / "a.wav").provenance
    assert made.pipeline == "toy"
    assert [(prompt.text, prompt.weight) for prompt in made.prompts] == [("bells", 0.5)]
    assert (made.seeds, made.chunks) == ((3,), 1)


def test_session_writes_seconds_of_music_and_goes_on_after_them(session, toy, tmp_path):
    again = soundstage.Session(toy.runner, [{"prompts": ["bells:0.5"], "seed": 3}])
    expected = np.concatenate([chunk.audio[0] for chunk in islice(again, 3)])
    written = session.write(1, tmp_path / "a.flac")
    assert (written.seconds, written.clipped_samples) == (1.0, 0)
    samples = read(tmp_path / "a.flac")
    assert samples.shape == (48_000, 2)
    assert np.abs(samples - pcm16(expected[:48_000])).max() <= 1
    assert next(session).audio.tobytes() == next(again).audio.tobytes()


def test_each_row_has_a_file(pair, tmp_path):
    files = [tmp_path / "a.wav", tmp_path / "b.wav"]
    chunk = next(pair)
    chunk.write([str(file) for file in files])
    for row, file in enumerate(files):
        assert np.abs(read(file) - pcm16(chunk.audio[row])).max() <= 1
    assert inspect(files[1]).provenance.seeds == (4,)


@pytest.mark.parametrize(
    ("seconds", "names", "error", "words"),
    [
        (1, "a.wav", soundstage.UsageError, "2 rows and 1 file: give a list with one file"),
        (1, ["a.wav", "a.wav"], soundstage.UsageError, "two rows cannot be written to one file"),
        (1, ["a.wav", "b.txt"], soundstage.OutputError, "b.txt: the name must end in"),
        (0, ["a.wav", "b.wav"], soundstage.InputError, "seconds = 0: give a finite number above 0"),
        (np.inf, ["a.wav", "b.wav"], soundstage.InputError, "seconds = inf"),
        ("1", ["a.wav", "b.wav"], soundstage.InputError, "seconds = '1'"),
    ],
)
def test_refused_write_makes_no_chunk_and_no_file(pair, tmp_path, seconds, names, error, words):
    files = tmp_path / names if isinstance(names, str) else [tmp_path / name for name in names]
    with pytest.raises(error, match=words):
        pair.write(seconds, files)
    assert pair.state.chunks == (0, 0)
    assert list(tmp_path.iterdir()) == []


def test_pipeline_without_audio_says_what_it_has(tmp_path):
    text = preset_path("toy").read_text("utf-8")
    file = tmp_path / "tokens.toml"
    file.write_text(re.sub(r"(?m)^audio +=.*", 'audio = "sample.tokens"', text))
    graph = soundstage.load(pipeline=file, settings=SETTINGS)
    with soundstage.Session(soundstage.open_runner(graph), owns_runner=True) as session:
        chunk = next(session)
        assert chunk.audio.dtype == np.int32
        assert chunk._repr_html_() is None
        with pytest.raises(soundstage.UsageError, match=r"int32 \['frame', 'level'\], and not"):
            session.write(1, tmp_path / "a.wav")
    tokens = soundstage.Chunk(graph, {}, chunk.tick, {"tokens": chunk.audio}, chunk.state, {}, {})
    with pytest.raises(soundstage.UsageError, match="no audio among its outputs, tokens"):
        _ = tokens.audio


def test_notebook_shows_a_player_and_a_spectrogram_of_each_row(pair):
    chunk = next(pair)
    shown = chunk._repr_html_()
    assert shown.count("<audio controls") == shown.count("<image ") == 2
    assert "&lt;b&gt;house&lt;/b&gt;" in shown
    assert "<b>" not in shown
    assert "0.40 s, 48 kHz; spectrogram 30 Hz to 24 kHz" in shown
    wav = re.findall(r"data:audio/wav;base64,([\w+/=]+)", shown)[1]
    samples = read(io.BytesIO(base64.b64decode(wav)))
    assert np.abs(samples - pcm16(chunk.audio[1])).max() <= 1


def test_notebook_plays_the_written_file_itself(session, tmp_path, monkeypatch):
    written = session.write(0.5, tmp_path / "a.ogg")
    data = base64.b64encode((tmp_path / "a.ogg").read_bytes()).decode()
    assert f"data:audio/ogg;base64,{data}" in written._repr_html_()
    monkeypatch.setattr(recording, "MOST_EMBEDDED_BYTES", 100)
    shown = written._repr_html_()
    assert "<image " in shown
    assert "<audio" not in shown
    assert "too long to be played here" in shown
    (tmp_path / "a.ogg").unlink()
    assert "cannot be read" in written._repr_html_()


def test_event_loop_gets_the_chunks_of_a_plain_loop(session, toy):
    again = soundstage.Session(toy.runner, [{"prompts": ["bells:0.5"], "seed": 3}])

    async def play():
        heard = []
        async for chunk in session:
            heard.append(chunk.audio.tobytes())
            if len(heard) == 3:
                return heard

    assert asyncio.run(play()) == [chunk.audio.tobytes() for chunk in islice(again, 3)]


def test_event_loop_runs_on_while_a_chunk_is_made(session):
    gate = threading.Event()
    stream = session.runner.stream

    class Waiting:
        graph, window = session.graph, 1

        def stream(self, *arguments):
            assert gate.wait(60)
            return stream(*arguments)

    session.runner = Waiting()

    async def play():
        making = asyncio.create_task(anext(session))
        await asyncio.sleep(0)
        gate.set()  # reached only if the loop is free
        return (await making).tick.chunks

    assert asyncio.run(play()) == (0,)


@pytest.mark.parametrize("claim", ["await", "next"])
def test_chunk_of_a_cancelled_wait_is_not_lost(session, claim):
    async def play():
        waiting = asyncio.create_task(anext(session))
        await asyncio.sleep(0)  # the thread has begun
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return [
            (await anext(session) if claim == "await" else next(session)).tick.chunks
            for _ in range(2)
        ]

    assert asyncio.run(play()) == [(0,), (1,)]


def test_number_that_is_not_finite_names_its_stage_and_leaves_no_file(tmp_path):
    settings = [*SETTINGS, "decode.use=broken_stages:NanDecode"]
    with soundstage.open("toy", settings=settings, allow=["broken_stages"]) as session:
        with pytest.raises(soundstage.StageError, match=r"first such number is from .* 'decode'"):
            session.write(1, tmp_path / "a.wav")
        assert next(session)._repr_html_().count("<audio") == 1
    assert list(tmp_path.iterdir()) == []
