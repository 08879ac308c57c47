"""The streaming decoder whose state is the last codes."""

import dataclasses

import jax
import numpy as np
import pytest

from soundstage.graph.format import Format
from soundstage.stages.spectrostream import DecodeFromCodes, DecodeStreaming
from soundstage.stages.spectrostream.config import DEMO, FULL, TINY
from soundstage.stages.spectrostream.stage import StreamingParams
from soundstage.stages.spectrostream.streaming import MemoryLayout, frames_back

CPU = jax.devices("cpu")[0]
PARAMS = StreamingParams("random:0", "tiny")
LEVELS = 4
PAST = 64 * LEVELS


def format_of(frames, memory=PAST):
    return Format(
        chunk_s=frames / 25,
        context_s=2.0,
        codec_levels=LEVELS,
        context_levels=LEVELS,
        codec_memory=memory,
    )


def codes(rows, frames):
    shape = (rows, frames, LEVELS)
    return np.random.default_rng(0).integers(0, 1024, shape).astype(np.int32)


def play(stage, tokens, frames):
    """Decodes chunk by chunk; yields the audio, the past and the memory of every chunk."""
    past = np.full((len(tokens), PAST), -1, np.int32)
    memo = stage.rebuild(past)
    for start in range(0, tokens.shape[1], frames):
        outputs, memo = stage(tokens[:, start : start + frames], past, memo=memo)
        past = outputs["past"]
        yield outputs["audio"], past, np.asarray(memo["memory"])


@pytest.fixture(scope="module", params=[1, 4], ids=["chunks of a frame", "chunks of four"])
def played(request):
    """A stage, the number of frames of a chunk, tokens, and what each chunk gave."""
    frames = request.param
    stage = DecodeFromCodes(PARAMS, format_of(frames), CPU)
    tokens = codes(2, 20)
    return stage, frames, tokens, list(play(stage, tokens, frames))


def test_audio_is_that_of_the_stage_that_feeds_back_its_memory(played):
    _, frames, tokens, chunks = played
    size = MemoryLayout(TINY).size
    other = DecodeStreaming(PARAMS, format_of(frames, size), CPU)
    memory = np.zeros((2, size), np.float32)
    for index, (audio, _, kept) in enumerate(chunks):
        outputs = other(tokens[:, index * frames : (index + 1) * frames], memory)
        memory = outputs["memory"]
        assert audio.tobytes() == outputs["audio"].tobytes()
        assert kept.tobytes() == memory.tobytes()


def test_memory_follows_from_the_codes_of_the_past_bit_for_bit(played):
    stage, _, _, chunks = played
    for _, past, memory in chunks:
        assert stage.rebuild(past)["memory"].tobytes() == memory.tobytes()


def test_rows_that_began_later_are_rebuilt_beside_others(played):
    stage, _, _, chunks = played
    pasts = np.stack([chunks[0][1][0], chunks[-1][1][1]])
    memory = stage.rebuild(pasts)["memory"]
    assert memory[0].tobytes() == chunks[0][2][0].tobytes()
    assert memory[1].tobytes() == chunks[-1][2][1].tobytes()


@pytest.mark.parametrize("config", [TINY, DEMO, FULL])
def test_past_has_whole_chunks_of_up_to_two_seconds(config):
    back = frames_back(config)
    for frames in range(1, 51):
        assert -(-back // frames) * frames <= 64
    # A code further back than this is in no layer's last inputs.
    assert back == {TINY: 15, DEMO: 14, FULL: 15}[config]


def test_other_size_of_the_past_is_refused():
    other = dataclasses.replace(format_of(4), codec_memory=5)
    with pytest.raises(ValueError, match=r"codec_memory is 5 .* needs 256"):
        DecodeFromCodes(PARAMS, other, CPU)
