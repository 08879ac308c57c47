"""State: its rows can be picked, renamed and joined without changing the original."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_graphs import graph, loops, past

from soundstage.graph.check import build
from soundstage.graph.control import to_row
from soundstage.graph.pipeline_file import read_tables
from soundstage.graph.spec import parse
from soundstage.graph.state import State, initial, join, stack_controls
from soundstage.presets.preset import preset_path


def numbered(streams, start=0):
    """Returns a state in which every value encodes its row."""
    rows = range(start, start + len(streams))
    values = {
        "a.tokens": np.array([[[10 * row, 10 * row + 1]] for row in rows], np.int32),
        "b.tail": np.array([[row / 4] for row in rows], np.float32),
    }
    return State(tuple(streams), tuple(7 * row for row in rows), values)


def same(one, other):
    assert (one.streams, one.chunks) == (other.streams, other.chunks)
    assert list(one.values) == list(other.values)
    for name, value in one.values.items():
        assert value.dtype == other.values[name].dtype
        assert value.tolist() == other.values[name].tolist()


@pytest.mark.parametrize("streams", [["a"], ["a", "b", "c"]])
def test_initial_state_has_every_port_at_its_init(streams):
    state = initial(loops(), streams)
    assert state.streams == tuple(streams)
    assert state.chunks == (0,) * len(streams)
    assert list(state.values) == list(loops().feedback())
    assert state.values["both.sum"].tolist() == [7] * len(streams)
    assert state.values["last.number"].tolist() == [5] * len(streams)
    assert {value.dtype for value in state.values.values()} == {np.dtype(np.int64)}


def test_init_fills_the_whole_shape_of_its_port():
    checked = build(parse(read_tables(preset_path("toy"))))
    state = initial(checked, ["a", "b"])
    assert state.values["remember.context"].shape == (2, 250, 16)
    assert state.values["remember.context"].dtype == np.int32
    assert (state.values["remember.context"] == -1).all()
    assert state.values["crossfade.tail"].shape == (2, 1920, 2)
    assert not state.values["crossfade.tail"].any()


def test_a_graph_without_feedback_has_an_empty_state():
    checked = graph({"a": ("Add", {"a": "in.n", "b": "in.n"})}, {"n": 1}, {"o": "a.sum"})
    assert dict(initial(checked, ["x"]).values) == {}


@given(st.lists(st.integers(0, 3), max_size=6))
def test_pick_returns_the_rows_in_the_given_order(rows):
    state = numbered("abcd")
    picked = state.pick(rows)
    assert picked.streams == tuple("abcd"[row] for row in rows)
    assert picked.chunks == tuple(7 * row for row in rows)
    assert picked.values["a.tokens"].shape == (len(rows), 1, 2)
    assert picked.values["b.tail"][:, 0].tolist() == [row / 4 for row in rows]


def test_picked_state_shares_no_memory_with_the_original():
    state = numbered("ab")
    picked = state.pick([0, 1])
    state.values["b.tail"][:] = 9
    assert picked.values["b.tail"].max() < 1
    with pytest.raises(ValueError, match="read-only"):
        picked.values["b.tail"][:] = 9


def test_picking_a_missing_row_raises_index_error():
    with pytest.raises(IndexError):
        numbered("ab").pick([2])


def test_renaming_changes_names_only():
    state = numbered("ab")
    renamed = state.rename(["x", "y"])
    assert renamed.streams == ("x", "y")
    same(renamed.rename(["a", "b"]), state)
    with pytest.raises(ValueError, match="2 streams cannot take 1 names"):
        state.rename(["x"])


@settings(max_examples=50)
@given(st.permutations(range(5)), st.integers(1, 4))
def test_joining_picked_parts_gives_the_whole(order, cut):
    state = numbered("abcde")
    parts = [state.pick(order[:cut]), state.pick(order[cut:])]
    same(join(parts), state.pick(order))
    same(join(parts).pick(np.argsort(order)), state)


def test_joining_one_state_is_that_state():
    same(join([numbered("ab")]), numbered("ab"))


def test_joined_streams_may_be_at_different_chunks():
    joined = join([numbered("a"), numbered("b", start=5)])
    assert joined.chunks == (0, 35)


def test_controls_of_several_rows_are_stacked_as_port_values():
    checked = graph(
        {
            "sum": ("Add", {"a": "in.number", "b": past("sum.sum")}),
            "notes": ("Measure", {"notes": "in.notes"}),
        },
        {"number": 1, "notes": []},
        {"out": "sum.sum", "length": "notes.length"},
    )
    rows = [
        {
            name: to_row(name, value, checked.controls[name].port, checked.format.dims)
            for name, value in controls.items()
        }
        for controls in ({"number": 3, "notes": ["a", "b"]}, {"number": 4, "notes": []})
    ]
    stacked = stack_controls(checked, rows)
    assert stacked["number"].tolist() == [3, 4]
    assert stacked["number"].dtype == np.int64
    assert stacked["notes"] == [["a", "b"], []]
    assert list(stacked) == list(checked.controls)
