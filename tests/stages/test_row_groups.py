"""`RowGroups` returns what one call with all rows returns."""

import threading

import numpy as np
import pytest

from soundstage.stages.row_groups import RowGroups, cores


@pytest.mark.parametrize("groups", [1, 2, 3, 8])
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8])
def test_groups_of_one_size_return_what_one_call_returns(groups, rows):
    sizes = []

    def function(number, scale):
        sizes.append(len(number))
        return number * scale[:, None]

    number = np.arange(2 * rows).reshape(rows, 2)
    arguments = {"number": number, "scale": np.arange(rows) + 1}
    result = RowGroups(groups)(function, arguments)
    np.testing.assert_array_equal(result, number * (np.arange(rows) + 1)[:, None])
    assert len(set(sizes)) == 1
    assert len(sizes) <= groups


def test_groups_run_at_the_same_time():
    meet = threading.Barrier(2, timeout=60)

    def function(number):
        meet.wait()
        return number

    np.testing.assert_array_equal(RowGroups(2)(function, {"number": np.arange(4)}), np.arange(4))


def test_error_of_a_group_is_raised():
    def function(number):
        if (number == 3).any():
            raise ArithmeticError("three")
        return number

    with pytest.raises(ArithmeticError, match="three"):
        RowGroups(2)(function, {"number": np.arange(4)})


def test_at_least_one_core_is_available():
    assert cores() >= 1
