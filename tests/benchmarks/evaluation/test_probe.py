"""Probes and their regressions."""

import numpy as np
import pytest
from evaluation.features import BEATS, TEMPOS_BPM, WindowFeatures
from evaluation.probe import PLACE_SIZE, Labels, Probe
from evaluation.regression import fit_ridge, fit_shared_softmax, fit_softmax, softmax
from evaluation.scores import genre_agreement, tempo_agreement

GENRES = np.array(["ambient", "jazz", "rock", "techno"])


def synthetic_windows(count: int, seed: int) -> tuple[WindowFeatures, Labels]:
    """Windows whose sound tells genre and brightness, and whose pulse tells the tempo."""
    draw = np.random.default_rng(seed)
    genre = draw.integers(len(GENRES), size=count)
    tempo_bpm, brightness = draw.uniform(60, 180, count), draw.uniform(0, 1, count)
    sound = draw.normal(size=(count, 20))
    sound[np.arange(count), genre] += 3
    sound[:, 10] += 4 * brightness
    pulse = 0.3 * draw.normal(size=(count, len(TEMPOS_BPM), len(BEATS)))
    octaves = np.log2(TEMPOS_BPM) - np.log2(tempo_bpm)[:, None]
    pulse[:, :, BEATS.index(1)] += 2 * np.exp(-0.5 * np.square(octaves / 0.03))
    features = WindowFeatures(sound.astype(np.float32), pulse.astype(np.float32))
    return features, Labels(np.arange(count), GENRES[genre], tempo_bpm, brightness)


LESSONS, LESSON_LABELS = synthetic_windows(240, 1)
UNSEEN, LABELS = synthetic_windows(120, 2)


def test_probe_judges_unseen_windows():
    judged = Probe(LESSONS, LESSON_LABELS).judge(UNSEEN)
    share, chance = genre_agreement(judged.genre, LABELS.genre)
    assert share > 0.85
    assert chance == pytest.approx(0.25, abs=0.05)
    share, chance = tempo_agreement(judged.tempo_bpm, LABELS.tempo_bpm)
    assert share > 0.8
    assert chance < 0.3
    assert np.corrcoef(judged.brightness, LABELS.brightness)[0, 1] > 0.6
    assert np.allclose(judged.genre_share.sum(axis=1), 1)


def test_probe_fitted_to_shuffled_labels_is_at_chance():
    shuffled = LESSON_LABELS[np.random.default_rng(5).permutation(len(LESSON_LABELS))]
    judged = Probe(LESSONS, shuffled).judge(UNSEEN)
    share, chance = genre_agreement(judged.genre, LABELS.genre)
    assert abs(share - chance) < 0.12
    assert abs(np.corrcoef(judged.brightness, LABELS.brightness)[0, 1]) < 0.3


def test_same_lessons_give_the_same_probe():
    one, other = (
        Probe(LESSONS, LESSON_LABELS).judge(UNSEEN),
        Probe(LESSONS, LESSON_LABELS).judge(UNSEEN),
    )
    for field in ("genre", "genre_share", "tempo_bpm", "brightness"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


def test_places_of_the_lessons_are_white():
    places = Probe(LESSONS, LESSON_LABELS).place(LESSONS)
    assert places.shape == (len(LESSONS), PLACE_SIZE)
    assert np.allclose(places.T @ places / len(places), np.eye(PLACE_SIZE), atol=1e-4)


def test_probe_of_one_window_is_refused():
    one = np.array([0])
    with pytest.raises(ValueError, match="two windows"):
        Probe(LESSONS[one], LESSON_LABELS[one])


def test_softmax_regression_reaches_zero_slope():
    draw = np.random.default_rng(0)
    features, targets = draw.normal(size=(50, 4)), np.eye(3)[draw.integers(3, size=50)]
    weights = fit_softmax(features, targets, 0.1)
    slope = features.T @ (softmax(features @ weights) - targets) / 50 + 0.1 * weights
    assert np.abs(slope).max() < 1e-6


def test_shared_softmax_regression_reaches_zero_slope():
    draw = np.random.default_rng(0)
    features, targets = draw.normal(size=(50, 6, 3)), np.eye(6)[draw.integers(6, size=50)]
    weights = fit_shared_softmax(features, targets, 0.1)
    error = softmax(features @ weights) - targets
    slope = np.tensordot(error, features, axes=2) / 50 + 0.1 * weights
    assert np.abs(slope).max() < 1e-6


def test_ridge_without_noise_and_penalty_is_exact():
    features = np.random.default_rng(0).normal(size=(50, 4))
    weights = np.array([1.0, -2, 0, 3])
    assert fit_ridge(features, features @ weights, 1e-9) == pytest.approx(weights, abs=1e-6)
