"""The band codec: what it keeps of audio, and seamless chunks."""

import jax
import numpy as np
import pytest
from bandcodec_without_loss import RATE_HZ, chord, lossless
from safetensors.numpy import save_file

from soundstage.graph.format import Format
from soundstage.stages.bandcodec import DecodeStreaming, Encode, EncodeStreaming
from soundstage.stages.bandcodec.codec import LATE_FRAMES, BandCodec, load_bandcodec, memory_size
from soundstage.stages.bandcodec.measures import MEASURES
from soundstage.stages.bandcodec.stage import BandCodecParams
from soundstage.stages.bandcodec.weights import read_weights
from soundstage.stages.weights.array_source import WeightsError
from soundstage.stages.weights.sources import closing_source

CPU = jax.devices("cpu")[0]
HOP = MEASURES.frame_samples
FORMAT = Format(chunk_s=0.24, context_s=0.48, fade_s=0.08, codec_memory=memory_size(MEASURES))


@pytest.fixture(scope="module")
def codec() -> BandCodec:
    with closing_source("random:0") as source:
        return load_bandcodec(MEASURES, source)[0]


@pytest.fixture(scope="module")
def faithful() -> BandCodec:
    """A codec without quantization loss: each code of the first level is one frame of the chord."""
    return lossless(chord(12))


def some_codes(frames: int, rows: int = 1) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 1024, (rows, frames, 16)).astype(np.int32)


def spectrum(audio: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.rfft(audio * np.hanning(len(audio))))


def test_chord_keeps_its_pitches_and_the_loudness_of_each_channel(faithful):
    audio = chord(12)
    audio_back = faithful.render(faithful.encode(audio[None]))[0]
    middle = slice(4 * HOP, 10 * HOP)
    for channel in (0, 1):
        original, rendered = audio[middle, channel], audio_back[middle, channel]
        assert np.std(rendered) == pytest.approx(np.std(original), rel=0.25)
        peaks = [
            hertz
            for hertz in (220.0, 277.2, 329.6, 880.0)
            if spectrum(rendered)[_bin(hertz) - 1 : _bin(hertz) + 2].max()
            > 0.4 * spectrum(original)[_bin(hertz) - 1 : _bin(hertz) + 2].max()
        ]
        assert len(peaks) == 4


def _bin(hertz: float) -> int:
    return round(hertz * 6 * HOP / RATE_HZ)


def test_silence_stays_silent():
    silence = np.zeros((8 * HOP, 2), np.float32)
    codec = lossless(silence)
    assert np.abs(codec.render(codec.encode(silence[None]))).max() < 1e-4


def test_fewer_levels_are_the_first_of_more(codec):
    audio = chord(6)[None]
    np.testing.assert_array_equal(codec.encode(audio, 4), codec.encode(audio)[..., :4])


def test_start_is_silent_for_the_delay(codec):
    memory = np.zeros((1, codec.memory_size), np.float32)
    audio, _ = codec.decode_streaming(some_codes(6), memory)
    assert np.abs(audio[:, : (LATE_FRAMES - 1) * HOP]).max() == 0
    assert np.abs(audio[:, LATE_FRAMES * HOP :]).max() > 1e-3


def test_steps_at_chunk_borders_are_as_small_as_inside(faithful):
    audio = chord(12)
    codes = np.concatenate([faithful.encode(audio[None])[:, 5:11]] * 3, axis=1)
    memory = np.zeros((1, faithful.memory_size), np.float32)
    parts = []
    for first in range(0, 18, 6):
        part, memory = faithful.decode_streaming(codes[:, first : first + 6], memory)
        parts.append(part[0])
    whole = np.concatenate(parts)
    steps = np.abs(np.diff(whole[:, 0]))
    inside = steps[8 * HOP : 11 * HOP].max()
    for join in (6 * HOP, 12 * HOP):
        assert steps[join - 2 : join + 1].max() <= 1.2 * inside


def test_chunk_behind_another_has_the_tokens_of_the_whole():
    audio = np.concatenate([chord(6), chord(6)[::-1]])[None]
    params = BandCodecParams("random:0")
    past, now = np.split(audio, 2, axis=1)
    tokens = EncodeStreaming(params, FORMAT, CPU)(audio=now, past=past)["tokens"]
    whole = Encode(params, FORMAT, CPU)(audio=audio)["tokens"]
    np.testing.assert_array_equal(tokens, whole[:, 6:])
    alone = Encode(params, FORMAT, CPU)(audio=now)["tokens"]
    assert (tokens != alone)[:, 0].any()


def test_no_sample_exceeds_full_scale():
    with closing_source("random:0") as source:
        loud = read_weights(MEASURES, source)[0]
    loud = loud._replace(mean=np.full(MEASURES.features, 6.0, np.float32))
    assert 0.8 < np.abs(BandCodec(MEASURES, loud).render(some_codes(6))).max() <= 1


def test_code_out_of_range_is_refused(codec):
    codes = some_codes(6)
    codes[0, 2, 3] = 1024
    with pytest.raises(ValueError, match="1024"):
        codec.render(codes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"codec_memory": 7}, "codec_memory is 7"),
        ({"fade_s": 0.04}, "frames in fade_s is 1"),
        ({"sample_rate_hz": 44_100, "frame_rate_hz": 25}, "sample_rate_hz is 44100"),
        ({"codebook_size": 512}, "codebook_size is 512"),
    ],
)
def test_format_that_the_codec_does_not_fit_is_refused(changes, words):
    settings = {"chunk_s": 0.24, "context_s": 0.48, "fade_s": 0.08}
    format = Format(**{**settings, "codec_memory": memory_size(MEASURES), **changes})
    with pytest.raises(ValueError, match=words):
        DecodeStreaming(BandCodecParams("random:0"), format, CPU)


def test_missing_weights_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        Encode(BandCodecParams(str(tmp_path / "none.safetensors")), FORMAT, CPU)


def test_weights_of_another_codec_are_refused(tmp_path):
    save_file({"analysis/bias": np.zeros(374, np.float32)}, tmp_path / "old.safetensors")
    with pytest.raises(WeightsError, match=r"analysis/bias has shape \(374,\)"):
        Encode(BandCodecParams(str(tmp_path / "old.safetensors")), FORMAT, CPU)
