"""The streaming decoder in 16-bit integers: close to the exact one, and the same bytes always."""

import dataclasses
import sys

import jax
import numpy as np
import pytest
from flax import nnx

pytest.importorskip("numba", reason="the extra `cpu` is not installed")

from soundstage.graph.format import Format
from soundstage.stages.spectrostream import DecodeFromCodes, DecodeStreaming
from soundstage.stages.spectrostream.blocks import upsample_by_phases
from soundstage.stages.spectrostream.codec import load_codec
from soundstage.stages.spectrostream.config import TINY
from soundstage.stages.spectrostream.integer_decoder import IntegerDecoder
from soundstage.stages.spectrostream.network import SpectroStream
from soundstage.stages.spectrostream.stage import StreamingParams
from soundstage.stages.spectrostream.stft import Stft
from soundstage.stages.spectrostream.streaming import MemoryLayout
from soundstage.stages.weights.array_source import WeightsError
from soundstage.stages.weights.sources import open_source

CPU = jax.devices("cpu")[0]
PARAMS = StreamingParams("random:0", "tiny", "int16")
SIZE = MemoryLayout(TINY).size
FRAMES, LEVELS = 12, 4
LATE = TINY.frame_samples
FORMAT = Format(
    chunk_s=0.04, context_s=2.0, codec_levels=LEVELS, context_levels=LEVELS, codec_memory=SIZE
)


@pytest.fixture(scope="module")
def codec():
    return load_codec(TINY, open_source("random:0"), CPU, convolution="int16")[0]


@pytest.fixture(scope="module")
def tokens():
    return np.random.default_rng(0).integers(0, 1024, (2, FRAMES, LEVELS)).astype(np.int32)


@pytest.fixture(scope="module")
def played(codec, tokens):
    """The audio of both rows, decoded a frame a call, and the memory behind it."""
    return play(codec.decode_streaming, tokens, 1)


def play(decode, tokens, frames):
    memory, parts = np.zeros((len(tokens), SIZE), np.float32), []
    for start in range(0, tokens.shape[1], frames):
        audio, memory = decode(tokens[:, start : start + frames], memory)
        parts.append(audio)
    return np.concatenate(parts, axis=1), memory


def test_audio_differs_from_the_exact_one_by_less_than_a_300th(codec, tokens, played):
    exact = codec.decode(tokens).astype(np.float64)
    error = played[0][:, LATE:] - exact
    noise_db = 10 * np.log10(np.square(error).sum() / np.square(exact).sum())
    assert -75 < noise_db < -50  # it was -62
    assert not played[0][:, :LATE].any()


@pytest.mark.parametrize("frames", [3, FRAMES])
def test_chunks_of_any_length_have_the_same_features(codec, tokens, played, frames):
    audio, memory = play(codec.decode_streaming, tokens, frames)
    # The features are the same; the transform behind them rounds by the number of its frames.
    np.testing.assert_allclose(audio, played[0], atol=1e-6 * np.abs(audio).max())
    np.testing.assert_array_equal(memory, played[1])


def test_a_row_has_the_same_bytes_beside_others_and_alone(codec, tokens, played):
    for row in range(2):
        audio, memory = play(codec.decode_streaming, tokens[row : row + 1], 1)
        np.testing.assert_array_equal(audio[0], played[0][row])
        np.testing.assert_array_equal(memory[0], played[1][row])


@pytest.mark.parametrize("threads", [2, 3])
def test_any_number_of_threads_gives_the_same_bytes(codec, tokens, threads):
    stft = Stft(TINY.window_samples, TINY.hop_samples, TINY.fft_samples)
    parts = ("quantizer", "decoder")
    network = SpectroStream(TINY, parts, upsample=upsample_by_phases, rngs=nnx.Rngs(0))
    one, more = (IntegerDecoder(network.decoder, TINY, stft, CPU, n) for n in (1, threads))
    expected, audio = (
        play(lambda codes, memory, by=by: by(codec.dequantize(codes), memory), tokens[:1, :3], 1)
        for by in (one, more)
    )
    np.testing.assert_array_equal(audio[0], expected[0])
    np.testing.assert_array_equal(audio[1], expected[1])


def test_both_stages_give_these_bytes_and_leave_their_inputs(tokens, played):
    streaming = DecodeStreaming(PARAMS, FORMAT, CPU)
    memory = np.zeros((2, SIZE), np.float32)
    memory.flags.writeable = False
    outputs = streaming(tokens[:, :1], memory)
    np.testing.assert_array_equal(outputs["audio"], played[0][:, :LATE])
    assert not memory.any()
    past = np.full((2, 64 * LEVELS), -1, np.int32)
    stage = DecodeFromCodes(PARAMS, dataclasses.replace(FORMAT, codec_memory=past.shape[1]), CPU)
    memo = stage.rebuild(past)
    for frame in range(FRAMES):
        outputs, memo = stage(tokens[:, frame : frame + 1], past, memo=memo)
        past = outputs["past"]
        begin = frame * LATE
        np.testing.assert_array_equal(outputs["audio"], played[0][:, begin : begin + LATE])
    np.testing.assert_array_equal(stage.rebuild(past)["memory"], memo["memory"])


def test_accelerators_and_unknown_convolutions_are_refused():
    class Accelerator:
        platform = "gpu"

    with pytest.raises(ValueError, match=r'"int16" is for CPUs, not gpu: write .* "direct"'):
        DecodeStreaming(PARAMS, FORMAT, Accelerator())
    with pytest.raises(ValueError, match="one of direct, winograd, int16, got 'int8'"):
        StreamingParams("random:0", "tiny", "int8")


def test_without_numba_the_error_names_it_and_the_cure(monkeypatch):
    ours = ("soundstage.kernels", "integer_decoder")
    for name in [name for name in sys.modules if any(part in name for part in ours)]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("numba", "llvmlite"):
        monkeypatch.setitem(sys.modules, name, None)
    cure = r"integers need \w+, .* '\.\[cpu\]', or leave out convolution = .int16"
    with pytest.raises(WeightsError, match=cure):
        DecodeStreaming(PARAMS, FORMAT, CPU)
