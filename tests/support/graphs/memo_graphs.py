"""Graphs whose stage has a memo."""

from small_graphs import past

from soundstage.graph.check import build
from soundstage.graph.spec import parse


def tables(use="Window", feedback=None, **params):
    """Returns tables of a stage of `memo_stages` that reads a control and its own state."""
    state = past("window.past") if feedback is None else feedback
    stage = {"use": f"memo_stages:{use}", "params": params}
    return {
        "schema": 1,
        "name": "window",
        "inputs": {"step": 1},
        "outputs": {"sum": "window.sum", "past": "window.past"},
        "stage": {"window": {**stage, "inputs": {"a": "in.step", "past": state}}},
    }


def window(use="Window", **params):
    return build(parse(tables(use, **params)), ["memo_stages"])
