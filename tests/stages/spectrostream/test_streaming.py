"""The streaming stages: chunk by chunk, with the result of one long sequence."""

import dataclasses

import jax
import numpy as np
import pytest

from soundstage.graph.format import Format
from soundstage.stages.spectrostream import DecodeStreaming, Encode, EncodeStreaming
from soundstage.stages.spectrostream.codec import load_codec
from soundstage.stages.spectrostream.config import DEMO, FULL, TINY
from soundstage.stages.spectrostream.stage import CodecParams, StreamingParams
from soundstage.stages.spectrostream.streaming import MemoryLayout
from soundstage.stages.weights.sources import open_source

FORMAT = Format(chunk_s=0.24, context_s=0.48, codec_memory=MemoryLayout(TINY).size)
CPU = jax.devices("cpu")[0]
PARAMS, STREAMING = CodecParams("random:0", "tiny"), StreamingParams("random:0", "tiny")
FRAMES, LATE = FORMAT.dims["frame"], FORMAT.frame_samples
CHUNKS = 20


@pytest.fixture(scope="module")
def decode_streaming():
    return DecodeStreaming(STREAMING, FORMAT, CPU)


@pytest.fixture(scope="module")
def codec():
    return load_codec(TINY, open_source("random:0"), CPU)[0]


@pytest.fixture(scope="module")
def tokens():
    draw = np.random.default_rng(0)
    shape = (3, CHUNKS * FRAMES, FORMAT.codec_levels)
    return draw.integers(0, FORMAT.codebook_size, shape).astype(np.int32)


@pytest.fixture(scope="module")
def whole(codec, tokens):
    """The audio of one long decoding, without the last frame, whose lookahead is missing."""
    return codec.decode(tokens)


def empty_memory(rows):
    return np.zeros((rows, FORMAT.codec_memory), np.float32)


def play(stage, tokens, memory):
    """Decodes chunk by chunk; returns the whole audio and the last memory."""
    parts = []
    for start in range(0, tokens.shape[1], FRAMES):
        outputs = stage(tokens[:, start : start + FRAMES], memory)
        parts.append(outputs["audio"])
        memory = outputs["memory"]
    return np.concatenate(parts, axis=1), memory


@pytest.mark.parametrize("rows", [1, 3])
def test_twenty_chunks_equal_one_long_decoding_a_frame_later(decode_streaming, tokens, whole, rows):
    audio, _ = play(decode_streaming, tokens[:rows], empty_memory(rows))
    assert audio.shape == (rows, CHUNKS * FORMAT.dims["sample"], 2)
    assert not audio[:, :LATE].any()
    error = np.abs(audio[:, LATE:] - whole[:rows]).max()
    assert error <= 1e-6 * np.abs(whole).max()


def test_chunk_borders_are_as_exact_as_all_samples(decode_streaming, tokens, whole):
    audio, _ = play(decode_streaming, tokens, empty_memory(3))
    error = np.abs(audio[:, LATE:] - whole)
    borders = np.arange(1, CHUNKS) * FORMAT.dims["sample"] - LATE
    near = np.concatenate([error[:, border - 480 : border + 480] for border in borders], axis=1)
    assert near.max() <= 1e-6 * np.abs(whole).max()


def test_new_stage_continues_from_a_saved_memory(decode_streaming, tokens, whole):
    half = CHUNKS // 2 * FRAMES
    _, memory = play(decode_streaming, tokens[:, :half], empty_memory(3))
    kept = np.frombuffer(memory.tobytes(), np.float32).reshape(memory.shape)
    again = DecodeStreaming(STREAMING, FORMAT, CPU)
    rest, _ = play(again, tokens[:, half:], kept)
    error = np.abs(rest - whole[:, half * LATE - LATE :]).max()
    assert error <= 1e-6 * np.abs(whole).max()


def test_chunks_of_one_frame_give_the_same_audio(codec, tokens, whole):
    memory, parts = empty_memory(1), []
    for frame in range(40):
        audio, memory = codec.decode_streaming(tokens[:1, frame : frame + 1], memory)
        parts.append(audio)
    error = np.abs(np.concatenate(parts[1:], axis=1) - whole[:1, : 39 * LATE]).max()
    assert error <= 1e-6 * np.abs(whole).max()


def test_convolutions_by_tiles_give_the_same_audio_but_for_rounding(tokens, whole):
    tiled = DecodeStreaming(StreamingParams("random:0", "tiny", "winograd"), FORMAT, CPU)
    audio, _ = play(tiled, tokens[:1], empty_memory(1))
    error = np.abs(audio[:, LATE:] - whole[:1]).max()
    assert 0 < error <= 1e-5 * np.abs(whole).max()


@pytest.mark.parametrize(("config", "size"), [(TINY, 66_401), (DEMO, 198_401), (FULL, 1_033_601)])
def test_memory_of_every_size_has_its_length_and_repacks(config, size):
    layout = MemoryLayout(config)
    assert layout.size == size
    memory = np.arange(2 * size, dtype=np.float32).reshape(2, size)
    parts = jax.jit(layout.unpack)(memory)
    np.testing.assert_array_equal(jax.jit(layout.pack)(*parts), memory)


def test_format_with_another_memory_or_delay_is_refused():
    other = dataclasses.replace(FORMAT, codec_memory=5)
    with pytest.raises(ValueError, match=r"codec_memory is 5 .* needs 66401"):
        DecodeStreaming(STREAMING, other, CPU)
    later = dataclasses.replace(FORMAT, fade_s=0.08)
    with pytest.raises(ValueError, match=r"fade_s is 0.08 .* delays the audio by 0.04 s"):
        DecodeStreaming(STREAMING, later, CPU)


# ---- the encoder


@pytest.fixture(scope="module")
def sound():
    draw = np.random.default_rng(1)
    format = dataclasses.replace(FORMAT, chunk_s=0.8, context_s=0.8)
    audio = 0.1 * draw.standard_normal((2, 3 * format.dims["sample"], 2))
    return format, audio.astype(np.float32)


def test_chunk_behind_another_has_the_tokens_of_the_whole(codec, sound):
    format, audio = sound
    whole = codec.encode(audio, format.codec_levels)
    stage, size = EncodeStreaming(PARAMS, format, CPU), format.dims["sample"]
    frames = format.dims["frame"]
    for chunk in (1, 2):
        past, new = audio[:, (chunk - 1) * size : chunk * size], audio[:, chunk * size :][:, :size]
        tokens = stage(new, past)["tokens"]
        # The last frame is encoded as if silence followed.
        result, expected = tokens[:, :-1], whole[:, chunk * frames : (chunk + 1) * frames - 1]
        np.testing.assert_array_equal(result, expected)


def test_chunk_behind_silence_has_the_tokens_of_encode(sound):
    format, audio = sound
    audio = audio[:, : format.dims["sample"]]
    alone = Encode(PARAMS, format, CPU)(audio)["tokens"]
    behind = EncodeStreaming(PARAMS, format, CPU)(audio, np.zeros_like(audio))["tokens"]
    # The past is silent, which only the first frames depend on.
    np.testing.assert_array_equal(behind[:, 14:], alone[:, 14:])
