"""Graphs whose stage has a memo."""

from played_graphs import FORMAT
from small_graphs import ALLOW, past

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


def humming_window(**params):
    """Returns a graph of short chunks of audio behind a stage with a memo."""
    spec = tables(**params) | {"format": FORMAT | {"context_levels": 4}}
    spec["outputs"] = {"audio": "hum.audio"}
    spec["stage"]["hum"] = {"use": "small_stages:Hum", "inputs": {"a": "window.sum"}}
    return build(parse(spec), ["memo_stages", *ALLOW])


def window(use="Window", **params):
    return build(parse(tables(use, **params)), ["memo_stages"])
