"""The music format: derived sizes agree with its lengths, and bad lengths are refused."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.graph.format import Format

frames = st.integers(1, 400)


@st.composite
def formats(draw):
    """Formats whose lengths are whole frames, whatever their rate."""
    rate = draw(st.integers(1, 100))
    fade, chunk, context = sorted(draw(st.tuples(frames, frames, frames)))
    levels = sorted(draw(st.tuples(st.integers(1, 64), st.integers(1, 64))))
    style_levels = sorted(draw(st.tuples(st.integers(1, 64), st.integers(1, 64))))
    return Format(
        chunk_s=chunk / rate,
        context_s=context / rate,
        fade_s=fade / rate,
        sample_rate_hz=rate * draw(st.integers(1, 2000)),
        frame_rate_hz=rate,
        context_levels=levels[0],
        codec_levels=levels[1],
        prompt_style_levels=style_levels[0],
        style_levels=style_levels[1],
    )


@given(formats())
def test_derived_sizes_agree_with_the_lengths_in_seconds(format):
    dims = format.dims
    assert all(isinstance(size, int) and size > 0 for size in dims.values())
    assert dims["sample"] == dims["frame"] * format.frame_samples
    assert dims["faded_sample"] == dims["sample"] + dims["fade_sample"]
    assert dims["sample"] / format.sample_rate_hz == pytest.approx(format.chunk_s)
    assert dims["fade_sample"] / format.sample_rate_hz == pytest.approx(format.fade_s)
    assert dims["context_frame"] / format.frame_rate_hz == pytest.approx(format.context_s)
    tokens = dims["context_frame"] * dims["context_level"]
    assert dims["prompt_token"] == tokens + format.prompt_style_levels


def test_the_default_is_the_published_format():
    assert Format().dims == {
        "frame": 50,
        "context_frame": 250,
        "level": 16,
        "context_level": 4,
        "style_dim": 768,
        "style_level": 12,
        "window_frame": 300,
        "pitch": 128,
        "control_number": 132,
        "condition_byte": 67,
        "tempo_number": 3,
        "sound_number": 3,
        "prompt_token": 1006,
        "sample": 96_000,
        "fade_sample": 1920,
        "faded_sample": 97_920,
        "channel": 2,
        "clip_sample": 160_000,
        "codec_memory": 1_033_601,
    }


@pytest.mark.parametrize("name", [field.name for field in fields(Format)])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_zero_negative_or_infinite_value_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be finite and greater than 0, got {value}"):
        Format(**{name: value})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"chunk_s": 2.01}, "chunk_s = 2.01 is 50.25 frames at 25 frames/s"),
        ({"context_s": 9.99}, "context_s = 9.99 is 249.75 frames at 25 frames/s"),
        ({"fade_s": 0.05}, "fade_s = 0.05 is 1.25 frames at 25 frames/s"),
        ({"clip_s": 0.00001}, "clip_s = 1e-05 is 0.16 samples at 16000 Hz"),
        ({"sample_rate_hz": 44_101}, "sample_rate_hz = 44101 is not a multiple of frame_rate_hz"),
        ({"fade_s": 2.04}, "fade_s = 2.04 exceeds chunk_s = 2.0"),
        ({"chunk_s": 12.0}, "chunk_s = 12.0 exceeds context_s = 10.0"),
        ({"context_levels": 17}, "context_levels = 17 exceeds codec_levels = 16"),
        ({"prompt_style_levels": 13}, "prompt_style_levels = 13 exceeds style_levels = 12"),
    ],
)
def test_lengths_and_depths_that_do_not_fit_are_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        Format(**changes)


def test_all_problems_are_in_one_message():
    with pytest.raises(ValueError, match="chunk_s") as refused:
        Format(chunk_s=2.01, fade_s=0.05, codec_levels=2)
    assert len(str(refused.value).split("; ")) == 3


def test_rounding_error_of_a_whole_length_is_ignored():
    assert Format(chunk_s=0.28, fade_s=0.28).dims["frame"] == 7


def test_sizes_have_the_names_of_the_original_configuration():
    # The numbers of Magenta RealTime v1.
    sizes = {
        "frame_length_samples": 1_920,
        "chunk_length_frames": 50,
        "chunk_length_samples": 96_000,
        "context_length_frames": 250,
        "context_length_samples": 480_000,
        "context_num_chunks": 5,
        "crossfade_length_frames": 1,
        "crossfade_length_samples": 1_920,
        "chunk_tokens_shape": (50, 16),
        "context_tokens_shape": (250, 16),
    }
    assert {name: getattr(Format(), name) for name in sizes} == sizes
