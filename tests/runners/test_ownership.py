"""What a stage returned stays as it was: it is made read-only, or copied if the stage keeps it."""

import jax
import numpy as np
import pytest

from soundstage.runners.hosts.ownership import own, read_only


class Keeps:
    """Returns arrays in different ways, and tells where the last one's memory is."""

    def __init__(self):
        self.buffer = np.zeros((4, 4), np.float32)
        self.address = 0
        self.kept = None

    def _returned(self, array, kept=None):
        self.address, self.kept = array.ctypes.data, kept
        return {"x": array}

    def a_new_array(self):
        return self._returned(np.ones((4, 4), np.float32) + 1)

    def a_view_of_a_new_array(self):
        return self._returned((np.ones((4, 4), np.float32) + 1)[1:])

    def a_result_of_jax(self):
        return self._returned(np.asarray(jax.numpy.ones((4, 4))))

    def its_buffer(self):
        return self._returned(self.buffer)

    def a_part_of_its_buffer(self):
        return self._returned(self.buffer[:2])

    def a_read_only_view_of_its_buffer(self):
        return self._returned(np.broadcast_to(self.buffer, (2, 4, 4)))

    def a_part_of_an_array_that_it_keeps(self):
        array = np.ones((4, 4), np.float32)
        return self._returned(array[:2], kept=array)

    def a_mapping_that_it_keeps(self):
        self.kept = {"x": np.ones((4, 4), np.float32)}
        self.address = self.kept["x"].ctypes.data
        return self.kept

    def a_transposed_array(self):
        return self._returned(np.arange(6.0).reshape(2, 3).T)

    def memory_of_another_library(self):
        return self._returned(np.frombuffer(bytearray(16), np.float32))


@pytest.mark.parametrize("way", ["a_new_array", "a_view_of_a_new_array", "a_result_of_jax"])
def test_array_that_nothing_else_refers_to_is_not_copied(way):
    stage = Keeps()
    array = own(getattr(stage, way))["x"]
    assert array.ctypes.data == stage.address
    with pytest.raises(ValueError, match="read-only"):
        array[...] = 0
    with pytest.raises(ValueError, match="cannot set WRITEABLE"):
        array[:1].flags.writeable = True


@pytest.mark.parametrize(
    "way",
    [
        "its_buffer",
        "a_part_of_its_buffer",
        "a_read_only_view_of_its_buffer",
        "a_part_of_an_array_that_it_keeps",
        "a_mapping_that_it_keeps",
        "a_transposed_array",
        "memory_of_another_library",
    ],
)
def test_array_that_the_stage_could_change_is_copied(way):
    stage = Keeps()
    expected = np.array(getattr(stage, way)()["x"])
    array = own(getattr(stage, way))["x"]
    assert array.ctypes.data != stage.address
    assert not array.flags.writeable
    assert array.flags.c_contiguous
    assert stage.buffer.flags.writeable
    np.testing.assert_array_equal(array, expected)


def test_array_returned_twice_is_the_same_to_both():
    def twice():
        array = np.arange(3)
        return {"x": array, "y": array[1:]}

    values = own(twice)
    assert (values["x"].tolist(), values["y"].tolist()) == ([0, 1, 2], [1, 2])
    assert not values["x"].flags.writeable
    assert not values["y"].flags.writeable


def test_lists_are_new_and_their_arrays_read_only():
    texts, rows = [["a"], []], [np.zeros(2), np.ones(1)]
    values = own(lambda: {"texts": texts, "rows": rows, "title": ["b"]})
    texts[0].append("c")
    rows[0][0] = 5
    assert values["texts"] == [["a"], []]
    assert values["title"] == ["b"]
    assert values["rows"][0].tolist() == [0, 0]
    assert not values["rows"][1].flags.writeable


def test_result_that_is_no_dict_is_left_to_the_caller():
    assert own(lambda: 7) == 7


def test_array_that_nobody_can_change_stays_the_same():
    array = own(lambda: {"x": np.arange(3)})["x"]
    assert read_only(array) is array
    assert read_only(array[1:]).base is array
    assert own(lambda: {"x": array})["x"] is array
