"""The codec against recordings of the original."""

import json
from pathlib import Path

import numpy as np
import pytest

from soundstage.stages.spectrostream.codec import load_codec
from soundstage.stages.spectrostream.config import SpectroStreamConfig
from soundstage.stages.spectrostream.stft import Stft
from soundstage.stages.weights.array_source import WeightsError
from soundstage.stages.weights.sources import closing_source

HERE = Path(__file__).parents[4] / "shared" / "reference" / "spectrostream" / "A"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not HERE.exists(), reason="the recordings are not beside the repository"),
]


def recorded(file):
    with np.load(HERE / f"{file}.npz") as content:
        return {name: content[name] for name in content.files}


@pytest.fixture(scope="module")
def codec():
    config = SpectroStreamConfig.from_json((HERE / "config.json").read_text())
    with closing_source(str(HERE)) as source:
        return load_codec(config, source)[0]


def assert_close(result, expected):
    """Compares with the tolerance that the README of the recordings names."""
    assert result.shape == expected.shape
    assert np.abs(result - expected).max(initial=0) <= 1e-5 * np.abs(expected).max(initial=0)


def assert_codes(result, expected, margins):
    """Compares codes, which may differ only where two codes are almost equally near."""
    assert result.shape == expected.shape
    differ = result != expected
    first = differ & (np.cumsum(differ, axis=-1) == 1)
    assert not (first & (margins > 1e-3)).any()


@pytest.mark.parametrize("levels", [12, 16, 64])
def test_dequantized_codes_are_the_recorded_embeddings(codec, levels):
    arrays = recorded("decode")
    embeddings = codec.dequantize(arrays[f"codes_K{levels}"])
    assert_close(embeddings, arrays[f"embeddings_K{levels}"])


def test_decoded_features_and_audio_are_the_recorded_ones(codec):
    arrays = recorded("decode")
    features = codec.decode_features(arrays["embeddings_K16"])
    picked = features[: len(arrays["features_K16"]), arrays["features_frames_K16"]]
    assert_close(picked, arrays["features_K16"])
    config = codec.config
    stft = Stft(config.window_samples, config.hop_samples, config.fft_samples)
    assert_close(np.asarray(stft.inverse(features)), arrays["waveform_K16"])


def test_decoded_codes_are_the_recorded_audio(codec):
    arrays = recorded("decode")
    assert_close(codec.decode(arrays["codes_K16"]), arrays["waveform_K16"])
    begin = arrays["waveform_first_16frames_K12"]
    assert_close(codec.decode(arrays["codes_K12"])[:, : begin.shape[1]], begin)
    assert_close(codec.decode(arrays["codes_K64"][:1]), arrays["waveform_K64"])


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_decoded_short_codes_are_the_recorded_audio(codec, frames):
    arrays = recorded("decode_short")
    waveform = codec.decode(arrays["codes"][:, :frames])
    assert waveform.shape[1] == (frames - 1) * 1920
    assert_close(waveform, arrays[f"waveform_{frames}frames"])


def test_decoded_audio_as_int16_is_the_recorded_one(codec):
    expected = recorded("decode_short")["int16_first_8frames"]
    waveform = codec.decode(recorded("decode")["codes_K16"])[:, : expected.shape[1]]
    result = np.round(32767.5 * np.clip(0.5 * waveform, -1, 1) - 0.5)
    # A value within float32 error of a rounding step may fall on either side.
    assert np.abs(result - expected).max() <= 1
    assert (result == expected).mean() > 0.999


def test_encoded_audio_has_the_recorded_codes(codec):
    arrays = recorded("encode")
    features = codec.stft(arrays["waveform"])
    assert_close(features[:, arrays["stft_frames"]], arrays["stft"])
    assert_close(codec.encode_features(features), arrays["embeddings"])
    codes = codec.quantize(arrays["embeddings"])
    np.testing.assert_array_equal(codes, arrays["codes"])
    assert_codes(codec.encode(arrays["waveform"]), arrays["codes"], arrays["margins"])


def test_audio_of_odd_length_has_the_recorded_codes(codec):
    arrays = recorded("encode_odd")
    features = codec.stft(arrays["waveform"])
    assert features.shape == tuple(arrays["stft_shape"])
    assert_close(features[:, -2:], arrays["stft_last2"])
    assert_close(codec.encode_features(features), arrays["embeddings"])
    assert_codes(codec.encode(arrays["waveform"]), arrays["codes"], arrays["margins"])


def test_mono_audio_has_the_recorded_embeddings(codec):
    waveform = recorded("encode")["waveform"][:1, :7680, :1]
    expected = recorded("encode_odd")["mono_embeddings_first4frames"]
    assert_close(codec.encode_features(codec.stft(waveform)), expected)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_every_block_has_the_recorded_output(codec, part):
    arrays = recorded("blocks")
    outputs = getattr(codec, f"{part}_blocks")(arrays[f"{part}_in"])
    prefix = f"{part[:3]}_"
    assert {prefix + name for name in outputs} == {n for n in arrays if n.startswith(prefix)}
    for name, output in outputs.items():
        assert_close(output, arrays[prefix + name])


def test_checkpoint_without_encoder_decodes_and_refuses_to_encode(codec):
    with closing_source(str(HERE / "checkpoint_soundstream.safetensors")) as source:
        decoding, _, _ = load_codec(codec.config, source, parts=("decoder", "quantizer"))
        codes = recorded("decode_short")["codes"]
        np.testing.assert_array_equal(decoding.decode(codes), codec.decode(codes))
        with pytest.raises(WeightsError, match="encoder/base_conv_first"):
            load_codec(codec.config, source)
    with pytest.raises(LookupError, match="encoder"):
        decoding.encode(recorded("encode")["waveform"])


def test_weights_of_another_size_are_refused(codec):
    text = json.loads((HERE / "config.json").read_text()) | {"decoder_base": 6}
    with (
        closing_source(str(HERE)) as source,
        pytest.raises(WeightsError, match="decoder/"),
    ):
        load_codec(SpectroStreamConfig.from_json(json.dumps(text)), source)
