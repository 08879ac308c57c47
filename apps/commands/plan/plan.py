"""`soundstage plan`: from measured times to a placement."""

import json
from pathlib import Path
from typing import Annotated

import typer

from soundstage.apps.commands.exit_codes import errors_as_lines
from soundstage.apps.commands.options import Debug

EXAMPLES = """Examples:

soundstage plan run.json --gpus 2

soundstage plan one-row.json eight-rows.json --gpus 8 --nodes 2 --rows 32 --json"""


def plan(
    traces: Annotated[
        list[Path],
        typer.Argument(
            metavar="TRACE...",
            help="Timelines that --trace wrote; several of one pipeline, made with different "
            "numbers of rows, tell what a row costs.",
        ),
    ],
    gpus: Annotated[
        int | None,
        typer.Option(min=0, help="GPUs of each machine.", show_default="this machine's"),
    ] = None,
    cpus: Annotated[
        int,
        typer.Option(
            min=1,
            help="Stages that each machine's processor runs side by side at full speed; 1 = a "
            "stage uses all cores, as XLA's do.",
        ),
    ] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines.")] = 1,
    rows: Annotated[
        int | None,
        typer.Option(
            min=1, help="Streams made together.", show_default="as many as in the timeline"
        ),
    ] = None,
    deadline_s: Annotated[
        float | None,
        typer.Option(
            "--deadline-s",
            min=0.0,
            metavar="SECONDS",
            help="How often there must be a chunk.",
            show_default="a chunk's length",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Propose a placement from a timeline, and predict what it does.

    Prints the placement as a table to paste into the pipeline and as options, with the predicted
    speed and latency of the present placement and of the proposed one, and what limits each.
    Nothing is run: every stage is taken to be as fast elsewhere as where it was measured.
    """
    with errors_as_lines(debug):
        from soundstage.apps.commands.plan.plan_report import PlacementPlan
        from soundstage.graph.spec import parse_format
        from soundstage.runners.devices import count_gpus
        from soundstage.runners.timing.planner import Machines, predict, propose
        from soundstage.runners.timing.stage_times import read_times

        measured = read_times(traces)
        machines = Machines(count_gpus() if gpus is None else gpus, cpus, nodes)
        present = predict(measured, measured.spec.placement, machines, rows)
        proposed = propose(measured, machines, rows)
        if proposed == present:
            proposed = present
        format, _ = parse_format(measured.spec.format)
        assert format is not None  # a run was made with it
        deadline_s = format.chunk_s if deadline_s is None else deadline_s
        found = PlacementPlan(measured, machines, present, proposed, format.chunk_s, deadline_s)
        print(json.dumps(found.as_dict(), indent=2) if as_json else "\n".join(found.lines()))
