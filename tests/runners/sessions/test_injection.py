"""Live input: it is used in its own tick and in no other."""

import itertools

import numpy as np
import pytest
import soundfile
import soxr
from command_line import run, told

import soundstage
from soundstage.audio.inspection import inspect
from soundstage.errors import InputError
from soundstage.graph import wire
from soundstage.graph.check import build
from soundstage.graph.pipeline_file import read_tables
from soundstage.graph.spec import parse
from soundstage.presets.preset import preset_path
from soundstage.runners.local import LocalRunner
from soundstage.runners.sessions.injection import LiveInput, NotInjectable, blocks, inject_control
from soundstage.runners.sessions.session import Session
from soundstage.runners.traces.trace import read_trace

SHORT = ("format.chunk_s=0.4", "format.context_s=2.0")
RATE_HZ = 48_000
CHUNK = 19_200


def opened(preset="toy-inject", **controls):
    return soundstage.open(preset=preset, settings=SHORT, prompts=["bells"], seed=3, **controls)


def sound(seconds, seed=0):
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    pitches = 25 * np.random.default_rng(seed).integers(5, 30, 2)
    left, right = (0.3 * np.sin(2 * np.pi * pitch * time_s) for pitch in pitches)
    return np.stack([left, right], -1).astype(np.float32)


def play(session, inputs):
    """Makes one chunk for each input."""
    chunks = []
    for audio in inputs:
        session.steer(inject=audio)
        chunks.append(next(session))
    return chunks


def digests(chunks):
    return [chunk.audio.tobytes() for chunk in chunks]


def outputs_of(chunk, stage, session):
    ports = session.graph.nodes[stage].outputs
    return wire.decode(ports, chunk.messages[stage], session.graph.format.dims).values


EMPTY = np.zeros((0, 2), np.float32)


@pytest.mark.parametrize(
    ("preset", "without"),
    [("toy-inject", "toy"), ("tiny-inject", "tiny"), ("demo-inject", "demo-gapless")],
)
def test_empty_input_gives_the_bytes_of_the_plain_preset(preset, without):
    with opened(preset) as session, opened(without) as plain:
        chunks, expected = (list(itertools.islice(s, 3)) for s in (session, plain))
        assert digests(chunks) == digests(expected)
        # The encoder's input is silence in every tick, so that its output is reused.
        assert all(chunk.seconds["encode"] == 0 for chunk in chunks[1:])


def test_input_changes_its_own_tick_and_later_ones():
    one, other = sound(0.4, 1), sound(0.4, 2)
    with opened() as session:
        first = play(session, [one, EMPTY, one, EMPTY])
    with opened() as session:
        second = play(session, [one, EMPTY, other, EMPTY])
    assert digests(first)[:2] == digests(second)[:2]
    assert digests(first)[2] != digests(second)[2]
    assert digests(first)[3] != digests(second)[3]


def test_input_is_the_last_chunk_of_the_context():
    audio = sound(0.4)
    with opened(inject_own=0.0) as session:
        first, second = play(session, [audio, audio])
        mixed = outputs_of(second, "inject", session)["context"][0]
        tokens = outputs_of(second, "encode", session)["tokens"][0]
        np.testing.assert_array_equal(mixed[-10:], tokens)
        np.testing.assert_array_equal(
            mixed[-20:-10], outputs_of(first, "encode", session)["tokens"][0]
        )
        prompts = outputs_of(second, "pack", session)
        apart = prompts["prompt"] != prompts["unprompted"]
        levels = session.graph.format.context_levels
        style = session.graph.format.prompt_style_levels
        # Both differ in the last chunk and in the style; earlier input is in the past of both.
        assert not apart[0, : -style - 10 * levels].any()
        assert apart[0, -style - 10 * levels : -style].any()


def test_context_of_the_first_tick_has_only_the_input():
    with opened() as session:
        (first,) = play(session, [sound(0.2)])
        context = outputs_of(first, "inject", session)["context"][0]
        assert (context[-5:] >= 0).all()
        assert (context[:-5] == -1).all()


def test_own_audio_is_mixed_with_the_input():
    audio = 0.0 * sound(0.4) + np.float32(1e-4)
    contexts = []
    for gain in (0.0, 1.0):
        with opened(inject_own=gain) as session:
            *_, last = play(session, [EMPTY, audio])
            contexts.append(outputs_of(last, "inject", session)["context"])
    assert not np.array_equal(*contexts)


def test_resumed_session_gives_the_same_bytes(tmp_path):
    inputs = [sound(0.4, seed) for seed in range(4)]
    with opened("tiny-inject") as session:
        chunks = play(session, inputs[:2])
        session.save(tmp_path / "half.session")
        chunks += play(session, inputs[2:])
    with soundstage.resume(tmp_path / "half.session") as session:
        assert digests(play(session, inputs[2:])) == digests(chunks[2:])


def test_session_that_continues_a_clip_takes_input():
    with opened(continue_from=sound(1.0)) as session:
        first, _ = play(session, [sound(0.4), sound(0.4)])
        context = outputs_of(first, "inject", session)["context"][0]
        assert (context[-25:] >= 0).all()


def test_input_of_a_gapless_pipeline_is_as_late_as_its_audio():
    tables = read_tables(preset_path("tiny-inject"))
    gapless = read_tables(preset_path("tiny-gapless"))
    tables["format"] = gapless["format"] | {"chunk_s": 0.4, "context_s": 2.0}
    tables["outputs"] = gapless["outputs"]
    tables["stage"]["decode"] = gapless["stage"]["decode"]
    del tables["stage"]["crossfade"]
    tables["stage"]["hear"]["use"] = "stages.inject:HearOn"
    tables["stage"]["inject"]["use"] = "stages.inject:InjectLate"
    graph = build(parse(tables))
    with LocalRunner(graph) as runner:
        session = Session(runner, [{"inject_own": 1.0}])
        first, second = play(session, [EMPTY, 1e-9 * sound(0.4)])
        mixed = outputs_of(second, "hear", session)["audio"]
        np.testing.assert_allclose(mixed, first.audio, atol=1e-7)
        context = outputs_of(second, "inject", session)["context"][0]
        own = first.outputs["tokens"][0]
        # The input is one frame late, as the audio is.
        np.testing.assert_array_equal(context[-1], own[-1])
        tokens = outputs_of(second, "encode", session)["tokens"][0]
        np.testing.assert_array_equal(context[-11:-1], tokens)


def test_input_changes_the_audio_of_the_demo():
    with soundstage.open(preset="demo-inject", prompts=["house"], seed=3) as session:
        audio = sound(2.0)
        chunks = play(session, [audio, EMPTY])
        context = outputs_of(chunks[0], "inject", session)["context"][0]
        # The input is as late as the audio; before the music starts, the past has nothing else.
        late = session.graph.format.fade_frames
        np.testing.assert_array_equal(
            context[-50 - late : -late], outputs_of(chunks[0], "encode", session)["tokens"][0]
        )
    with soundstage.open(preset="demo-gapless", prompts=["house"], seed=3) as plain:
        others = list(itertools.islice(plain, 2))
    assert digests(chunks)[0] != digests(others)[0]
    assert np.isfinite(chunks[1].audio).all()


# ---- from a file, and live


def test_blocks_of_a_file_are_padded_and_then_empty():
    with opened() as session:
        format = session.graph.format
    audio = sound(1.0)
    parts = list(itertools.islice(blocks(audio, format), 5))
    assert [len(part) for part in parts] == [CHUNK] * 3 + [0, 0]
    np.testing.assert_array_equal(np.concatenate(parts)[: len(audio)], audio)
    assert not np.concatenate(parts)[len(audio) :].any()


def test_generate_inject_gives_the_audio_of_live_input(tmp_path):
    audio = sound(1.0)
    source, out = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, audio, RATE_HZ, subtype="FLOAT")
    settings = [part for setting in SHORT for part in ("--set", setting)]
    arguments = ("bells", "--seed", 3, "--preset", "toy-inject", *settings, "--duration", 1.6)
    done = run("generate", *arguments, "--inject", source, "--output", out)
    assert done.code == 0, done.stderr
    with opened() as session:
        live = LiveInput(session.graph.format)
        chunks = []
        for start in range(0, 4 * CHUNK, CHUNK):
            for piece in np.split(np.pad(audio, ((0, 4 * CHUNK), (0, 0)))[start:][:CHUNK], 8):
                live.write(piece if start < len(audio) else EMPTY)
            chunks += play(session, [live.take()])
    played = soundfile.read(out, dtype="float32")[0]
    expected = np.concatenate([chunk.audio[0] for chunk in chunks])
    np.testing.assert_allclose(played, expected, atol=1e-4)
    assert inspect(out).provenance.injected.audio == "in.wav"


def test_resumed_session_starts_with_empty_input(tmp_path):
    source, journal = tmp_path / "in.wav", tmp_path / "set.journal"
    soundfile.write(source, sound(4.0), RATE_HZ)
    make = ("generate", "x", "--preset", "toy-inject", "--duration", 2, "--output")
    done = run(*make, tmp_path / "a.wav", "--inject", source, "--journal", journal)
    assert done.code == 0, done.stderr
    record = ("--record", tmp_path / "b.arrow", "--output", tmp_path / "b.wav")
    assert run("generate", "--resume", journal, "--duration", 2, *record).code == 0
    ports = soundstage.load(preset="toy-inject").nodes["hear"].outputs
    (tick,) = read_trace(tmp_path / "b.arrow").ticks()
    dims = soundstage.load(preset="toy-inject").format.dims
    assert wire.decode(ports, tick["hear"], dims).values["frames"].tolist() == [0]


def test_live_input_keeps_the_newest_chunk_and_gives_it_once():
    with opened() as session:
        live = LiveInput(session.graph.format)
    audio = sound(1.0)
    for start in range(0, len(audio), 1000):
        live.write(audio[start : start + 1000])
    np.testing.assert_array_equal(live.take(), audio[-CHUNK:])
    assert live.take().shape == (0, 2)


def test_live_input_resamples_mono_to_the_format():
    with opened() as session:
        live = LiveInput(session.graph.format, rate_hz=16_000, channels=1)
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32)
    for piece in np.split(tone[:, None], 100):
        live.write(piece)
    audio = live.take()
    np.testing.assert_array_equal(audio[:, 0], audio[:, 1])
    spectrum = np.abs(np.fft.rfft(audio[:, 0]))
    assert abs(spectrum.argmax() * RATE_HZ / CHUNK - 440) < 3


def test_live_input_resamples_at_most_two_chunks_of_a_write(monkeypatch):
    format = soundstage.load(preset="toy-inject").format
    resampled = []

    class Counting(soxr.ResampleStream):
        def resample_chunk(self, samples, last=False):
            resampled.append(len(samples))
            return super().resample_chunk(samples, last)

    monkeypatch.setattr(soxr, "ResampleStream", Counting)
    tone = np.sin(np.arange(100_000) / 3).astype(np.float32)[:, None]
    live = LiveInput(format, rate_hz=1_000, channels=1)
    live.write(tone)
    assert resampled == [2 * 1_000 * format.chunk_s]
    assert len(live.take()) == format.dims["sample"]


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((4, 2), np.float64),
        np.zeros(4, np.float32),
        np.zeros((4, 3), np.float32),
        np.full((4, 2), np.nan, np.float32),
        np.full((4, 2), 33, np.float32),
    ],
)
def test_live_input_refuses_bad_samples_and_keeps_none(samples):
    live = LiveInput(soundstage.load(preset="toy-inject").format)
    with pytest.raises(InputError):
        live.write(samples)
    assert not len(live.take())


# ---- errors, and the presets


def test_pipeline_without_live_input_is_refused(tmp_path):
    with pytest.raises(NotInjectable, match="toy takes no audio"):
        inject_control(soundstage.load(preset="toy"))
    refused = run("generate", "x", "--preset", "toy", "--inject", tmp_path / "in.wav")
    assert refused.code == 4
    assert "presets whose name ends in -inject" in told(refused.stderr)


@pytest.mark.parametrize("name", ["toy", "tiny", "base"])
def test_inject_preset_differs_only_as_its_header_says(name):
    plain, inject = (read_tables(preset_path(which)) for which in (name, f"{name}-inject"))
    header = preset_path(f"{name}-inject").read_text("utf-8").split("\n\n")[0]
    difference = (
        f"differs from {name} in its name, three controls, the stages hear, encode and inject, and "
        "pack and remember, which read the past from inject"
    )
    assert difference in " ".join(header.split("\n# "))
    del plain["name"], inject["name"]
    assert inject["inputs"].keys() - plain["inputs"].keys() == {
        "inject",
        "inject_own",
        "inject_gap_s",
    }
    inject["inputs"] = {key: inject["inputs"][key] for key in plain["inputs"]}
    for stage in ("hear", "encode", "inject"):
        del inject["stage"][stage]
    for stage in ("pack", "remember"):
        assert inject["stage"][stage]["inputs"]["context"] == "inject.context"
        del inject["stage"][stage], plain["stage"][stage]
    assert plain == inject
