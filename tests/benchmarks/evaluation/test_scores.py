"""Scores are right where the answer is known."""

import numpy as np
import pytest
from evaluation.probe import Judgement, Labels
from evaluation.scores import (
    agreement,
    brightness_agreement,
    genre_agreement,
    interval,
    standard_error,
    tempo_agreement,
)


def test_a_probe_that_always_says_the_same_is_at_chance():
    wanted = np.array(["jazz", "jazz", "rock", "techno"])
    share, chance = genre_agreement(np.array(["jazz"] * 4), wanted)
    assert share == chance == 0.5


def test_all_right_is_one_and_chance_is_what_dealing_anew_would_give():
    wanted = np.array(["a", "b", "c", "d"])
    assert genre_agreement(wanted, wanted) == (1.0, 0.25)


def test_half_and_double_time_are_right_and_a_third_is_not():
    found = np.array([120, 60, 120, 124, 126, 80.0])
    wanted = np.array([120, 120, 60, 120, 120, 120.0])
    assert tempo_agreement(found, wanted)[0] == pytest.approx(4 / 6)


def test_brightness_that_does_not_vary_correlates_with_nothing():
    wanted = np.array([0.1, 0.5, 0.9])
    assert brightness_agreement(np.full(3, 0.5), wanted) == (pytest.approx(0.8 / 3), 0.0)
    assert brightness_agreement(wanted / 2, wanted)[1] == pytest.approx(1)


def test_the_interval_holds_the_measure_and_is_wider_for_fewer_pieces():
    right = np.tile([True, False], 20).astype(float)
    many = interval(lambda windows: float(right[windows].mean()), np.arange(40), 0)
    few = interval(lambda windows: float(right[windows].mean()), np.arange(40) // 4 % 2, 0)
    assert many[0] < 0.5 < many[1]
    assert few == (0.5, 0.5)  # both pieces are half right, whichever are drawn
    pairs = np.repeat([True, False], 20).astype(float)
    wide = interval(lambda windows: float(pairs[windows].mean()), np.arange(40) // 20, 0)
    assert wide == (0.0, 1.0)


def test_a_row_of_the_table_is_the_same_every_time():
    genre = np.array(["a", "b", "a", "b"])
    judged = Judgement(genre, np.eye(2)[[0, 1, 0, 1]], np.full(4, 100.0), np.arange(4) / 4)
    labels = Labels(np.arange(4), genre[::-1].copy(), np.full(4, 200.0), np.arange(4) / 4)
    found = agreement(judged, labels, 7)
    assert found == agreement(judged, labels, 7)
    assert found["genre right"] == found["to"] == 0
    assert found["tempo right"] == 1
    assert found["brightness error"] == 0


def test_the_standard_error_of_a_mean_is_that_of_the_books():
    drawn = np.random.default_rng(0).normal(size=50)
    error = standard_error(lambda part: float(np.delete(drawn, part).mean()), len(drawn))
    assert error == pytest.approx(drawn.std(ddof=1) / np.sqrt(len(drawn)))


def test_one_part_has_no_standard_error():
    with pytest.raises(ValueError, match="two parts"):
        standard_error(lambda part: 0.0, 1)
