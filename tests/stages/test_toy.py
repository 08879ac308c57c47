"""The stages without a network: exact audio and tokens."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.graph.format import Format
from soundstage.stages.context import Pack
from soundstage.stages.crossfade import Crossfade, CrossfadeParams
from soundstage.stages.toy import Gain, GainParams, RandomSample, SineDecode, SineEncode

FORMAT = Format(chunk_s=0.4, context_s=0.8)
SMALL = Format(chunk_s=0.2, context_s=0.4, fade_s=0.08, sample_rate_hz=4_000, codec_levels=5)


def build(stage: type, format: Format = FORMAT, params: object = None):
    return stage(params, format, jax.devices("cpu")[0])


def codes(format: Format, frames: str, seed: int = 0) -> np.ndarray:
    size = (1, format.dims[frames], format.codec_levels)
    return np.random.default_rng(seed).integers(0, format.codebook_size, size, dtype=np.int32)


def nothing_yet(format: Format) -> np.ndarray:
    return np.full((1, format.dims["context_frame"], format.codec_levels), -1, np.int32)


# ---- Gain


@pytest.mark.parametrize(("gain_db", "factor"), [(0.0, 1.0), (20.0, 10.0), (-6.0, 0.5011872)])
def test_gain_scales_by_decibels(gain_db, factor):
    audio = np.random.default_rng(0).standard_normal((1, 19_200, 2)).astype(np.float32)
    louder = build(Gain, params=GainParams(gain_db))(audio)["audio"]
    assert louder.dtype == np.float32
    np.testing.assert_allclose(louder, audio * factor, rtol=1e-6)


@pytest.mark.parametrize("gain_db", [float("nan"), float("inf"), 61, -121])
def test_gain_out_of_range_is_refused(gain_db):
    with pytest.raises(ValueError, match="gain_db"):
        GainParams(gain_db)


# ---- SineDecode


def test_one_harmonic_sounds_at_its_frequency():
    tokens = np.zeros((1, 10, 16), np.int32)
    tokens[:] = 7 * 32 + 7  # harmonic 4 + 7 of 25 Hz, at full loudness, in every voice
    audio = build(SineDecode)(tokens, nothing_yet(FORMAT))["audio"]
    played = audio[0, FORMAT.dims["fade_sample"] :]
    time_s = np.arange(len(played)) / FORMAT.sample_rate_hz
    expected = 0.5 * np.sin(2 * np.pi * 11 * 25 * time_s)
    np.testing.assert_allclose(played, np.stack([expected, expected], -1), atol=1e-5)


def test_overlap_is_silent_only_without_a_past():
    tokens = codes(FORMAT, "frame")
    fade = FORMAT.dims["fade_sample"]
    decode = build(SineDecode)
    assert not np.any(decode(tokens, nothing_yet(FORMAT))["audio"][:, :fade])
    assert np.any(decode(tokens, codes(FORMAT, "context_frame"))["audio"][:, :fade])


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_frame_sounds_the_same_at_any_position(seed):
    tokens, context = codes(SMALL, "frame", seed), codes(SMALL, "context_frame", seed + 1)
    decode = build(SineDecode, SMALL)
    frames = np.split(decode(tokens, context)["audio"][0], 7)
    moved = np.split(decode(np.roll(tokens, 1, axis=1), context)["audio"][0], 7)
    for frame in range(5):
        np.testing.assert_array_equal(moved[2 + (frame + 1) % 5], frames[2 + frame])


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_the_overlap_is_the_end_of_the_chunk_before(seed):
    before, tokens = codes(SMALL, "frame", seed), codes(SMALL, "frame", seed + 1)
    decode = build(SineDecode, SMALL)
    earlier = decode(before, nothing_yet(SMALL))["audio"]
    later = decode(tokens, np.concatenate([nothing_yet(SMALL)[:, 5:], before], axis=1))["audio"]
    fade = SMALL.dims["fade_sample"]
    np.testing.assert_array_equal(later[:, :fade], earlier[:, -fade:])


def test_frames_join_without_a_click_and_stay_in_range():
    format = Format()
    joined, tail = [], np.zeros((1, format.dims["fade_sample"], 2), np.float32)
    context = nothing_yet(format)
    decode, crossfade = build(SineDecode, format), build(Crossfade, format, CrossfadeParams())
    for seed in range(2):
        tokens = codes(format, "frame", seed)
        out = crossfade(decode(tokens, context)["audio"], tail)
        tail, context = out["tail"], np.concatenate([context[:, 50:], tokens], axis=1)
        joined.append(out["audio"][0])
    audio = np.concatenate(joined)
    # The steepest slope a sum of these sines can have, times the cross-fade's greatest gain.
    steepest = np.sqrt(2) * 0.5 * 2 * np.pi * 35 * 25 / format.sample_rate_hz
    assert np.max(np.abs(np.diff(audio, axis=0))) <= steepest * 1.02
    assert np.max(np.abs(audio)) <= 0.5 * np.sqrt(2) + 1e-6
    assert np.std(audio) > 0.02


def test_code_sets_pitch_and_its_last_bits_set_loudness():
    def spectrum(code: int) -> np.ndarray:
        tokens = np.full((1, 10, 16), code, np.int32)
        audio = build(SineDecode)(tokens, nothing_yet(FORMAT))["audio"][0]
        frame = audio[-FORMAT.frame_samples :, 0]
        return np.abs(np.fft.rfft(frame))  # one bin a harmonic of the frame rate

    peaks = [int(spectrum(code).argmax()) for code in range(7, 1024, 32)]
    assert peaks == list(range(4, 36))
    assert spectrum(512).max() == pytest.approx(spectrum(519).max() / 2, rel=1e-5)


def test_the_two_channels_differ():
    audio = build(SineDecode)(codes(FORMAT, "frame"), nothing_yet(FORMAT))["audio"]
    assert not np.allclose(audio[..., 0], audio[..., 1], atol=0.01)


# ---- RandomSample


def sample(*, style: int = 100, context: np.ndarray | None = None, **controls: float) -> np.ndarray:
    values = {"temperature": 1.0, "top_k": 0, "guidance": 1.0, "seed": 0, "chunk": 0} | controls
    context = nothing_yet(FORMAT) if context is None else context
    packed = build(Pack)(context, np.full((1, 12), style, np.int32))
    return build(RandomSample)(
        **packed,
        temperature=np.array([values["temperature"]], np.float32),
        top_k=np.array([values["top_k"]], np.int32),
        guidance=np.array([values["guidance"]], np.float32),
        seed=np.array([values["seed"]], np.int64),
        chunk=np.array([values["chunk"]], np.int64),
    )["tokens"]


@settings(max_examples=40)
@given(
    style=st.integers(0, 1023),
    temperature=st.floats(0, 10, width=32),
    guidance=st.floats(0, 100, width=32),
    top_k=st.integers(0, 2**31 - 1),
    seed=st.integers(0, 2**63 - 1),
    chunk=st.integers(0, 2**40),
)
def test_every_token_is_a_code(style, **controls):
    tokens = sample(style=style, context=codes(FORMAT, "context_frame"), **controls)
    assert tokens.shape == (1, 10, 16)
    assert tokens.min() >= 0
    assert tokens.max() < 1024


def test_seed_chunk_style_and_past_each_change_the_tokens():
    plain = sample()
    np.testing.assert_array_equal(plain, sample())
    for other in (
        sample(seed=1),
        sample(chunk=1),
        sample(style=900),
        sample(context=codes(FORMAT, "context_frame")),
        sample(seed=2**62),
    ):
        assert not np.array_equal(plain, other)


def test_walk_without_temperature_and_past_stays_at_the_style():
    assert np.all(sample(temperature=0.0, style=321) == 321)


def test_guidance_and_top_k_keep_the_walk_near_the_style():
    def distance(**controls: float) -> float:
        return float(np.abs(sample(style=512, **controls) - 512).mean())

    assert distance(guidance=20.0) < distance(guidance=0.0)
    assert distance(top_k=2) < distance(top_k=0)
    assert distance(temperature=0.2) < distance(temperature=2.0)


def test_strong_guidance_moves_tokens_to_the_style():
    assert sample(style=100, guidance=20.0).mean() < 200
    assert sample(style=900, guidance=20.0).mean() > 800


def test_masked_style_pulls_to_the_middle_of_the_codebook():
    packed = build(Pack)(nothing_yet(FORMAT), np.zeros((1, 12), np.int32))
    one = np.ones(1)
    tokens = build(RandomSample)(
        prompt=packed["unprompted"],
        unprompted=packed["unprompted"],
        temperature=0 * one.astype(np.float32),
        top_k=one.astype(np.int32),
        guidance=one.astype(np.float32),
        seed=one.astype(np.int64),
        chunk=one.astype(np.int64),
    )["tokens"]
    assert np.all(tokens == 512)


# ---- SineEncode


def chunk_of(tokens, format=FORMAT):
    return build(SineDecode, format)(tokens, nothing_yet(format))["audio"][
        :, format.frame_samples :
    ]


def test_encoded_audio_decodes_close_to_the_original():
    audio = chunk_of(codes(FORMAT, "frame"))
    again = chunk_of(build(SineEncode)(audio)["tokens"])
    assert np.square(again - audio).sum() < 0.05 * np.square(audio).sum()


def test_silence_and_noise_encode_to_valid_tokens():
    noise = np.random.default_rng(0).standard_normal((2, FORMAT.dims["sample"], 2))
    noise[0] = 0
    tokens = build(SineEncode)(noise.astype(np.float32))["tokens"]
    assert tokens.shape == (2, FORMAT.dims["frame"], FORMAT.codec_levels)
    assert tokens.min() >= 0
    assert tokens.max() < FORMAT.codebook_size
