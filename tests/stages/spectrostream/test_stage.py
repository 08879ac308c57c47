"""The stages `Decode` and `Encode`, with the tiny codec."""

import dataclasses

import jax
import numpy as np
import pytest

from soundstage.graph.format import Format
from soundstage.stages.spectrostream import Decode, Encode
from soundstage.stages.spectrostream.codec import load_codec
from soundstage.stages.spectrostream.config import TINY
from soundstage.stages.spectrostream.stage import CodecParams
from soundstage.stages.spectrostream.stft import Stft
from soundstage.stages.weights.sources import open_source

FORMAT = Format(chunk_s=0.24, context_s=0.48)
CPU = jax.devices("cpu")[0]
PARAMS = CodecParams("random:0", "tiny")
SIZES = FORMAT.dims
STFT = Stft(TINY.window_samples, TINY.hop_samples, TINY.fft_samples)


@pytest.fixture(scope="module")
def decode():
    return Decode(PARAMS, FORMAT, CPU)


@pytest.fixture(scope="module")
def encode():
    return Encode(PARAMS, FORMAT, CPU)


@pytest.fixture(scope="module")
def codec():
    return load_codec(TINY, open_source("random:0"), CPU)[0]


def codes(seed, rows, dimension):
    draw = np.random.default_rng(seed)
    shape = (rows, SIZES[dimension], SIZES["level"])
    return draw.integers(0, FORMAT.codebook_size, shape).astype(np.int32)


def audio(seed, rows):
    draw = np.random.default_rng(seed)
    return (0.1 * draw.standard_normal((rows, SIZES["sample"], 2))).astype(np.float32)


def test_chunk_of_the_published_format_has_its_shapes():
    format = Format()
    tokens = np.zeros((1, 50, 16), np.int32)
    context = np.full((1, 250, 16), -1, np.int32)
    rendered_audio = Decode(PARAMS, format, CPU)(tokens=tokens, context=context)["audio"]
    assert rendered_audio.shape == (1, 97_920, 2)
    assert rendered_audio.dtype == np.float32
    tokens = Encode(PARAMS, format, CPU)(audio=rendered_audio[:, 1920:])["tokens"]
    assert tokens.shape == (1, 50, 16)
    assert tokens.dtype == np.int32
    assert tokens.min() >= 0
    assert tokens.max() < 1024


def test_missing_past_is_rendered_as_code_0(decode):
    tokens = codes(0, 1, "frame")
    nothing = np.full((1, SIZES["context_frame"], SIZES["level"]), -1, np.int32)
    zeros = np.zeros_like(nothing)
    np.testing.assert_array_equal(decode(tokens, nothing)["audio"], decode(tokens, zeros)["audio"])


def test_overlap_is_the_last_frame_of_the_past(decode, codec):
    tokens, context = codes(0, 1, "frame"), codes(1, 1, "context_frame")
    rendered_audio = decode(tokens, context)["audio"]
    whole = np.concatenate([context[:, -1:], tokens], axis=1)
    rendered = codec.decode(whole)  # without the last frame, for which the lookahead is missing
    np.testing.assert_allclose(rendered_audio[:, : rendered.shape[1]], rendered, atol=1e-6)
    older = context.copy()
    older[:, :-1] = 5
    np.testing.assert_array_equal(decode(tokens, older)["audio"], rendered_audio)


def test_lookahead_behind_the_chunk_sees_zero_embeddings(decode, codec):
    tokens, context = codes(0, 1, "frame"), codes(1, 1, "context_frame")
    embeddings = codec.dequantize(np.concatenate([context[:, -1:], tokens], axis=1))
    ahead = np.pad(embeddings, ((0, 0), (0, TINY.decoder_lookahead), (0, 0)))
    expected = STFT.inverse(codec.decode_features(ahead))
    np.testing.assert_allclose(decode(tokens, context)["audio"], expected, atol=1e-6)


@pytest.mark.parametrize(("fade_s", "frames"), [(0.08, 8), (0.04, 7)])
def test_overlap_of_several_frames_is_rendered(fade_s, frames):
    format = dataclasses.replace(FORMAT, fade_s=fade_s)
    rendered_audio = Decode(PARAMS, format, CPU)(codes(0, 1, "frame"), codes(1, 1, "context_frame"))
    assert rendered_audio["audio"].shape == (1, frames * 1920, 2)


def test_rows_do_not_see_each_other(decode, encode):
    tokens, context = codes(0, 3, "frame"), codes(1, 3, "context_frame")
    together = decode(tokens, context)["audio"]
    other = tokens.copy()
    other[1] = 7
    changed = decode(other, context)["audio"]
    np.testing.assert_array_equal(together[[0, 2]], changed[[0, 2]])
    assert np.abs(together[1] - changed[1]).max() > 1e-3
    alone = decode(tokens[2:], context[2:])["audio"]
    np.testing.assert_allclose(alone[0], together[2], atol=1e-5)
    waves = audio(0, 3)
    encoded = encode(waves)["tokens"]
    waves[1] = 0
    np.testing.assert_array_equal(encode(waves)["tokens"][[0, 2]], encoded[[0, 2]])


def test_equal_calls_give_equal_bytes(decode, encode):
    tokens, context = codes(0, 2, "frame"), codes(1, 2, "context_frame")
    again = Decode(PARAMS, FORMAT, CPU)
    first = decode(tokens, context)["audio"].tobytes()
    assert decode(tokens, context)["audio"].tobytes() == first
    assert again(tokens, context)["audio"].tobytes() == first
    assert again.weights_digest == decode.weights_digest
    waves = audio(0, 2)
    assert encode(waves)["tokens"].tobytes() == encode(waves)["tokens"].tobytes()


def test_note_and_digest_identify_the_weights(decode):
    other = Decode(CodecParams("random:1", "tiny"), FORMAT, CPU)
    assert decode.weights_note == "random weights, seed 0: for tests"
    assert len(bytes.fromhex(decode.weights_digest)) == 32
    assert other.weights_digest != decode.weights_digest


@pytest.mark.parametrize("bad", [-1, 1024])
def test_token_out_of_range_is_named(decode, bad):
    tokens = codes(0, 1, "frame")
    tokens[0, 2, 3] = bad
    # Frame 2 of the chunk is frame 3 of the decoded frames: the overlap is in front.
    with pytest.raises(ValueError, match=rf"code {bad} at \[0, 3, 3\] is outside \[0, 1024\)"):
        decode(tokens, codes(1, 1, "context_frame"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample_rate_hz": 24_000}, "sample_rate_hz is 24000 .* has 48000"),
        ({"frame_rate_hz": 50}, "samples per frame is 960 .* has 1920"),
        ({"channels": 1}, "channels is 1 .* has 2"),
        ({"codebook_size": 512}, "codebook_size is 512 .* has 1024"),
        ({"codec_levels": 65}, "codec_levels is 65 .* at most"),
    ],
)
@pytest.mark.parametrize("stage", [Decode, Encode])
def test_format_that_the_codec_does_not_fit_is_refused(stage, change, message):
    with pytest.raises(ValueError, match=message):
        stage(PARAMS, dataclasses.replace(FORMAT, **change), CPU)


@pytest.mark.parametrize(
    "settings", [{"weights": "random:0", "size": "huge"}, {"weights": ""}, {"weights": 3}]
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=r"size must be|weights must be"):
        CodecParams(**settings)


def test_impossible_audio_and_codes_are_refused(codec):
    with pytest.raises(ValueError, match="1 or 2 channels"):
        codec.encode(np.zeros((1, 1920, 6), np.float32))
    with pytest.raises(ValueError, match="audio must not be empty"):
        codec.encode(np.zeros((1, 0, 2), np.float32))
    with pytest.raises(ValueError, match="none empty"):
        codec.decode(np.zeros((1, 0, 16), np.int32))
    with pytest.raises(ValueError, match="quantizer has 1 to 16"):
        codec.decode(np.zeros((1, 2, 17), np.int32))
    with pytest.raises(ValueError, match="quantizer has 1 to 16"):
        codec.encode(audio(0, 1), levels=17)
