"""The vocabulary: a bijection between codes and ids that refuses all other values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from soundstage.graph.format import Format
from soundstage.stages.depthformer.vocabulary import MASK, Vocabulary, llm_to_rvq, rvq_to_llm

SIZES = st.tuples(st.integers(1, 20), st.integers(1, 2000), st.integers(0, 30_000))


@given(SIZES, st.data())
def test_codes_survive_the_way_to_ids_and_back(size, data):
    levels, codebook, offset = size
    codes = data.draw(hnp.arrays(np.int32, (3, levels), elements=st.integers(0, codebook - 1)))
    ids = rvq_to_llm(codes, codebook, offset)
    assert ids.dtype == np.int32
    assert ids.min() >= offset
    assert ids.max() < offset + levels * codebook
    np.testing.assert_array_equal(llm_to_rvq(ids, codebook, offset), codes)


@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 100))
def test_every_id_belongs_to_one_code(levels, codebook, offset):
    codes = np.broadcast_to(np.arange(codebook)[:, None], (codebook, levels))
    ids = rvq_to_llm(codes, codebook, offset)
    np.testing.assert_array_equal(np.sort(ids, axis=None), offset + np.arange(levels * codebook))


@given(hnp.arrays(np.int32, (2, 5, 4), elements=st.integers(-1, 1023)))
def test_nothing_yet_becomes_mask_and_survives(codes):
    vocabulary = Vocabulary()
    ids = vocabulary.codec_ids(codes)
    np.testing.assert_array_equal(ids == MASK, codes == -1)
    np.testing.assert_array_equal(vocabulary.codec_codes(ids), codes)


@given(st.integers(0, 2), st.integers(0, 15), st.sampled_from([-7, -1, 1024, 2**31 - 1]))
def test_code_out_of_range_is_named(row, level, value):
    codes = np.zeros((3, 16), np.int64)
    codes[row, level] = value
    with pytest.raises(
        ValueError, match=rf"code {value} of level {level} at index \({row}, {level}\)"
    ):
        rvq_to_llm(codes, 1024, 2)


@given(st.integers(0, 2), st.integers(0, 15), st.sampled_from([0, 1, 16386, 40_000]))
def test_id_of_no_code_is_named(row, level, value):
    ids = rvq_to_llm(np.zeros((3, 16), np.int32), 1024, 2)
    ids[row, level] = value
    with pytest.raises(ValueError, match=rf"id {value} at index \({row}, {level}\)"):
        llm_to_rvq(ids, 1024, 2)


def test_id_of_the_next_level_is_refused():
    with pytest.raises(ValueError, match="level 0, whose ids are"):
        llm_to_rvq(np.array([2 + 1024]), 1024, 2)


def test_floats_and_scalars_are_refused():
    with pytest.raises(TypeError, match="float64"):
        rvq_to_llm(np.zeros((1, 4)), 1024, 2)
    with pytest.raises(TypeError, match="level"):
        llm_to_rvq(np.int32(3), 1024, 2)


def test_default_format_has_the_published_vocabulary():
    vocabulary = Vocabulary.of(Format())
    assert vocabulary.style_offset == 17410
    assert vocabulary.size == 29698
    assert vocabulary.padded_size == 29824


def test_more_levels_than_the_vocabulary_has_are_refused():
    with pytest.raises(ValueError, match="17 levels, but the vocabulary has 16"):
        Vocabulary().codec_ids(np.zeros((1, 17), np.int32))
    with pytest.raises(ValueError, match="13 levels, but the vocabulary has 12"):
        Vocabulary().style_ids(np.zeros(13, np.int32))


def test_prompt_is_frames_then_style():
    vocabulary = Vocabulary()
    context = np.arange(250)[:, None] * 4 + np.arange(16)[None] % 4
    style = np.arange(12) + 100
    prompt = vocabulary.pack(context, style)
    assert prompt.shape == (1006,)
    np.testing.assert_array_equal(prompt[4:8], [2 + 4, 1026 + 5, 2050 + 6, 3074 + 7])
    np.testing.assert_array_equal(prompt[1000:], 17410 + 1024 * np.arange(6) + style[:6])
    unprompted = vocabulary.unprompted(prompt)
    np.testing.assert_array_equal(unprompted[:1000], prompt[:1000])
    assert (unprompted[1000:] == MASK).all()


def test_past_of_a_new_stream_is_masked():
    prompt = Vocabulary().pack(np.full((2, 250, 16), -1, np.int32), np.zeros((2, 12), np.int32))
    assert (prompt[:, :1000] == MASK).all()


def test_too_few_levels_for_the_encoder_are_refused():
    with pytest.raises(ValueError, match="context has 3 levels, but the encoder reads 4"):
        Vocabulary().pack(np.zeros((250, 3), np.int32), np.zeros(12, np.int32))
    with pytest.raises(ValueError, match="style has 5 levels, but the encoder reads 6"):
        Vocabulary().pack(np.zeros((250, 16), np.int32), np.zeros(5, np.int32))
