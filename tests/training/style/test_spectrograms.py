"""Random clips of spectrograms, and their augmentation."""

import jax
import jax.numpy as jnp
import numpy as np

from soundstage.stages.style.features import MEL_BANDS, POWER_FLOOR, ClipFeatures
from soundstage.training.style.spectrograms import augmented, random_clip

FEATURES = ClipFeatures(16_000)


def noise(seconds: float = 1.0) -> np.ndarray:
    samples = np.random.default_rng(0).standard_normal(round(16_000 * seconds))
    return (0.05 * samples).astype(np.float32)


def test_gain_of_power_is_a_gain_of_the_sound():
    soft, loud = FEATURES.log_mel(noise()), FEATURES.log_mel(2 * noise())
    np.testing.assert_allclose(np.log1p(4 * np.expm1(soft)), loud, rtol=1e-3, atol=1e-3)
    assert POWER_FLOOR > 0


def test_augmented_clips_differ_by_row_and_key_and_are_finite():
    clips = jnp.asarray(np.stack(6 * [FEATURES.log_mel(noise())]))
    one, other = (np.asarray(augmented(jax.random.key(seed), clips)) for seed in (0, 1))
    assert np.isfinite(one).all()
    assert one.shape == clips.shape
    assert one.min() >= 0
    levels = one.mean(axis=(1, 2))
    assert len(np.unique(levels)) == 6
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(one, np.asarray(augmented(jax.random.key(0), clips)))


def test_augmentation_keeps_silence():
    clips = np.zeros((8, 20, MEL_BANDS), np.float32)
    clips[:, :12] = 3.0
    changed = np.asarray(augmented(jax.random.key(3), jnp.asarray(clips)))
    assert np.all(changed[:, 12:] == 0)
    assert np.all(changed[:, :12] > 0)


def test_random_clip_is_a_part_of_the_piece_then_silence():
    random = np.random.default_rng(0)
    log_mel = 1 + np.arange(100, dtype=np.float32)[:, None] * np.ones((1, MEL_BANDS), np.float32)
    early = 0
    for _ in range(60):
        clip = random_clip(random, log_mel, 30)
        kept = int((clip[:, 0] > 0).sum())
        first = int(clip[0, 0]) - 1
        np.testing.assert_array_equal(clip[:kept], log_mel[first : first + kept])
        assert not clip[kept:].any()
        early += kept < 30
    assert 5 < early < 30


def test_piece_shorter_than_a_clip_is_padded_with_silence():
    clip = random_clip(np.random.default_rng(0), np.ones((10, MEL_BANDS), np.float32), 30)
    assert clip.shape == (30, MEL_BANDS)
    assert clip[:1].all()
    assert not clip[10:].any()
