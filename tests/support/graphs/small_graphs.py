"""Builds pipelines of `small_stages` in a few lines."""

from soundstage.graph.check import build
from soundstage.graph.spec import parse

ALLOW = ["small_stages"]


def tables(stage, inputs=(), outputs=(), **more):
    """Returns a pipeline file's tables; `stage` maps names to (class of `small_stages`, inputs)."""
    stages = {
        name: {"use": f"small_stages:{cls}", "inputs": dict(wires)}
        for name, (cls, wires) in stage.items()
    }
    return {
        "schema": 1,
        "name": "small",
        "inputs": dict(inputs),
        "outputs": dict(outputs),
        "stage": stages,
        **more,
    }


def graph(*arguments, **more):
    return build(parse(tables(*arguments, **more)), ALLOW)


def past(source, init=0):
    return {"from": source, "delay": 1, "init": init}


LOOPS = {
    "last": ("Digits", {"a": "first.number", "past": past("last.number", 5)}),
    "first": ("Digits", {"a": "in.number", "past": past("both.sum", 7)}),
    "both": ("Add", {"a": "first.number", "b": past("last.number", 5)}),
}


def loops(**more):
    """Builds three stages with two fed-back ports, in another order than that of a tick."""
    return graph(LOOPS, {"number": 1}, {"out": "last.number"}, **more)
