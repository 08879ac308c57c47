"""What a person can put right: each fault has one line and one exit code.

| code | meaning                                                                | raised as      |
|------|------------------------------------------------------------------------|----------------|
| 0    | done                                                                   |                |
| 1    | `verify` or `check` did its work and found faults                      |                |
| 2    | the command line itself is wrong                                       | (by typer)     |
| 3    | bad input: an audio file, a prompt, a control's value, a session file  | `InputError`   |
| 4    | bad pipeline: the file or its graph                                    | `PipelineError`|
| 5    | weights are missing or broken                                          | `WeightsError` |
| 6    | the output cannot be written                                           | `OutputError`  |
| 7    | a stage failed while running                                           | `StageError`   |
| 130  | stopped with Ctrl-C                                                    |                |
"""

from typing import ClassVar


class UserError(Exception):
    """A fault that its message explains in one line: what is wrong, where, and what to do.

    Args:
        message: the line; line breaks within it become spaces.

    Attributes:
        exit_code: the status a command ends with, from the table above.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


class InputError(UserError):
    """An audio file, a prompt, a control's value or a session file cannot be used."""

    exit_code = 3


class PipelineError(UserError):
    """The pipeline file or its graph has faults."""

    exit_code = 4


class WeightsError(UserError):
    """Weights are missing, damaged or made for another network."""

    exit_code = 5


class OutputError(UserError):
    """The output cannot be written where or as it was asked for."""

    exit_code = 6


class StageError(UserError):
    """A stage failed, or made something that cannot be used, while running."""

    exit_code = 7
