"""The command `soundstage new-stage`: writes a package with a stage, its test and a pipeline."""

from pathlib import Path
from typing import Annotated

import typer

from soundstage.apps.commands.command import command

EXAMPLES = """Examples:

soundstage new-stage warmth

soundstage new-stage warmth --preset demo"""


@command
def new_stage(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="The name of the stage, of its module and of the new folder, such as warmth.",
        ),
    ],
    preset: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="The preset whose audio goes through the stage, in the pipeline."
        ),
    ] = "toy",
) -> None:
    """Write a package with a stage of your own: the stage, its test and a pipeline that plays it.

    The stage saturates the audio of a preset, and its test passes. Change both into yours.
    """
    from soundstage.apps.commands.new_stage.stage_package import NewStage, write_package

    stage = NewStage.of(name, preset)
    folder = Path(name)
    write_package(stage, folder)
    for file, purpose in stage.purposes().items():
        print(f"{f'{folder / file}:':<{len(name) * 2 + 18}}{purpose}")
    print("\nInstall it, test it, play it:\n")
    for line in stage.commands():
        print(f"    {line}")
    print("\nIn another pipeline file:")
    print("".join(f"    {line}\n" if line else "\n" for line in stage.lines().splitlines()), end="")
