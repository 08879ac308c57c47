"""Scores, intervals and distances with known answers."""

import numpy as np
import pytest
from evaluation.probe import Judgement, Labels
from evaluation.scores import (
    agreement,
    brightness_agreement,
    frechet,
    genre_agreement,
    interval,
    standard_error,
    tempo_agreement,
)

DRAWS = np.random.default_rng(1)
POINTS = DRAWS.normal(size=(60, 5)) * np.array([1, 2, 0.5, 1, 3])
OTHERS = DRAWS.normal(size=(40, 5)) + 1


def test_constant_judgements_are_at_chance():
    labels = np.array(["jazz", "jazz", "rock", "techno"])
    share, chance = genre_agreement(np.array(["jazz"] * 4), labels)
    assert share == chance == 0.5


def test_right_judgements_give_1_and_the_chance_of_random_order():
    labels = np.array(["a", "b", "c", "d"])
    assert genre_agreement(labels, labels) == (1.0, 0.25)


def test_half_and_double_tempo_are_right_and_a_third_is_not():
    judged = np.array([120, 60, 120, 124, 126, 80.0])
    labels = np.array([120, 120, 60, 120, 120, 120.0])
    assert tempo_agreement(judged, labels)[0] == pytest.approx(4 / 6)


def test_constant_brightness_has_no_correlation():
    labels = np.array([0.1, 0.5, 0.9])
    assert brightness_agreement(np.full(3, 0.5), labels) == (pytest.approx(0.8 / 3), 0.0)
    assert brightness_agreement(labels / 2, labels)[1] == pytest.approx(1)


def test_interval_contains_the_measure_and_resamples_pieces():
    right = np.tile([True, False], 20).astype(float)
    many = interval(lambda windows: float(right[windows].mean()), np.arange(40), 0)
    few = interval(lambda windows: float(right[windows].mean()), np.arange(40) // 4 % 2, 0)
    assert many[0] < 0.5 < many[1]
    assert few == (0.5, 0.5)  # both pieces are half right, whichever are drawn
    pairs = np.repeat([True, False], 20).astype(float)
    wide = interval(lambda windows: float(pairs[windows].mean()), np.arange(40) // 20, 0)
    assert wide == (0.0, 1.0)


def test_agreement_is_reproducible():
    genre = np.array(["a", "b", "a", "b"])
    judged = Judgement(genre, np.eye(2)[[0, 1, 0, 1]], np.full(4, 100.0), np.arange(4) / 4)
    labels = Labels(np.arange(4), genre[::-1].copy(), np.full(4, 200.0), np.arange(4) / 4)
    row = agreement(judged, labels, 7)
    assert row == agreement(judged, labels, 7)
    assert row["genre right"] == row["to"] == 0
    assert row["tempo right"] == 1
    assert row["brightness error"] == 0


def test_standard_error_of_a_mean_is_the_known_one():
    drawn = np.random.default_rng(0).normal(size=50)
    error = standard_error(lambda part: float(np.delete(drawn, part).mean()), len(drawn))
    assert error == pytest.approx(drawn.std(ddof=1) / np.sqrt(len(drawn)))


def test_standard_error_of_one_part_is_refused():
    with pytest.raises(ValueError, match="two parts"):
        standard_error(lambda part: 0.0, 1)


def test_frechet_distance_of_a_set_from_itself_is_zero():
    assert frechet(POINTS, POINTS) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_is_symmetric():
    assert frechet(POINTS, OTHERS) == pytest.approx(frechet(OTHERS, POINTS))


def test_shift_adds_its_squared_length_to_frechet_distance():
    far = [frechet(POINTS, POINTS + shift) for shift in (0.5, 1.0, 2.0)]
    assert far == pytest.approx([5 * shift**2 for shift in (0.5, 1.0, 2.0)])


def test_frechet_distance_in_one_dimension_is_the_known_one():
    one = np.array([-1.0, 1.0] * 10)[:, None]
    assert frechet(one, 3 * one + 2) == pytest.approx(2**2 + one.std(ddof=1) ** 2 * (3 - 1) ** 2)


def test_frechet_distance_does_not_depend_on_the_basis():
    turned = np.linalg.qr(DRAWS.normal(size=(5, 5)))[0]
    assert frechet(POINTS @ turned, OTHERS @ turned) == pytest.approx(frechet(POINTS, OTHERS))


def test_fewer_points_than_directions_have_a_frechet_distance():
    assert 0 < frechet(POINTS[:3], OTHERS[:3]) < 1e3


def test_frechet_distance_of_one_point_is_refused():
    with pytest.raises(ValueError, match="two points"):
        frechet(POINTS[:1], OTHERS)
