"""Graphs of `small_stages` to run, each named after its shape."""

from small_graphs import ALLOW, past

from soundstage.graph.check import build
from soundstage.graph.spec import parse


def graph(stages, outputs, inputs=None, placement=None):
    """Builds a graph from name -> (class, params, inputs)."""
    tables = {
        name: {"use": f"small_stages:{use}", "params": params, "inputs": sources}
        for name, (use, params, sources) in stages.items()
    }
    spec = {
        "schema": 1,
        "name": "small",
        "inputs": inputs or {},
        "outputs": outputs,
        "stage": tables,
        "placement": placement or {},
    }
    return build(parse(spec), ALLOW)


TWO_FEED_ONE = {
    "left": ("Identify", {}, {"chunk": "clock.chunk"}),
    "right": ("Add", {}, {"a": "in.step", "b": "in.step"}),
    "both": ("Add", {}, {"a": "left.number", "b": "right.sum"}),
}
LOOP_OF_TWO = {
    "here": ("Digits", {}, {"a": "in.step", "past": past("there.sum", 5)}),
    "there": ("Add", {}, {"a": "here.number", "b": "in.step"}),
}
SELF_LOOP = {"count": ("Add", {}, {"a": "in.step", "b": past("count.sum")})}
