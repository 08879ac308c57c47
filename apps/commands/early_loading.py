"""Begins to load a command's compiled programs before the command imports anything else."""

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
    """Begins to load the programs that the last command with the same pipeline called.

    Enter it before the command's other imports, which run while programs are loaded.

    Args:
        choice: the pipeline.
        resume: the session that the command continues, whose pipeline it is then.
        runner: where the stages will run. Only those of this process have programs here.

    Returns:
        A context manager around the whole command.
    """
    if runner.kind != "local":
        return nullcontext()
    return LOADED_AHEAD.command(repr((choice, resume)))
