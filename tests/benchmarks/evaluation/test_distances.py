"""The Fréchet distance is a distance."""

import numpy as np
import pytest
from evaluation.distances import frechet

DRAW = np.random.default_rng(1)
POINTS = DRAW.normal(size=(60, 5)) * np.array([1, 2, 0.5, 1, 3])
OTHERS = DRAW.normal(size=(40, 5)) + 1


def test_a_set_is_at_no_distance_from_itself():
    assert frechet(POINTS, POINTS) == pytest.approx(0, abs=1e-9)


def test_it_is_the_same_both_ways():
    assert frechet(POINTS, OTHERS) == pytest.approx(frechet(OTHERS, POINTS))


def test_a_shift_adds_its_squared_length():
    far = [frechet(POINTS, POINTS + shift) for shift in (0.5, 1.0, 2.0)]
    assert far == pytest.approx([5 * shift**2 for shift in (0.5, 1.0, 2.0)])


def test_between_gaussians_along_one_axis_it_is_the_difference_of_means_and_spreads():
    one = np.array([-1.0, 1.0] * 10)[:, None]
    assert frechet(one, 3 * one + 2) == pytest.approx(2**2 + one.std(ddof=1) ** 2 * (3 - 1) ** 2)


def test_it_does_not_depend_on_the_directions_that_points_are_written_in():
    turned = np.linalg.qr(DRAW.normal(size=(5, 5)))[0]
    assert frechet(POINTS @ turned, OTHERS @ turned) == pytest.approx(frechet(POINTS, OTHERS))


def test_fewer_points_than_directions_still_have_a_distance():
    assert 0 < frechet(POINTS[:3], OTHERS[:3]) < 1e3


def test_one_point_is_no_set():
    with pytest.raises(ValueError, match="two points"):
        frechet(POINTS[:1], OTHERS)
