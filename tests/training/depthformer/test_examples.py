"""Training examples: packed as in generation, drawn in the requested shares, reproducible."""

from collections import Counter
from dataclasses import replace

import jax
import numpy as np
import pytest
from synthetic_tokens import beat

from soundstage.graph.format import Format
from soundstage.stages.context import Pack
from soundstage.stages.depthformer.vocabulary import MASK, Vocabulary
from soundstage.training.depthformer.examples import ExampleParams, Examples, TooShort
from soundstage.training.tokens.record import PieceStyles, PieceTokens

FORMAT = Format(chunk_s=0.16, context_s=0.4, codec_levels=3, context_levels=2, codebook_size=512)
VOCABULARY = Vocabulary.of(FORMAT)
CONTEXT, CHUNK, LEVELS = (FORMAT.dims[name] for name in ("context_frame", "frame", "level"))
PLAIN = ExampleParams(
    rows=5, fresh_share=0, forgetful_share=0, noisy_share=0, style_dropout=0, text_share=0
)


def styles(*tokens):
    rows = [np.full(FORMAT.style_levels, token, np.int16) for token in tokens]
    return PieceStyles(
        np.stack(rows) if rows else np.zeros((0, FORMAT.style_levels), np.int16),
        np.zeros((len(rows), FORMAT.style_dim), np.float32),
    )


def piece(number, frames, texts=()):
    """Frame f of piece n holds f at level 0, n at level 1, f + n at level 2."""
    frame = np.arange(frames)
    tokens = np.stack([frame, np.full(frames, number), frame + number], 1).astype(np.int16)
    clips = styles(number, 100 + number)
    texts_styles = styles(*texts)
    name, start_s = f"piece {number}", (0.0, 1.0)
    return PieceTokens(
        name, "train", "", tokens, clips, start_s, texts, texts_styles, **beat(frames, 5)
    )


PIECES = [piece(1, 30), piece(2, 60, (201, 202)), piece(3, CHUNK - 1)]


def examples(params=PLAIN, seed=0, pieces=PIECES):
    return Examples(pieces, FORMAT, params, seed)


def rows(params, steps=200, **options):
    drawn = examples(params, **options)
    batches = [drawn.batch(step) for step in range(steps)]
    return np.concatenate([b.prompt for b in batches]), np.concatenate([b.codes for b in batches])


def style_of(prompts):
    return prompts[:, -FORMAT.prompt_style_levels]


def past_of(prompts):
    """The context's first two levels as codes, -1 = unknown."""
    ids = prompts[:, : -FORMAT.prompt_style_levels].reshape(len(prompts), CONTEXT, 2)
    return VOCABULARY.codec_codes(ids)


def test_prompt_is_what_the_stage_pack_makes_of_the_past():
    prompts, codes = rows(PLAIN, steps=20)
    pack = Pack(None, FORMAT, jax.devices("cpu")[0])
    for prompt, target in zip(prompts, codes, strict=True):
        start, number = target[0, 0], target[0, 1]
        np.testing.assert_array_equal(target, PIECES[number - 1].tokens[start : start + CHUNK])
        context = np.full((1, CONTEXT, LEVELS), -1, np.int32)
        known = min(start, CONTEXT)
        context[0, CONTEXT - known :] = PIECES[number - 1].tokens[start - known : start]
        style = VOCABULARY.style_ids(PIECES[number - 1].clips.tokens.astype(np.int32))
        which = int(np.flatnonzero(style[:, 0] == prompt[-FORMAT.prompt_style_levels])[0])
        tokens = PIECES[number - 1].clips.tokens[which : which + 1].astype(np.int32)
        np.testing.assert_array_equal(prompt, pack(context, tokens)["prompt"][0])
    assert prompts.dtype == codes.dtype == np.int32


def test_batch_depends_on_seed_and_step_alone():
    params = ExampleParams(rows=4)
    one, two = examples(params), examples(params)
    for step in (3, 0, 3):
        for left, right in zip(one.batch(step), two.batch(step), strict=True):
            np.testing.assert_array_equal(left, right)
    assert not np.array_equal(one.batch(0).codes, one.batch(1).codes)
    assert not np.array_equal(one.batch(0).codes, examples(params, seed=1).batch(0).codes)
    fewer = examples(replace(params, rows=2)).batch(3)
    np.testing.assert_array_equal(fewer.prompt, one.batch(3).prompt[:2])


def test_whole_style_is_dropped_in_the_requested_share():
    prompts, _ = rows(replace(PLAIN, style_dropout=0.12), steps=600)
    masked = (prompts[:, -FORMAT.prompt_style_levels :] == MASK).sum(axis=1)
    assert set(masked) == {0, FORMAT.prompt_style_levels}
    assert np.mean(masked > 0) == pytest.approx(0.12, abs=0.02)
    without = np.flatnonzero(masked)[0]
    unprompted = VOCABULARY.unprompted(prompts[without])
    np.testing.assert_array_equal(prompts[without], unprompted)


def test_all_frames_are_equally_likely_and_short_pieces_left_out():
    _, codes = rows(PLAIN, steps=2000)
    starts = Counter(map(tuple, codes[:, 0, :2]))
    assert len(starts) == 30 + 60 - 2 * (CHUNK - 1)
    expected = len(codes) / len(starts)
    assert min(starts.values()) > 0.5 * expected
    assert max(starts.values()) < 1.6 * expected


def test_styles_come_from_texts_in_the_requested_share():
    prompts, codes = rows(replace(PLAIN, text_share=0.5), steps=400)
    tokens = style_of(prompts) - VOCABULARY.style_offset
    of_two = tokens[codes[:, 0, 1] == 2]
    shares = {token: np.mean(of_two == token) for token in (2, 102, 201, 202)}
    assert sum(shares.values()) == pytest.approx(1)
    assert all(share == pytest.approx(0.25, abs=0.05) for share in shares.values())
    assert set(tokens[codes[:, 0, 1] == 1]) == {1, 101}


def test_past_is_forgotten_from_its_start_in_requested_shares():
    params = replace(PLAIN, fresh_share=0.2, forgetful_share=0.3)
    prompts, codes = rows(params, steps=600)
    late = codes[:, 0, 0] >= CONTEXT
    known = past_of(prompts[late])[:, :, 0] >= 0
    assert (np.diff(known.astype(int), axis=1) >= 0).all(), "the end of the past is known"
    length = known.sum(axis=1)
    # One in CONTEXT + 1 of the forgetful examples has no past at all.
    assert np.mean(length == 0) == pytest.approx(0.2 + 0.3 / (CONTEXT + 1), abs=0.04)
    assert np.mean(length == CONTEXT) == pytest.approx(0.5 + 0.3 / (CONTEXT + 1), abs=0.05)


def test_noise_changes_known_codes_only():
    clean, _ = rows(PLAIN, steps=100)
    noisy, _ = rows(replace(PLAIN, noisy_share=1.0, noise=0.5), steps=100)
    clean, noisy = past_of(clean), past_of(noisy)
    np.testing.assert_array_equal(clean < 0, noisy < 0)
    changed = (clean != noisy)[clean >= 0].mean()
    assert changed == pytest.approx(0.25, abs=0.05)


def test_several_chunks_follow_one_past():
    one, more = rows(PLAIN, steps=2)[1], rows(replace(PLAIN, chunks=3), steps=2)[1]
    assert more.shape == (len(one), 3 * CHUNK, LEVELS)
    np.testing.assert_array_equal(np.diff(more[:, :, 0], axis=1), 1)


def test_only_short_pieces_are_refused():
    with pytest.raises(TooShort, match=r"none of 1 pieces lasts the 0\.32 s"):
        examples(replace(PLAIN, chunks=2), pieces=[piece(1, 7)])


@pytest.mark.parametrize(
    "wrong", [{"rows": 0}, {"chunks": 0}, {"fresh_share": 1.5}, {"style_dropout": 1.0}]
)
def test_impossible_parameters_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        ExampleParams(**wrong)
