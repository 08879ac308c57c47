"""Continuing a clip: the state, the audio of the first chunk, and refused input."""

import jax
import numpy as np
import pytest
import soundfile
from beat_graphs import toy_on_beat
from command_line import run, told

import soundstage
from soundstage.audio.inspection import inspect
from soundstage.errors import InputError, StageError
from soundstage.graph.check import build
from soundstage.graph.pipeline_file import read_tables
from soundstage.graph.spec import parse
from soundstage.presets.preset import preset_path
from soundstage.runners.models import refuse_missing_models
from soundstage.runners.sessions.continuation import (
    ClipContinuer,
    NotContinuable,
    continued_state,
    find_ends,
    read_clip,
)
from soundstage.stages.spectrostream.codec import load_codec
from soundstage.stages.spectrostream.config import TINY
from soundstage.stages.weights.sources import open_source

SHORT = ("format.chunk_s=0.4", "format.context_s=2.0")
RATE_HZ, FADE = 48_000, 1920


@pytest.fixture(scope="module")
def toy():
    return soundstage.load(preset="toy", settings=SHORT)


def sound(seconds, seed=0):
    """Returns a chord that fades in and out on one side, so that the tokens vary."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    draw = np.random.default_rng(seed)
    pitches = 25 * draw.integers(5, 30, 3)
    chord = sum(np.sin(2 * np.pi * pitch * time_s) for pitch in pitches)
    return (0.1 * np.stack([chord, chord * np.sin(3 * time_s)], -1)).astype(np.float32)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "clip.wav"
    soundfile.write(path, sound(1.3), RATE_HZ, subtype="PCM_16")
    return path


def encoded(graph, audio):
    with ClipContinuer(graph) as continuer:
        return continuer.encode(audio)


def remembered(state):
    return state.values["remember.context"]


# ---- the state


def test_context_of_a_short_clip_is_empty_before_it(toy):
    audio = sound(1.3)
    state = continued_state(toy, audio)
    frames = 32  # of 32.5: the first half frame is left out, so that the tokens end with the clip
    context = remembered(state)
    assert (context[0, :-frames] == -1).all()
    tokens = encoded(toy, audio)
    np.testing.assert_array_equal(context[0, -frames:], tokens)
    assert (state.streams, state.chunks) == (("0",), (0,))


def test_count_of_beats_is_free_behind_a_clip(tmp_path):
    pipeline = tmp_path / "beat.toml"
    pipeline.write_text(toy_on_beat())
    # A tempo that the pipeline's own prompt has must not start to count in the clip.
    text = pipeline.read_text().replace("bpm = 0.0", "bpm = 120.0")
    pipeline.write_text(text)
    graph = soundstage.load(pipeline=pipeline)
    state = continued_state(graph, sound(1.3))
    assert (state.values["pack.beats"] == -1).all()
    assert (state.values["pack.tempo"] == 0).all()
    assert (remembered(state)[0, -32:] >= 0).all()
    with soundstage.open(pipeline=pipeline, continue_from=sound(1.3)) as session:
        assert np.abs(next(session).audio).max() > 0


def test_only_the_end_of_a_long_clip_is_used(toy):
    audio = sound(5.0)
    context = remembered(continued_state(toy, audio))
    assert (context >= 0).all()
    # The second before the context is encoded too, as the codec may look back.
    np.testing.assert_array_equal(remembered(continued_state(toy, audio[-3 * RATE_HZ :])), context)


def test_continuer_makes_states_for_several_clips(toy):
    clips = [sound(1.3), sound(0.4, seed=5), sound(1.3)]
    with ClipContinuer(toy) as continuer:
        first, second, again = (continuer.state(audio, ("a", "b")) for audio in clips)
    assert second.streams == ("a", "b")
    for name, value in first.values.items():
        np.testing.assert_array_equal(value, again.values[name])
    assert not np.array_equal(remembered(first), remembered(second))


def test_streams_with_the_same_clip_differ_by_their_seeds(clip):
    rows = [{"seed": 1}, {"seed": 2}]
    with soundstage.open(preset="toy", settings=SHORT, rows=rows, continue_from=clip) as session:
        np.testing.assert_array_equal(*remembered(session.state))
        audio = next(session).audio
    with soundstage.open(preset="toy", settings=SHORT, seed=2, continue_from=clip) as session:
        np.testing.assert_array_equal(next(session).audio[0], audio[1])
    assert not np.array_equal(audio[0], audio[1])


def test_clip_changes_the_tokens_of_the_first_chunk(clip):
    outputs = []
    for start in (None, clip, sound(1.3, seed=5)):
        with soundstage.open(preset="toy", settings=SHORT, continue_from=start) as session:
            outputs.append(next(session).outputs["tokens"])
    assert len({tokens.tobytes() for tokens in outputs}) == 3


def test_gapless_audio_equals_one_decoding_of_clip_and_music():
    audio = sound(1.3)
    settings = ("format.chunk_s=0.4", "format.context_s=1.2")
    opened = soundstage.open(preset="tiny-gapless", settings=settings, continue_from=audio)
    with opened as session:
        graph = session.graph
        chunks = [next(session) for _ in range(2)]
    before = encoded(graph, audio)[None]
    tokens = np.concatenate([before, *(chunk.outputs["tokens"] for chunk in chunks)], axis=1)
    codec = load_codec(TINY, open_source("random:0"), jax.devices("cpu")[0])[0]
    whole = codec.decode(tokens)[:, (before.shape[1] - 1) * FADE :]
    music = np.concatenate([chunk.audio for chunk in chunks], axis=1)
    np.testing.assert_allclose(music[:, : whole.shape[1]], whole, atol=1e-6 * np.abs(whole).max())


def test_cross_fade_starts_with_the_decoded_end_of_the_clip(toy):
    """The tail is the end of the clip's last chunk, decoded from its tokens."""
    audio = sound(1.3)
    tail = continued_state(toy, audio).values["crossfade.tail"]
    decode = toy.nodes["decode"].cls(None, toy.format, jax.devices("cpu")[0])
    tokens = encoded(toy, audio)[None]
    frames = toy.format.dims["frame"]
    rendered = decode(tokens[:, -frames:], tokens[:, -2 * frames : -frames])["audio"]
    np.testing.assert_array_equal(tail, rendered[:, -FADE:])


def clips_of(**opened):
    with soundstage.open(preset="toy", settings=SHORT, **opened) as session:
        return session.controls[0]["clips"]


def test_clip_is_the_prompt_if_there_is_no_other(clip, tmp_path):
    expected = clips_of(prompts=[soundstage.Audio(clip)])
    assert len(expected) == 1
    np.testing.assert_array_equal(clips_of(continue_from=clip), expected)
    assert len(clips_of(continue_from=clip, prompts=["brass"])) == 0
    assert len(clips_of(continue_from=clip, texts=["brass"], text_weights=[1.0])) == 0
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros((RATE_HZ, 2)), RATE_HZ)
    assert len(clips_of(continue_from=silence)) == 0


# ---- the command


def test_generate_without_keep_clip_fades_in(clip, tmp_path):
    out = tmp_path / "out.wav"
    arguments = ("--preset", "toy", "--continue-from", clip, "--duration", 3)
    done = run("generate", "x", *arguments, "--output", out)
    assert done.code == 0, done.stderr
    music = soundfile.read(out, dtype="float32")[0]
    assert len(music) == 3 * RATE_HZ
    assert not music[0].any()
    assert np.abs(music[: FADE // 8]).max() < 0.5 * np.abs(music[:FADE]).max()


def test_generate_with_keep_clip_joins_clip_and_music(clip, tmp_path):
    paths = [tmp_path / name for name in ("alone.wav", "kept.wav")]
    arguments = ("generate", "x", "--preset", "toy", "--continue-from", clip, "--duration", 2)
    assert run(*arguments, "--output", paths[0]).code == 0
    done = run(*arguments, "--keep-clip", "--output", paths[1], "--save", tmp_path / "a.session")
    assert done.code == 0, done.stderr
    original, alone, kept = (soundfile.read(path, dtype="float32")[0] for path in (clip, *paths))
    start = len(original) - FADE
    assert len(kept) == start + len(alone)
    np.testing.assert_array_equal(kept[:start], original[:start])
    np.testing.assert_array_equal(kept[start + FADE :], alone[FADE:])
    # In the fade, the rest is the clip, which fades out.
    left = kept[start : start + FADE] - alone[:FADE]
    fall = np.sin(np.linspace(0, np.pi / 2, FADE, endpoint=False))[::-1, None]
    np.testing.assert_allclose(left, original[start:] * fall, atol=1e-4)
    assert "2 s of audio" in done.stderr


def test_provenance_has_the_clip_and_repeats_give_equal_bytes(clip, tmp_path):
    out = tmp_path / "out.wav"
    arguments = ("--preset", "toy", "--continue-from", clip, "--duration", 1, "--output", out)
    assert run("generate", "x", *arguments).code == 0
    provenance = inspect(out).provenance
    assert provenance.continues.audio == "clip.wav"
    assert any(line.startswith("continues   clip.wav, ") for line in provenance.lines())
    first = out.read_bytes()
    assert run("generate", "x", *arguments).code == 0
    assert out.read_bytes() == first


def test_resumed_session_continues_where_the_first_file_ends(clip, tmp_path):
    arguments = ("generate", "x", "--preset", "toy", "--continue-from", clip)
    parts = [tmp_path / f"{name}.wav" for name in ("whole", "first", "rest")]
    saved = tmp_path / "a.session"
    assert run(*arguments, "--duration", 4, "--output", parts[0]).code == 0
    assert run(*arguments, "--duration", 2, "--output", parts[1], "--save", saved).code == 0
    rest = ("--resume", saved, "--duration", 2, "--output", parts[2])
    assert run("generate", *rest).code == 0
    whole, *halves = (soundfile.read(path, dtype="int16")[0] for path in parts)
    np.testing.assert_array_equal(np.concatenate(halves), whole)


def test_clip_may_have_another_rate_and_channel_count(tmp_path, toy):
    path = tmp_path / "mono.flac"
    soundfile.write(path, sound(1.3)[::2, 0], RATE_HZ // 2)
    audio = read_clip(path, toy)
    assert audio.shape[1] == 2
    assert abs(len(audio) - 1.3 * RATE_HZ) < 10
    assert (remembered(continued_state(toy, audio))[0, -32:] >= 0).all()


# ---- errors


def without_an_encoder():
    tables = read_tables(preset_path("toy"))
    for stage in ("decode", "crossfade"):
        del tables["stage"][stage]
    tables["outputs"] = {"audio": "sample.tokens"}
    return tables


def test_pipeline_without_an_encoder_is_refused():
    with pytest.raises(NotContinuable, match=r"toy cannot continue a clip.*it has none"):
        find_ends(build(parse(without_an_encoder())))


def test_pipeline_with_two_codecs_is_refused_with_both_names():
    tables = read_tables(preset_path("toy"))
    tables["stage"]["other"] = tables["stage"]["decode"]
    with pytest.raises(NotContinuable, match=r"stages.toy:SineDecode, stages.toy:SineDecode"):
        find_ends(build(parse(tables)))


def test_pipeline_without_a_context_is_refused():
    tables = read_tables(preset_path("toy"))
    for stage in ("pack", "decode", "remember"):
        inputs = tables["stage"][stage]["inputs"]
        inputs["context"] = "in.context"
    tables["inputs"]["context"] = np.zeros((250, 16), int).tolist()
    with pytest.raises(NotContinuable, match="feeds back 0 contexts"):
        find_ends(build(parse(tables)))


@pytest.mark.parametrize(
    ("audio", "reason"),
    [
        (np.zeros((1919, 2), np.float32), "shorter than one codec frame"),
        (np.zeros((9600, 1), np.float32), r"channel=2\], got float32 \[9600, 1\]"),
        (np.zeros((9600, 2), np.float64), "got float64"),
    ],
)
def test_array_that_is_not_a_clip_is_refused(toy, audio, reason):
    with pytest.raises(InputError, match=reason):
        continued_state(toy, audio)


def test_conflicting_options_and_missing_files_are_refused(clip, tmp_path):
    never = tmp_path / "never.wav"
    make = ("generate", "x", "--preset", "toy", "--output", never)
    refused = run(*make, "--keep-clip")
    assert refused.code == 2
    assert "--keep-clip needs --continue-from" in told(refused.stderr)
    refused = run(*make, "--continue-from", clip, "--resume", tmp_path / "no.session")
    assert refused.code == 2
    refused = run(*make, "--continue-from", tmp_path / "no.wav")
    assert refused.code == 3
    assert not never.exists()


# ---- stages that say what audio leaves behind


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (RuntimeError("no ear"), "stage 'pack': its after_audio raised RuntimeError: no ear"),
        ({"tempo": np.zeros(3, np.float32)}, "after_audio returned float32 [3], not float32 []"),
        ({"tempo": np.zeros((), np.float64)}, "after_audio returned float64 [], not float32 []"),
        (7, "stage 'pack': its after_audio raised TypeError"),
    ],
)
def test_fault_after_audio_has_the_name_of_its_stage(returned, words, monkeypatch, tmp_path):
    def after_audio(audio, format):
        if isinstance(returned, Exception):
            raise returned
        return returned

    pipeline = tmp_path / "beat.toml"
    pipeline.write_text(toy_on_beat())
    graph = soundstage.load(pipeline=pipeline, settings=SHORT)
    monkeypatch.setattr(graph.nodes["pack"].cls, "after_audio", staticmethod(after_audio))
    with pytest.raises(StageError) as failed:
        continued_state(graph, sound(1.3))
    assert words in str(failed.value)


def test_fault_of_lacking_has_the_name_of_its_stage(monkeypatch):
    def lacking(params):
        raise KeyError("weights")

    graph = soundstage.load("toy")
    monkeypatch.setattr(graph.nodes["decode"].cls, "lacking", lacking, raising=False)
    with pytest.raises(StageError, match="stage 'decode': its lacking raised KeyError"):
        refuse_missing_models(graph)
