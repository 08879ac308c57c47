"""`soundstage generate`: equal commands make equal bytes, in every format, also when resumed."""

import hashlib

import numpy as np
import pyloudnorm
import pytest
import soundfile
from command_line import run
from worded_graphs import WORDED

import soundstage
from soundstage.audio.inspection import inspect
from soundstage.audio.provenance import AudioPrompt, StylePrompt, TextPrompt
from soundstage.runners.traces.trace import read_trace

RATE_HZ = 48_000


def make(output, *arguments, preset="toy"):
    done = run("generate", "--preset", preset, "--output", output, *arguments)
    assert done.code == 0, done.stderr
    return done


def samples(path):
    return soundfile.read(path, dtype="int16", always_2d=True)[0]


@pytest.fixture(scope="module")
def two_chunks(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "four.wav"
    make(path, "--prompt", "warm pads", "--duration", 4, "--seed", 7)
    return path


@pytest.fixture
def reference(tmp_path):
    """Two seconds of noise at 8 kHz in six channels."""
    path = tmp_path / "ref.wav"
    noise = np.random.default_rng(0).normal(0, 0.1, (16_000, 6))
    soundfile.write(path, noise, 8_000)
    return path


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_every_format_has_the_exact_duration_and_provenance(tmp_path, suffix):
    path = tmp_path / f"out.{suffix}"
    make(path, "warm pads", "--duration", 2.5, "--seed", 3)
    facts = inspect(path)
    assert facts.container == suffix.upper()
    assert (facts.sample_rate_hz, facts.channels) == (RATE_HZ, 2)
    assert round(facts.seconds * RATE_HZ) == 2.5 * RATE_HZ
    assert facts.peak_dbfs > -40
    assert facts.provenance.prompts == (TextPrompt("warm pads"),)
    assert facts.provenance.seeds == (3,)


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(tmp_path, two_chunks):
    make(tmp_path / "again.wav", "--prompt", "warm pads", "--duration", 4, "--seed", 7)
    make(tmp_path / "other.wav", "--prompt", "warm pads", "--duration", 4, "--seed", 8)
    assert (tmp_path / "again.wav").read_bytes() == two_chunks.read_bytes()
    assert not np.array_equal(samples(tmp_path / "other.wav"), samples(two_chunks))


def test_file_holds_the_audio_of_the_python_api(two_chunks):
    with soundstage.open(preset="toy", prompts=["warm pads"], seed=7) as session:
        audio = np.concatenate([next(session).audio[0] for _ in range(2)])
    assert np.abs(samples(two_chunks) / 2**15 - audio).max() < 2**-14


def test_shorter_duration_is_the_beginning_of_a_longer_one(tmp_path, two_chunks):
    make(tmp_path / "short.wav", "--prompt", "warm pads", "--duration", 2.345678, "--seed", 7)
    short = samples(tmp_path / "short.wav")
    assert len(short) == round(2.345678 * RATE_HZ)
    assert np.array_equal(short, samples(two_chunks)[: len(short)])


def test_resumed_session_continues_sample_for_sample(tmp_path, two_chunks):
    saved = tmp_path / "half.session"
    options = ("--prompt", "warm pads", "--duration", 2, "--seed", 7)
    make(tmp_path / "first.wav", *options, "--save", saved)
    done = run("generate", "--resume", saved, "--duration", 2, "-o", tmp_path / "rest.wav")
    assert done.code == 0, done.stderr
    joined = np.concatenate([samples(tmp_path / f"{name}.wav") for name in ("first", "rest")])
    assert np.array_equal(joined, samples(two_chunks))
    # Prompt and seed come from the session.
    provenance = inspect(tmp_path / "rest.wav").provenance
    assert provenance.prompts == (TextPrompt("warm pads"),)
    assert provenance.seeds == (7,)


def test_session_is_saved_where_the_last_chunk_ends(tmp_path, two_chunks):
    saved = tmp_path / "half.session"
    options = ("--prompt", "warm pads", "--duration", 1.5, "--seed", 7)
    done = make(tmp_path / "first.wav", *options, "--save", saved)
    assert f"{saved}: continues at 2 s" in done.stderr
    run("generate", "--resume", saved, "--duration", 2, "-o", tmp_path / "rest.wav")
    assert np.array_equal(samples(tmp_path / "rest.wav"), samples(two_chunks)[2 * RATE_HZ :])


def test_resumed_session_can_be_steered(tmp_path):
    saved = tmp_path / "half.session"
    make(tmp_path / "first.wav", "warm pads", "--duration", 2, "--save", saved)
    resume = ("generate", "--resume", saved, "--duration", 2, "-o")
    assert run(*resume, tmp_path / "plain.wav").code == 0
    assert run(*resume, tmp_path / "steered.wav", "jazz", "--seed", 5).code == 0
    plain, steered = (inspect(tmp_path / f"{name}.wav") for name in ("plain", "steered"))
    assert plain.provenance.prompts == (TextPrompt("warm pads"),)
    assert steered.provenance.prompts == (TextPrompt("jazz"),)
    assert steered.provenance.seeds == (5,)
    assert not np.array_equal(samples(tmp_path / "plain.wav"), samples(tmp_path / "steered.wav"))


def test_resumed_session_refuses_another_pipeline(tmp_path):
    saved = tmp_path / "half.session"
    make(tmp_path / "first.wav", "warm pads", "--duration", 2, "--save", saved)
    resume = ("generate", "--resume", saved, "--duration", 2, "-o", tmp_path / "rest.wav")
    assert run(*resume, "--preset", "toy").code == 0
    refused = run(*resume, "--preset", "toy", "--set", "format.context_s=8.0")
    assert refused.code == 3
    assert "made by another graph" in refused.stderr
    lost = run(*resume, "--set", "inputs.temperature=0.5")
    assert lost.code == 2
    assert "has no effect with --resume" in lost.stderr


def test_prompts_may_be_positional_named_weighted_and_audio(tmp_path, reference):
    blend = ("warm pads", "--prompt", "jazz trio:0.5", "--audio", f"{reference}:0.25")
    make(tmp_path / "out.wav", *blend, "--duration", 2)
    text, weighted, audio = inspect(tmp_path / "out.wav").provenance.prompts
    assert (text, weighted) == (TextPrompt("warm pads"), TextPrompt("jazz trio", 0.5))
    assert audio == AudioPrompt.of(reference, 0.25)


def test_style_vector_is_a_prompt_and_is_in_the_provenance(tmp_path):
    with soundstage.open("toy", prompts=["pads"]) as session:
        vector = session.embed("pads")
    np.save(tmp_path / "pads.npy", vector)
    make(tmp_path / "text.wav", "pads", "--duration", 1)
    make(tmp_path / "out.wav", "--style", f"{tmp_path}/pads.npy:0.5", "--duration", 1)
    assert np.array_equal(samples(tmp_path / "out.wav"), samples(tmp_path / "text.wav"))
    digest = hashlib.sha256(vector.tobytes()).hexdigest()
    expected = (StylePrompt("pads.npy", digest, 0.5),)
    assert inspect(tmp_path / "out.wav").provenance.prompts == expected
    (tmp_path / "bad.npy").write_bytes(b"no array")
    refused = run("generate", "--style", tmp_path / "bad.npy", "--preset", "toy")
    assert refused.code == 3
    assert "bad.npy: is not a .npy file of 768 floats" in refused.stderr


def test_every_control_reaches_the_pipeline(tmp_path):
    options = ("--temperature", 0.7, "--top-k", 12, "--guidance-weight", 2.5, "--seed", 9)
    make(tmp_path / "out.wav", "pads", *options, "--duration", 2)
    provenance = inspect(tmp_path / "out.wav").provenance
    assert provenance.controls == {"temperature": 0.7, "top_k": 12, "guidance": 2.5}
    assert provenance.seeds == (9,)


def test_without_options_the_pipeline_s_defaults_apply(tmp_path):
    make(tmp_path / "out.wav", "--duration", 2)
    graph = soundstage.load(preset="toy")
    provenance = inspect(tmp_path / "out.wav").provenance
    assert provenance.prompts == tuple(map(TextPrompt, graph.controls["texts"].default))
    assert provenance.controls["top_k"] == graph.controls["top_k"].default
    assert provenance.graph_hash == graph.digest


def test_stage_can_be_swapped_and_placed(tmp_path, two_chunks):
    same = ("--prompt", "warm pads", "--duration", 4, "--seed", 7)
    make(tmp_path / "placed.wav", *same, "--place", "decode=cpu")
    assert (tmp_path / "placed.wav").read_bytes() == two_chunks.read_bytes()
    swap = ("--set", "decode.use=broken_stages:LoudDecode", "--allow", "broken_stages")
    done = make(tmp_path / "loud.wav", *same, *swap)
    assert np.abs(samples(tmp_path / "loud.wav")).max() == 2**15 - 1
    assert "too loud" in done.stderr


def test_trace_holds_the_messages_of_every_stage_and_tick(tmp_path):
    record = tmp_path / "run.arrow"
    make(tmp_path / "out.wav", "warm pads", "--duration", 3, "--record", record)
    entries = list(read_trace(record).entries())
    stages = {"in", *soundstage.load(preset="toy").nodes}
    assert [{e.stage for e in entries if e.tick == tick} for tick in (0, 1)] == [stages] * 2
    assert len(entries) == 2 * len(stages)


def test_note_of_a_preset_is_printed_unless_quiet(tmp_path):
    loud = make(tmp_path / "out.wav", "pads", "--duration", 2)
    assert "it makes tones, not music" in loud.stderr
    assert "with compiling" in loud.stderr
    assert make(tmp_path / "out.wav", "pads", "--duration", 2, "--quiet").stderr == ""


def test_resumed_session_of_networks_continues_sample_for_sample(tmp_path):
    saved = tmp_path / "half.session"
    options = ("--prompt", "warm pads", "--seed", 7, "--duration")
    make(tmp_path / "whole.wav", *options, 4, preset="tiny")
    make(tmp_path / "first.wav", *options, 2, "--save", saved, preset="tiny")
    done = run("generate", "--resume", saved, "--duration", 2, "-o", tmp_path / "rest.wav")
    assert done.code == 0, done.stderr
    assert "random weights: it makes noise, not music" in done.stderr
    joined = np.concatenate([samples(tmp_path / f"{name}.wav") for name in ("first", "rest")])
    assert np.array_equal(joined, samples(tmp_path / "whole.wav"))


def test_words_that_are_not_understood_are_told_once_a_prompt(tmp_path):
    options = ("--pipeline", WORDED, "--duration", 4, "--output", tmp_path / "out.wav")
    done = run("generate", *options, "techno flrbgl", "--prompt", "salsa", "--prompt", "quux")
    assert done.code == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "not understood" in line]
    assert lines == ["not understood: flrbgl", "not understood: quux"]
    done = run("generate", *options, "salsa")
    assert "not understood" not in done.stderr


def test_subtype_is_that_of_the_file_in_every_command_that_writes_audio(tmp_path):
    short = ("--set", "format.chunk_s=0.4", "--set", "format.context_s=0.8", "--preset", "toy")
    made, session = tmp_path / "a.wav", tmp_path / "a.session"
    out = ("--output", made, "--subtype", "pcm_24", "--save", session)
    for command in (("generate",), ("play", "--no-ui")):
        done = run(*command, "bells", *short, "--duration", 0.1, *out)
        assert done.code == 0, done.stderr
        assert soundfile.info(made).subtype == "PCM_24"
    folder = ("--output-dir", tmp_path / "all", "--subtype", "FLOAT", "--duration", 0.1)
    assert run("variants", "--prompt", "bells", *short, *folder).code == 0
    assert run("branch", session, "--prompt", "drums", *folder).code == 0
    files = list((tmp_path / "all").glob("*.wav"))
    assert [soundfile.info(file).subtype for file in files] == ["FLOAT", "FLOAT"]
    done = run("generate", "bells", *short, "-o", tmp_path / "a.ogg", "--subtype", "PCM_16")
    assert (done.code, "choose VORBIS or OPUS" in done.stderr) == (6, True)
    done = run("play", "bells", *short, "--subtype", "PCM_16")
    assert (done.code, "give both, or neither" in done.stderr) == (2, True)


def test_loudness_is_reached_unless_peaks_would_be_cut_off(tmp_path):
    short = ("--set", "format.chunk_s=0.4", "--set", "format.context_s=0.8", "--duration", 1)
    reached = {}
    for lufs in (-30, 0):
        path = tmp_path / f"{lufs}.wav"
        done = make(path, "--prompt", "pads", *short, "--loudness", lufs, "--subtype", "FLOAT")
        audio, rate_hz = soundfile.read(path)
        reached[lufs] = pyloudnorm.Meter(rate_hz).integrated_loudness(audio)
        assert f"{path}: {reached[lufs]:.1f} LUFS" in done.stderr
        assert len(audio) == rate_hz
    assert reached[-30] == pytest.approx(-30, abs=0.01)
    assert np.abs(audio).max() == pytest.approx(1, abs=1e-6)
    assert reached[0] < -1
    assert "; more would cut its peaks off" in done.stderr
    plain = tmp_path / "plain.wav"
    make(plain, "--prompt", "pads", *short, "--subtype", "FLOAT")
    before = soundfile.read(plain)[0]
    assert np.abs(before / np.abs(before).max() - audio).max() < 1e-6


@pytest.mark.parametrize(
    ("options", "code", "why"),
    [
        (["--loudness", 3], 2, "must lie in [-70, 0] LUFS"),
        (["--loudness", "nan"], 2, "must lie in [-70, 0] LUFS"),
        (["--loudness", -14, "--output", "-"], 2, "--loudness and --output - exclude"),
        (["--loudness", -14, "--journal", "a.journal"], 2, "--loudness and --journal exclude"),
        (["--loudness", -14, "--duration", 0.1], 3, "0.1 s of audio cannot be measured"),
        (["--loudness", -14, "--duration", 9000], 3, "9000 s of audio cannot be measured"),
    ],
)
def test_loudness_that_cannot_be_reached_or_measured_is_refused(options, code, why, tmp_path):
    out = [] if "--output" in options else ["--output", tmp_path / "a.wav"]
    done = run("generate", "pads", "--preset", "toy", *out, *options)
    assert (done.code, why in done.stderr) == (code, True), done.stderr
