"""The codec against the recordings of the original, array by array."""

import json
from pathlib import Path

import numpy as np
import pytest

from soundstage.stages.spectrostream.codec import load_codec
from soundstage.stages.spectrostream.config import SpectroStreamConfig
from soundstage.stages.spectrostream.stft import Stft
from soundstage.stages.weights.sources import WeightsError, closing_source

HERE = Path(__file__).parents[4] / "shared" / "reference" / "spectrostream" / "A"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not HERE.exists(), reason="the recordings of the original are not here"),
]


def recorded(file):
    with np.load(HERE / f"{file}.npz") as content:
        return {name: content[name] for name in content.files}


@pytest.fixture(scope="module")
def codec():
    config = SpectroStreamConfig.from_json((HERE / "config.json").read_text())
    with closing_source(str(HERE)) as source:
        return load_codec(config, source)[0]


def assert_close(got, want):
    """The tolerance of the fixtures' README."""
    assert got.shape == want.shape
    assert np.abs(got - want).max(initial=0) <= 1e-5 * np.abs(want).max(initial=0)


def assert_codes(got, want, margins):
    """A frame may part from the recording only where two codes are nearly as near."""
    assert got.shape == want.shape
    differ = got != want
    first = differ & (np.cumsum(differ, axis=-1) == 1)
    assert not (first & (margins > 1e-3)).any()


@pytest.mark.parametrize("levels", [12, 16, 64])
def test_codes_to_embeddings(codec, levels):
    arrays = recorded("decode")
    embeddings = codec.dequantize(arrays[f"codes_K{levels}"])
    assert_close(embeddings, arrays[f"embeddings_K{levels}"])


def test_embeddings_to_features_to_waveform(codec):
    arrays = recorded("decode")
    features = codec.decode_features(arrays["embeddings_K16"])
    picked = features[: len(arrays["features_K16"]), arrays["features_frames_K16"]]
    assert_close(picked, arrays["features_K16"])
    config = codec.config
    stft = Stft(config.window_samples, config.hop_samples, config.fft_samples)
    assert_close(np.asarray(stft.inverse(features)), arrays["waveform_K16"])


def test_codes_to_waveform(codec):
    arrays = recorded("decode")
    assert_close(codec.decode(arrays["codes_K16"]), arrays["waveform_K16"])
    begin = arrays["waveform_first_16frames_K12"]
    assert_close(codec.decode(arrays["codes_K12"])[:, : begin.shape[1]], begin)
    assert_close(codec.decode(arrays["codes_K64"][:1]), arrays["waveform_K64"])


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_few_frames(codec, frames):
    arrays = recorded("decode_short")
    waveform = codec.decode(arrays["codes"][:, :frames])
    assert waveform.shape[1] == (frames - 1) * 1920
    assert_close(waveform, arrays[f"waveform_{frames}frames"])


def test_int16_samples(codec):
    want = recorded("decode_short")["int16_first_8frames"]
    waveform = codec.decode(recorded("decode")["codes_K16"])[:, : want.shape[1]]
    got = np.round(32767.5 * np.clip(0.5 * waveform, -1, 1) - 0.5)
    # A value within float32 error of a rounding step may fall on either side.
    assert np.abs(got - want).max() <= 1
    assert (got == want).mean() > 0.999


def test_waveform_to_features_to_codes(codec):
    arrays = recorded("encode")
    features = codec.stft(arrays["waveform"])
    assert_close(features[:, arrays["stft_frames"]], arrays["stft"])
    assert_close(codec.encode_features(features), arrays["embeddings"])
    codes = codec.quantize(arrays["embeddings"])
    np.testing.assert_array_equal(codes, arrays["codes"])
    assert_codes(codec.encode(arrays["waveform"]), arrays["codes"], arrays["margins"])


def test_a_length_that_is_no_multiple_of_a_step(codec):
    arrays = recorded("encode_odd")
    features = codec.stft(arrays["waveform"])
    assert features.shape == tuple(arrays["stft_shape"])
    assert_close(features[:, -2:], arrays["stft_last2"])
    assert_close(codec.encode_features(features), arrays["embeddings"])
    assert_codes(codec.encode(arrays["waveform"]), arrays["codes"], arrays["margins"])


def test_mono(codec):
    waveform = recorded("encode")["waveform"][:1, :7680, :1]
    want = recorded("encode_odd")["mono_embeddings_first4frames"]
    assert_close(codec.encode_features(codec.stft(waveform)), want)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_every_block(codec, part):
    arrays = recorded("blocks")
    outputs = getattr(codec, f"{part}_blocks")(arrays[f"{part}_in"])
    prefix = f"{part[:3]}_"
    assert {prefix + name for name in outputs} == {n for n in arrays if n.startswith(prefix)}
    for name, output in outputs.items():
        assert_close(output, arrays[prefix + name])


def test_the_checkpoint_of_the_whole_model_decodes_but_does_not_encode(codec):
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
