"""The count of beats, and the prompt that `PackOnBeat` writes."""

import jax
import numpy as np
import pytest

from soundstage.graph.format import Format
from soundstage.stages.beat import PackOnBeat, chosen_tempo
from soundstage.stages.context import PackKnown

SMALL = Format(
    chunk_s=0.4,
    context_s=0.8,
    codec_levels=3,
    context_levels=2,
    codebook_size=7,
    style_levels=4,
    prompt_style_levels=3,
)
FRAMES, WINDOW = SMALL.dims["frame"], SMALL.dims["window_frame"]
UNSAID = (-1.0, -1.0, -1.0)

FORMAT = Format()


def pack(rows: int = 1, **changed):
    device = jax.devices("cpu")[0]
    one = np.ones(rows, np.float32)
    context = np.full((rows, SMALL.dims["context_frame"], SMALL.codec_levels), -1, np.int32)
    context[:, -3:] = 2
    values = {
        "context": context,
        "style": np.full((rows, SMALL.style_levels), 1, np.int32),
        "asked_tempo": np.tile(np.float32(UNSAID), (rows, 1)),
        "asked_sound": np.tile(np.float32(UNSAID), (rows, 1)),
        "bpm": 0 * one,
        "density": -one,
        "brightness": -one,
        "drums": -one,
        "beats": np.full((rows, WINDOW), -1, np.float32),
        "tempo": 0 * one,
    }
    values |= {name: np.asarray(value, np.float32) for name, value in changed.items()}
    return PackOnBeat(None, SMALL, device)(**values)


def test_prompt_is_that_of_pack_known():
    packed = pack()
    context = np.full((1, SMALL.dims["context_frame"], SMALL.codec_levels), -1, np.int32)
    context[:, -3:] = 2
    known = PackKnown(None, SMALL, jax.devices("cpu")[0])
    expected = known(context=context, style=np.full((1, 4), 1, np.int32))
    np.testing.assert_array_equal(packed["prompt"], expected["prompt"])
    np.testing.assert_array_equal(packed["unprompted"], expected["unprompted"])


@pytest.mark.parametrize(
    ("bpm", "prompt", "running", "tempo"),
    [
        (0, UNSAID, 0, 0),
        (0, UNSAID, 99, 99),  # nobody asks for another tempo
        (120, (90, 60, 100), 99, 120),  # the control wins
        (0, (90, 60, 100), 99, 90),  # then the tempo that the prompt names
        (0, (-1, 118, 128), 125, 125),  # a tempo that fits the prompt goes on
        (0, (-1, 118, 128), 80, 123),  # another one does not
        (0, (-1, 165, 180), 87, 174),  # but twice or half of it has the same beats
        (0, (-1, 60, 80), 128, 64),
        (0, (-1, 118, 128), 0, 123),
        (0, (0, 0, 0), 125, 0),  # music without a beat
    ],
)
def test_tempo_is_that_of_the_strongest_wish(bpm, prompt, running, tempo):
    assert chosen_tempo(bpm, np.float32(prompt), running) == tempo


def test_count_continues_over_chunks_and_over_a_change_of_tempo():
    beats, tempo, counted = np.full((1, WINDOW), -1, np.float32), [0.0], []
    for bpm in (120, 120, 180, 180):
        packed = pack(bpm=[bpm], beats=beats, tempo=tempo)
        beats, tempo = packed["beats"], packed["tempo"]
        counted.append(beats[0, -FRAMES:])
    counted = np.concatenate(counted)
    # 25 frames a second: 0.08 beats a frame at 120 beats a minute, 0.12 at 180. The first frame of
    # the third chunk is one frame of the old tempo behind the last one of the second.
    steps = [0.08] * (2 * FRAMES) + [0.12] * (2 * FRAMES - 1)
    np.testing.assert_allclose(counted, np.cumsum([0, *steps]) % 12, atol=1e-4)
    # The window holds the past as well.
    np.testing.assert_array_equal(beats[0, :FRAMES], counted[FRAMES : 2 * FRAMES])


def clicks(tempo_bpm, next_s, seconds):
    """Clicks at a tempo, of which the next would come `next_s` after the end."""
    audio = np.zeros((round(seconds * FORMAT.sample_rate_hz), 2), np.float32)
    noise = np.random.default_rng(0).normal(0, 0.3, (480, 2)).astype(np.float32)
    for before_end_s in np.arange(60 / tempo_bpm - next_s, seconds - 0.01, 60 / tempo_bpm):
        start = len(audio) - round(before_end_s * FORMAT.sample_rate_hz)
        part = audio[start : start + len(noise)]
        part += noise[: len(part)]
    return audio


def test_music_continues_the_beat_of_audio():
    heard = PackOnBeat.after_audio(clicks(125, 0.1, 8.0), FORMAT)
    assert heard["tempo"] == pytest.approx(125, rel=0.005)
    window, frames = FORMAT.dims["window_frame"], FORMAT.dims["frame"]
    beats = heard["beats"]
    assert beats.shape == (window,)
    assert beats.dtype == np.float32
    # Nothing is known of the time before the audio.
    assert (beats[: window - 200] == -1).all()
    assert (beats[window - 200 :] >= 0).all()
    pack = PackOnBeat(None, FORMAT, jax.devices("cpu")[0])
    stay = {"bpm": np.zeros(1, np.float32), "asked_tempo": np.full((1, 3), -1, np.float32)}
    free = np.full(1, -1, np.float32)
    packed = pack(
        context=np.full((1, FORMAT.dims["context_frame"], 4), -1, np.int32),
        style=np.ones((1, 12), np.int32),
        asked_sound=np.full((1, 3), -1, np.float32),
        **stay,
        **dict.fromkeys(("density", "brightness", "drums"), free),
        beats=beats[None],
        tempo=heard["tempo"][None],
    )
    # The beat after 0.1 s, between frames 2 and 3, is the first of a bar.
    chunk = packed["beats"][0, -frames:]
    expected = (np.arange(frames) / 25 - 0.1) * 125 / 60 % 12
    late = (chunk - expected + 6) % 12 - 6
    assert np.abs(late).max() < 0.06


def test_audio_without_a_beat_leaves_it_free():
    heard = PackOnBeat.after_audio(np.zeros((48_000 * 8, 2), np.float32), FORMAT)
    assert heard["tempo"] == 0
    assert (heard["beats"] == -1).all()


def test_count_stays_within_its_cycle_for_hours():
    beats, tempo = np.full((1, WINDOW), -1, np.float32), [0.0]
    for _ in range(3000):
        packed = pack(bpm=[173], beats=beats, tempo=tempo)
        beats, tempo = packed["beats"], packed["tempo"]
        assert beats[0, -FRAMES:].min() >= 0
        assert beats.max() < 12
    exact = 3000 * FRAMES * 173 / 60 / 25 % 12
    last = beats[0, -1] + 173 / 60 / 25
    assert abs(last % 12 - exact) < 0.02


def test_beats_are_free_where_no_tempo_is_known():
    packed = pack(asked_tempo=[(0, 0, 0)], beats=np.full((1, WINDOW), 3, np.float32), tempo=[120])
    assert (packed["beats"][0, -FRAMES:] == -1).all()
    assert (packed["beats"][0, :-FRAMES] == 3).all()
    assert packed["tempo"] == 0


def test_rows_have_their_own_sound_which_controls_overrule():
    packed = pack(
        2,
        asked_sound=[(0.2, -1, 1), (0.4, 0.5, -1)],
        density=[-1, 0.9],
        drums=[0, -1],
    )
    expected = np.float32([(0.2, -1, 0), (0.9, 0.5, -1)])
    np.testing.assert_array_equal(packed["sound"], expected)
    assert packed["sound"].dtype == np.float32
