"""The command `soundstage doctor` and its options."""

import json
from typing import Annotated

import typer

from soundstage.apps.commands.exit_codes import CommandFailed, errors_as_lines
from soundstage.apps.commands.options import (
    Allow,
    Debug,
    Named,
    Pipeline,
    Place,
    Preset,
    Quiet,
    Set,
)
from soundstage.apps.commands.pipeline_choice import choose
from soundstage.errors import ModelError

EXAMPLES = """Examples:

soundstage doctor

soundstage doctor large --place decode=cpu

soundstage doctor base --json"""


def doctor(
    named: Named = None,
    preset: Preset = None,
    pipeline: Pipeline = None,
    set_: Set = None,
    place: Place = None,
    allow: Allow = None,
    chunks: Annotated[
        int,
        typer.Option(
            min=1, help="Chunks to measure, at least 1; fewer if they take more than 60 s."
        ),
    ] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Predict whether a pipeline plays in real time on this machine, and print advice.

    Loads the pipeline, makes some chunks without playing them, and prints the time of every stage.
    Exit code 0: it plays in real time; 1: it is too slow; 5: weights are missing.
    """
    with errors_as_lines(debug):
        from soundstage.apps.commands.doctor.diagnosis import diagnose
        from soundstage.progress import open_progress

        graph = choose(named, preset, pipeline, set_, place, allow).load()
        diagnosis = diagnose(graph, chunks, open_progress(quiet))
        print(
            json.dumps(diagnosis.as_dict(), indent=2) if as_json else "\n".join(diagnosis.lines())
        )
        if diagnosis.verdict == "weights missing":
            raise CommandFailed(ModelError.exit_code)
        if diagnosis.verdict == "too slow":
            raise CommandFailed(1)
