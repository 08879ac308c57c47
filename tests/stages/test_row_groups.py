"""Rows in groups: the rows of one call, whatever the groups."""

import threading

import numpy as np
import pytest

from soundstage.stages.row_groups import RowGroups, cores


@pytest.mark.parametrize("groups", [1, 2, 3, 8])
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8])
def test_groups_give_what_one_call_gives_and_are_of_one_size(groups, rows):
    seen = []

    def function(number, scale):
        seen.append(len(number))
        return number * scale[:, None]

    number = np.arange(2 * rows).reshape(rows, 2)
    arguments = {"number": number, "scale": np.arange(rows) + 1}
    found = RowGroups(groups)(function, arguments)
    np.testing.assert_array_equal(found, number * (np.arange(rows) + 1)[:, None])
    assert len(set(seen)) == 1
    assert len(seen) <= groups


def test_groups_are_made_side_by_side():
    meet = threading.Barrier(2, timeout=60)

    def function(number):
        meet.wait()
        return number

    np.testing.assert_array_equal(RowGroups(2)(function, {"number": np.arange(4)}), np.arange(4))


def test_what_a_group_raises_is_raised():
    def function(number):
        if (number == 3).any():
            raise ArithmeticError("three")
        return number

    with pytest.raises(ArithmeticError, match="three"):
        RowGroups(2)(function, {"number": np.arange(4)})


def test_there_is_a_core():
    assert cores() >= 1
