"""Input of the planner without a run: the shape of a graph, and times of its stages."""

from small_graphs import past

from soundstage.graph.spec import parse
from soundstage.runners.timing.stage_times import Measured, StageTimes

# A graph with a cross-fade, and plausible seconds of its stages for a chunk.
SHAPE = {
    "embed": ["in.texts"],
    "quantize": ["embed.x"],
    "pack": ["quantize.x", past("remember.x")],
    "sample": ["pack.x"],
    "decode": ["sample.x", past("remember.x")],
    "crossfade": ["decode.x", past("crossfade.x")],
    "remember": ["sample.x", past("remember.x")],
}
STEADY_S = {
    "embed": 0.0005,
    "quantize": 0.0005,
    "pack": 0.001,
    "sample": 0.4,
    "decode": 0.1,
    "crossfade": 0.006,
    "remember": 0.001,
}


def spec(shape, placement=None, outputs=None):
    """Returns a pipeline whose classes do not exist."""
    return parse(
        {
            "schema": 1,
            "name": "planned",
            "inputs": {"texts": []},
            "outputs": outputs or {"audio": f"{list(shape)[-1]}.x"},
            "stage": {
                name: {"use": "nowhere:None", "inputs": {f"i{i}": s for i, s in enumerate(sources)}}
                for name, sources in shape.items()
            },
            "placement": placement or {},
        }
    )


def measured(shape, steady_s, rows=1, placement=None, outputs=None):
    times = {name: StageTimes({rows: s}, {rows: s}) for name, s in steady_s.items()}
    return Measured(spec(shape, placement, outputs), times, rows, 10)


def default(rows=1, placement=None):
    return measured(SHAPE, STEADY_S, rows, placement, {"audio": "crossfade.x"})
