"""The command `soundstage doctor` and its options."""

import json
from typing import Annotated

import typer

from soundstage.apps.commands.command import command
from soundstage.apps.commands.exit_codes import CommandFailed
from soundstage.apps.commands.options import AsJson, Quiet
from soundstage.apps.commands.pipeline_choice import NamedPipeline
from soundstage.errors import ModelError

EXAMPLES = """Examples:

soundstage doctor

soundstage doctor large --place decode=cpu

soundstage doctor base --json"""


@command
def doctor(
    choice: NamedPipeline,
    chunks: Annotated[
        int,
        typer.Option(
            min=1, help="Chunks to measure, at least 1; fewer if they take more than 60 s."
        ),
    ] = 5,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Predict whether a pipeline plays in real time on this machine, and print advice.

    Loads the pipeline, makes some chunks without playing them, and prints the time of every stage.
    Exit code 0: it plays in real time; 1: it is too slow; 5: weights are missing.
    """
    from soundstage.apps.commands.doctor.diagnosis import diagnose
    from soundstage.progress import open_progress

    diagnosis = diagnose(choice.load(), chunks, open_progress(quiet))
    print(json.dumps(diagnosis.as_dict(), indent=2) if as_json else "\n".join(diagnosis.lines()))
    if diagnosis.verdict == "weights missing":
        raise CommandFailed(ModelError.exit_code)
    if diagnosis.verdict == "too slow":
        raise CommandFailed(1)
