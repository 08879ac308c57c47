"""Programs are loaded from the first moment of a command on."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from soundstage.kernels.ahead import LOADED_AHEAD

if TYPE_CHECKING:
    from soundstage.apps.commands.pipeline_choice import PipelineChoice
    from soundstage.runners.choice import RunnerChoice


def programs_ahead(
    choice: PipelineChoice, resume: Path | None, runner: RunnerChoice
) -> AbstractContextManager[None]:
    """Begins to load what the last command with the same choice of a pipeline called.

    To be entered before anything else is imported: it is the imports that loading runs beside.

    Args:
        choice: the pipeline.
        resume: the session that the command continues, whose pipeline it is then.
        runner: where the stages will run. Only those of this process have programs here.

    Returns:
        A block for the whole command.
    """
    if runner.kind != "local":
        return nullcontext()
    files = [file.absolute() for file in (choice.pipeline, resume) if file is not None]
    return LOADED_AHEAD.command(repr((choice, files)))
