"""The ranks of joins."""

import numpy as np
import pytest
from evaluation.measures.joins import find_joins, largest_steps, rank, spectral_changes

RATE_HZ, CHUNK = 8000, 4000


def music(chunks: int) -> np.ndarray:
    """Decaying notes with noise, at places that have nothing to do with chunks."""
    draw = np.random.default_rng(3)
    audio = 0.01 * draw.normal(size=(chunks * CHUNK, 2))
    time = np.arange(CHUNK) / RATE_HZ
    for start in draw.integers(0, (chunks - 1) * CHUNK, 6 * chunks):
        tone_hz = draw.uniform(100, 1000)
        note = 0.2 * np.exp(-6 * time) * np.sin(2 * np.pi * tone_hz * time)
        audio[start : start + CHUNK] += note[:, None]
    return audio.astype(np.float32)


def test_joins_of_continuous_music_rank_like_other_positions():
    joins = find_joins(music(60), CHUNK, RATE_HZ)
    assert joins.click.shape == joins.change.shape == joins.steps.shape == (59,)
    assert 0.35 < joins.click.mean() < 0.65
    assert 0.35 < joins.change.mean() < 0.65
    assert (joins.click > 0.99).mean() < 0.1


def test_click_at_a_join_ranks_highest_and_has_its_size():
    audio = music(6)
    audio[3 * CHUNK :] += 0.5
    joins = find_joins(audio, CHUNK, RATE_HZ)
    assert joins.click[2] == 1.0
    assert joins.steps[2] == pytest.approx(0.5, abs=0.1)
    assert (np.delete(joins.click, 2) < 1).all()


def test_click_elsewhere_does_not_rank_a_join_highest():
    audio = music(6)
    audio[3 * CHUNK + 1000 :] += 0.5
    assert (find_joins(audio, CHUNK, RATE_HZ).click < 1).all()
    assert find_joins(audio, CHUNK, RATE_HZ, 1000).click[2] == 1.0


def test_change_of_sound_without_a_click_ranks_highest():
    time = np.arange(4 * CHUNK) / RATE_HZ
    low, high = np.sin(2 * np.pi * 200 * time), np.sin(2 * np.pi * 1000 * time)
    # Both are 0 at the join, which is a whole number of periods away from the start.
    audio = np.where(time < 2 * CHUNK / RATE_HZ, low, 0.2 * high)[:, None].astype(np.float32)
    joins = find_joins(audio, CHUNK, RATE_HZ)
    assert joins.change[1] == 1.0
    assert joins.change[[0, 2]].max() < 1


def test_other_stretches_do_not_touch_the_join():
    audio = np.zeros((1000, 1), np.float32)
    audio[500:] = 1
    at, others = largest_steps(audio, 500, 20)
    assert at == 1
    assert others.max() == 0
    assert len(others) == 48


def test_join_is_in_the_middle_of_an_odd_number_of_positions():
    audio = np.full((2 * CHUNK, 2), 1e-3, np.float32)
    audio[CHUNK:] *= np.random.default_rng(0).normal(size=(CHUNK, 2))
    changes = spectral_changes(audio, RATE_HZ)
    assert len(changes) % 2
    before, behind = changes[: len(changes) // 2 - 4], changes[len(changes) // 2 + 4 :]
    assert changes[len(changes) // 2] > max(before.max(), behind.max())


def test_equal_values_rank_in_the_middle():
    assert rank(0.0, np.zeros(7)) == 0.5
    assert rank(2.0, np.arange(4)) == pytest.approx(0.625)


@pytest.mark.parametrize(("chunks", "behind"), [(1, 0), (2, 100)])
def test_too_few_chunks_are_refused(chunks, behind):
    with pytest.raises(ValueError, match="join"):
        find_joins(np.zeros((chunks * CHUNK, 2), np.float32), CHUNK, RATE_HZ, behind)
