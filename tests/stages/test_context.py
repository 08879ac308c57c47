"""The prompt that `Pack` and `PackKnown` write, and the past that `Remember` moves on."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.graph.format import Format
from soundstage.stages.context import Pack, PackKnown, Remember

MAGENTA = Format()
SMALL = Format(
    chunk_s=0.08,
    context_s=0.2,
    codec_levels=3,
    context_levels=2,
    codebook_size=7,
    style_levels=4,
    prompt_style_levels=3,
)
NOTHING_YET = -1
PAD, MASK = 0, 1


def build(stage: type, format: Format):
    return stage(None, format, jax.devices("cpu")[0])


def codes(format: Format, seed: int, frames: str, rows: int = 1) -> np.ndarray:
    size = (rows, format.dims[frames], format.codec_levels)
    return np.random.default_rng(seed).integers(0, format.codebook_size, size, dtype=np.int32)


def styles(format: Format, seed: int, rows: int = 1) -> np.ndarray:
    size = (rows, format.style_levels)
    return np.random.default_rng(seed).integers(0, format.codebook_size, size, dtype=np.int32)


# ---- Remember


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32), rows=st.integers(1, 3))
def test_remember_returns_the_last_frames_of_all_chunks(seed, rows):
    remember = build(Remember, SMALL)
    context_frames = SMALL.dims["context_frame"]
    context = np.full((rows, context_frames, SMALL.codec_levels), NOTHING_YET, np.int32)
    chunks = [context]
    for chunk in range(5):
        tokens = codes(SMALL, seed + chunk, "frame", rows)
        context = remember(tokens, context)["context"]
        chunks.append(tokens)
        whole = np.concatenate(chunks, axis=1)
        np.testing.assert_array_equal(context, whole[:, -context_frames:])
    assert context.dtype == np.int32
    assert np.all(context >= 0)


def test_remember_with_a_past_of_one_chunk_returns_the_chunk():
    format = Format(chunk_s=0.2, context_s=0.2)
    tokens = codes(format, 1, "frame")
    context = codes(format, 2, "context_frame")
    np.testing.assert_array_equal(build(Remember, format)(tokens, context)["context"], tokens)


# ---- Pack


def test_published_prompt_is_frames_then_six_style_tokens():
    context, style = codes(MAGENTA, 3, "context_frame"), styles(MAGENTA, 4)
    prompt = build(Pack, MAGENTA)(context, style)["prompt"]
    assert prompt.shape == (1, 1006)
    assert prompt.dtype == np.int32
    for frame, level in [(0, 0), (0, 3), (1, 0), (123, 2), (249, 3)]:
        assert prompt[0, 4 * frame + level] == 2 + 1024 * level + context[0, frame, level]
    for level in range(6):
        assert prompt[0, 1000 + level] == 17410 + 1024 * level + style[0, level]


def test_fine_levels_and_late_style_levels_are_left_out():
    context, style = codes(MAGENTA, 3, "context_frame"), styles(MAGENTA, 4)
    pack = build(Pack, MAGENTA)
    before = pack(context, style)
    context[:, :, 4:] = 0
    style[:, 6:] = 0
    after = pack(context, style)
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])


def test_missing_frames_become_mask_and_known_frames_stay():
    context, style = codes(MAGENTA, 5, "context_frame"), styles(MAGENTA, 6)
    pack = build(Pack, MAGENTA)
    whole = pack(context, style)["prompt"]
    known = 50
    context[:, :-known] = NOTHING_YET
    half = pack(context, style)["prompt"]
    assert np.all(half[:, : 4 * (250 - known)] == MASK)
    np.testing.assert_array_equal(half[:, 4 * (250 - known) :], whole[:, 4 * (250 - known) :])


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32), unknown=st.integers(0, SMALL.dims["context_frame"]))
def test_unprompted_is_the_prompt_with_masked_style(seed, unknown):
    context, style = codes(SMALL, seed, "context_frame", 2), styles(SMALL, seed, 2)
    context[:, :unknown] = NOTHING_YET
    packed = build(Pack, SMALL)(context, style)
    shown = SMALL.prompt_style_levels
    np.testing.assert_array_equal(packed["unprompted"][:, :-shown], packed["prompt"][:, :-shown])
    assert np.all(packed["unprompted"][:, -shown:] == MASK)
    assert np.all(packed["prompt"][:, -shown:] > MASK)
    np.testing.assert_array_equal(packed["prompt"] == MASK, _masked_tokens(unknown))


def _masked_tokens(unknown: int) -> np.ndarray:
    masked = np.zeros((2, SMALL.dims["prompt_token"]), bool)
    masked[:, : unknown * SMALL.context_levels] = True
    return masked


def test_code_out_of_range_is_refused():
    context, style = codes(SMALL, 1, "context_frame"), styles(SMALL, 1)
    context[0, 0, 0] = SMALL.codebook_size
    with pytest.raises(ValueError, match="7"):
        build(Pack, SMALL)(context, style)


# ---- PackKnown


def test_pack_known_hides_missing_frames_and_packs_the_rest_alike():
    context = codes(SMALL, 3, "context_frame", 2)
    context[:, :2] = NOTHING_YET
    style = styles(SMALL, 4, 2)
    plain, known = build(Pack, SMALL)(context, style), build(PackKnown, SMALL)(context, style)
    past = SMALL.dims["prompt_token"] - SMALL.prompt_style_levels
    for name in ("prompt", "unprompted"):
        expected = plain[name].copy()
        expected[:, :past][expected[:, :past] == MASK] = PAD
        np.testing.assert_array_equal(known[name], expected)
        assert known[name].dtype == np.int32
    assert (known["unprompted"][:, past:] == MASK).all()
