"""The command `soundstage plan` and its options."""

import json
from pathlib import Path
from typing import Annotated

import typer

from soundstage.apps.commands.command import command
from soundstage.apps.commands.options import AsJson

EXAMPLES = """Examples:

soundstage plan run.json --gpus 2

soundstage plan one-row.json eight-rows.json --gpus 8 --nodes 2 --rows 32 --json

soundstage plan run.json --gpus 8 --rows 128 --time sample=0.185@16 --time decode=0.004

soundstage plan run.json --gpus 8 --price 24"""


@command
def plan(
    traces: Annotated[
        list[Path],
        typer.Argument(
            metavar="TRACE...",
            help="Timelines of one pipeline that --trace wrote, best with --window 1. From several "
            "with different numbers of rows, the cost of a row is known.",
        ),
    ],
    gpus: Annotated[
        int | None,
        typer.Option(min=0, help="GPUs of each machine, 0 or more.", show_default="this machine's"),
    ] = None,
    cpus: Annotated[
        int,
        typer.Option(
            min=1,
            help="Stages that the processor of each machine runs at the same time at full speed, "
            "at least 1; 1 = a stage uses all cores, as compiled stages do.",
        ),
    ] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Number of machines, at least 1.")] = 1,
    rows: Annotated[
        int | None,
        typer.Option(
            min=1, help="Streams made together, at least 1.", show_default="as in the timeline"
        ),
    ] = None,
    deadline_s: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="SECONDS",
            help="The longest time between two chunks.",
            show_default="a chunk's length",
        ),
    ] = None,
    times: Annotated[
        list[str] | None,
        typer.Option(
            "--time",
            metavar="STAGE=SECONDS[@ROWS]",
            help="The seconds of a stage for one chunk of so many rows, 1 by default, in place of "
            "the measured ones: those of a device that is not here.",
        ),
    ] = None,
    price: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="What all machines cost an hour; the report has what music costs."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Propose a placement from a timeline, and predict its speed.

    Prints the placement as a table for the pipeline file and as options, with the predicted speed
    and latency of the present and the proposed placement, and what limits each. Runs nothing: a
    stage is assumed to be as fast on another device as where it was measured, unless --time tells
    its time there.
    """
    from soundstage.apps.commands.plan.plan_report import PlacementPlan
    from soundstage.graph.spec import parse_format
    from soundstage.runners.devices import count_devices
    from soundstage.runners.timing.planner import Machines, predict, propose
    from soundstage.runners.timing.stage_times import read_assumed, read_times

    measured = read_times(traces).with_times(read_assumed(times or ()))
    machines = Machines(count_devices("gpu") if gpus is None else gpus, cpus, nodes)
    present = predict(measured, measured.spec.placement, machines, rows)
    proposed = propose(measured, machines, rows)
    if proposed == present:
        proposed = present
    format, _ = parse_format(measured.spec.format)
    assert format is not None  # a run was made with this format
    deadline_s = format.chunk_s if deadline_s is None else deadline_s
    placement_plan = PlacementPlan(
        measured, machines, present, proposed, format.chunk_s, deadline_s, price
    )
    if as_json:
        print(json.dumps(placement_plan.as_dict(), indent=2))
    else:
        print("\n".join(placement_plan.lines()))
