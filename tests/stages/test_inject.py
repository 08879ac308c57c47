"""Live input: mixed with the last chunk, written into the past, compared by guidance."""

import jax
import numpy as np
import pytest

from soundstage.graph.format import Format
from soundstage.stages.context import Pack
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.stages.inject import RAMP_SAMPLES, Hear, HearOn, Inject, InjectLate, PackApart

FORMAT = Format(chunk_s=0.24, context_s=0.48)
SIZES = FORMAT.dims
CPU = jax.devices("cpu")[0]
ALL, SOME = SIZES["sample"], SIZES["sample"] // 3


def build(stage, format=FORMAT):
    return stage(None, format, CPU)


def sound(seed, samples, rows=None):
    shape = (samples, 2) if rows is None else (rows, samples, 2)
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def hear(inject, own, gain=0.5, gap_s=0.0, stage=Hear):
    gains, gaps = (np.full(len(own), value, np.float32) for value in (gain, gap_s))
    return build(stage)(inject, gains, gaps, own)


def codes(seed, dimension, rows=2):
    draw = np.random.default_rng(seed)
    shape = (rows, SIZES[dimension], SIZES["level"])
    return draw.integers(0, FORMAT.codebook_size, shape).astype(np.int32)


# ---- Hear


def test_input_is_added_to_the_last_chunk():
    own, played = sound(0, SIZES["faded_sample"], 1), sound(1, ALL)
    outputs = hear([played], own)
    np.testing.assert_allclose(outputs["audio"][0], played + 0.5 * own[0, -ALL:], atol=1e-7)
    assert outputs["frames"].tolist() == [SIZES["frame"]]


def test_input_of_another_length_is_aligned_with_the_chunk_end():
    own = np.zeros((2, SIZES["faded_sample"], 2), np.float32)
    short, long = sound(1, SOME), sound(2, ALL + SOME)
    outputs = hear([short, long], own)
    np.testing.assert_array_equal(outputs["audio"][0, -SOME:], short)
    assert not outputs["audio"][0, :-SOME].any()
    np.testing.assert_array_equal(outputs["audio"][1], long[SOME:])
    assert outputs["frames"].tolist() == [SIZES["frame"] // 3, SIZES["frame"]]


def test_partly_filled_frame_counts():
    own = np.zeros((1, SIZES["faded_sample"], 2), np.float32)
    assert hear([sound(1, 1)], own)["frames"].tolist() == [1]
    assert hear([sound(1, FORMAT.frame_samples + 1)], own)["frames"].tolist() == [2]


def test_empty_input_gives_silence_whatever_the_model_played():
    # A constant input lets the runner skip the encoder.
    outputs = hear([np.zeros((0, 2), np.float32)], sound(0, SIZES["faded_sample"], 1))
    assert not outputs["audio"].any()
    assert outputs["frames"].tolist() == [0]


def test_gap_silences_only_the_end_of_the_input():
    own, played = sound(0, SIZES["faded_sample"], 1), sound(1, ALL)
    with_gap, without = (hear([played], own, gap_s=gap)["audio"][0] for gap in (0.1, 0.0))
    gap = round(0.1 * FORMAT.sample_rate_hz)
    np.testing.assert_array_equal(with_gap[-gap:], 0.5 * own[0, -gap:])
    before = ALL - gap - RAMP_SAMPLES
    np.testing.assert_array_equal(with_gap[:before], without[:before])
    steps = np.abs(
        np.diff((with_gap - 0.5 * own[0, -ALL:])[before:-gap] / played[before:-gap], axis=0)
    )
    assert steps.max() < 1.5 / RAMP_SAMPLES


def test_gap_longer_than_the_input_leaves_only_own_audio():
    own = sound(0, SIZES["faded_sample"], 1)
    outputs = hear([sound(1, ALL)], own, gap_s=10.0)
    np.testing.assert_array_equal(outputs["audio"][0], 0.5 * own[0, -ALL:])


def test_hear_on_mixes_the_last_chunk_without_overlap():
    own, played = sound(0, ALL, 1), sound(1, ALL)
    outputs = hear([played], own, stage=HearOn)
    np.testing.assert_allclose(outputs["audio"][0], played + 0.5 * own[0], atol=1e-7)


# ---- Inject


@pytest.mark.parametrize(("stage", "late"), [(Inject, 0), (InjectLate, FORMAT.fade_frames)])
def test_only_frames_with_input_are_replaced_in_the_past(stage, late):
    tokens, context = codes(0, "frame"), codes(1, "context_frame")
    outputs = build(stage)(tokens, np.array([2, 0], np.int32), context)["context"]
    end = SIZES["context_frame"] - late
    np.testing.assert_array_equal(outputs[0, end - 2 : end], tokens[0, -2:])
    np.testing.assert_array_equal(outputs[0, : end - 2], context[0, : end - 2])
    np.testing.assert_array_equal(outputs[0, end:], context[0, end:])
    np.testing.assert_array_equal(outputs[1], context[1])


@pytest.mark.parametrize("stage", [Inject, InjectLate])
def test_chunk_as_long_as_the_past_is_injected(stage):
    format = Format(chunk_s=0.24, context_s=0.24)
    tokens, context = codes(0, "frame"), codes(1, "frame")
    frames = np.full(2, SIZES["frame"], np.int32)
    outputs = build(stage, format)(tokens, frames, context)["context"]
    late = format.fade_frames if stage is InjectLate else 0
    np.testing.assert_array_equal(outputs[:, : SIZES["frame"] - late], tokens[:, late:])
    assert outputs.shape == context.shape


def test_empty_past_holds_only_the_input_afterwards():
    nothing = np.full((1, SIZES["context_frame"], SIZES["level"]), -1, np.int32)
    frames = np.array([SIZES["frame"]], np.int32)
    outputs = build(Inject)(codes(0, "frame", 1), frames, nothing)["context"]
    assert (outputs[:, : -SIZES["frame"]] == -1).all()
    assert (outputs[:, -SIZES["frame"] :] >= 0).all()


# ---- PackApart


def test_unprompted_past_is_without_input():
    context, own = codes(0, "context_frame"), codes(1, "context_frame")
    style = codes(2, "frame")[:, 0, : SIZES["style_level"]]
    outputs = build(PackApart)(context, own, style)
    vocabulary = Vocabulary.of(FORMAT)
    np.testing.assert_array_equal(outputs["prompt"], vocabulary.pack(context, style))
    apart = vocabulary.unprompted(vocabulary.pack(own, style))
    np.testing.assert_array_equal(outputs["unprompted"], apart)


def test_pack_apart_with_equal_pasts_equals_pack():
    context, style = codes(0, "context_frame"), codes(2, "frame")[:, 0, : SIZES["style_level"]]
    outputs, plain = build(PackApart)(context, context, style), build(Pack)(context, style)
    for name in ("prompt", "unprompted"):
        np.testing.assert_array_equal(outputs[name], plain[name])
