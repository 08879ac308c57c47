"""The step: chunks of any length make the same frames, and the memo follows from the state."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from soundstage.graph.format import Format
from soundstage.stages.magenta_rt2 import Step
from soundstage.stages.magenta_rt2.params import FrameModelParams
from soundstage.stages.magenta_rt2.sampler import frame_noise

PAST, BYTES = 14, 67
STYLE = np.arange(12, dtype=np.int32)


def format_of(frames):
    return Format(
        chunk_s=0.04 * frames,
        context_s=0.04 * PAST,
        codec_levels=12,
        context_levels=12,
    )


class Stream:
    """Streams of the tiny model, tick by tick; row r has the seed r."""

    def __init__(self, frames, rows=1, temperature=1.3):
        params = FrameModelParams("random:0", "tiny")
        self.step = Step(params, format_of(frames), jax.devices("cpu")[0])
        self.frames, self.rows, self.temperature = frames, rows, temperature
        self.state = {
            "context": np.full((rows, PAST, 12), -1, np.int32),
            "conditions": np.zeros((rows, PAST, BYTES), np.uint8),
            "frame": np.zeros(rows, np.int64),
        }
        self.memo = self.step.rebuild(**self.state)

    def next(self):
        start = int(self.state["frame"][0])
        asked = [numbers(start + index) for index in range(self.frames)]
        outputs, self.memo = self.step(
            style=np.stack([STYLE] * self.rows),
            numbers=np.stack([np.stack(asked)] * self.rows),
            temperature=np.full(self.rows, self.temperature, np.float32),
            top_k=np.full(self.rows, 40, np.int32),
            seed=np.arange(self.rows),
            memo=self.memo,
            **self.state,
        )
        self.state = {name: outputs[name] for name in self.state}
        return outputs["tokens"]


def numbers(frame):
    """What is asked, which changes now and then, also within a tick."""
    return np.random.default_rng(frame // 5).integers(-1, 2, 132).astype(np.int32)


@pytest.fixture(scope="module")
def one_by_one():
    """The codes of 30 frames, one a tick, and after each tick whether the memo can be rebuilt."""
    stream, codes, rebuilt = Stream(1), [], []
    for _ in range(30):
        codes.append(stream.next())
        again = stream.step.rebuild(**stream.state)
        rebuilt.append(all(np.array_equal(again[name], stream.memo[name]) for name in again))
    return np.concatenate(codes, axis=1), rebuilt


def test_rebuilt_memo_equals_the_memo_of_every_tick_bit_for_bit(one_by_one):
    assert all(one_by_one[1])


def test_frames_do_not_depend_on_the_length_of_a_tick(one_by_one):
    stream = Stream(6, rows=3)
    codes = np.concatenate([stream.next() for _ in range(5)], axis=1)
    np.testing.assert_array_equal(codes[:1], one_by_one[0])
    assert (codes[1] != codes[0]).mean() > 0.9


def test_conditioning_that_stays_the_same_is_embedded_once(monkeypatch):
    stream, embedded = Stream(1, rows=2), []
    embed = stream.step._embedder._embed

    def counted(state, one):
        embedded.append(np.asarray(one))
        return embed(state, one)

    monkeypatch.setattr(stream.step._embedder, "_embed", counted)
    for _ in range(12):
        stream.next()
    assert len(embedded) == 3
    for index, asked in enumerate(embedded):
        np.testing.assert_array_equal(asked[0, 12:], numbers(5 * index))


def test_style_levels_beyond_those_shown_are_kept_as_masked():
    params = FrameModelParams("random:0", "tiny")
    made = []
    for shown in (6, 12):
        form = replace(format_of(1), prompt_style_levels=shown)
        step = Step(params, form, jax.devices("cpu")[0])
        others = np.where(np.arange(12) < 6, STYLE, 1000).astype(np.int32)
        asked = numbers(0)[None, None]
        made.append([step._packed(style[None], asked) for style in (STYLE, others)])
    assert np.array_equal(*made[0])
    assert not np.array_equal(*made[1])


def test_codes_are_of_all_sorts_and_in_range(one_by_one):
    codes = one_by_one[0]
    assert codes.min() >= 0
    assert codes.max() < 1024
    assert len(np.unique(codes)) > 200


def test_noise_depends_on_seed_frame_and_level_alone():
    seeds = np.array([[0, 1], [0, 1], [0, 2]], np.uint32)
    frames = np.array([[0, 7], [0, 8], [0, 7]], np.uint32)
    noise = np.asarray(frame_noise(seeds, frames, 3, 5))
    alone = np.asarray(frame_noise(seeds[1:2], frames[1:2], 3, 5))
    np.testing.assert_array_equal(noise[:, 1], alone[:, 0])
    assert len(np.unique(noise)) == noise.size


def test_format_that_does_not_fit_the_model_is_refused():
    params = FrameModelParams("random:0", "small")
    with pytest.raises(ValueError, match=r"reads 493: set context_s to at least 19.72"):
        Step(params, format_of(1), jax.devices("cpu")[0])
