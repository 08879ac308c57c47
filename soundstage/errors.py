"""What a person can put right: each fault has one line and one exit code.

| code | meaning                                                                              |
|------|--------------------------------------------------------------------------------------|
| 0    | done                                                                                 |
| 1    | `verify` found an array that is wrong, or nothing to check; two runs differ;         |
|      | `doctor` found that it is too slow                                                   |
| 2    | the command line itself is wrong                                                     |
| 3    | bad input: a prompt, an audio file, a duration, a control's value, a session or run  |
| 4    | bad pipeline: the file, its graph, an override or a device                           |
| 5    | weights are missing, damaged or made for another network                             |
| 6    | the output cannot be written                                                         |
| 7    | a stage failed, or made something that cannot be used, while running                 |
| 8    | a download failed: no network, not there, refused, too many requests, cut off        |
| 70   | a fault of soundstage itself                                                         |
| 130  | stopped with Ctrl-C                                                                  |

Every error that soundstage raises on purpose is an `Error`, so `except soundstage.Error` catches
them all. What is not one is a bug of soundstage, or of a stage.
"""

from typing import ClassVar


class Error(Exception):
    """The base of all errors; its message says in one line what is wrong, where, and what to do.

    Args:
        message: the line; line breaks within it become spaces.

    Attributes:
        exit_code: the status a command ends with, from the table above.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


class UsageError(Error):
    """Options that do not go together."""

    exit_code = 2


class InputError(Error):
    """A prompt, an audio file, a duration or another value cannot be used."""

    exit_code = 3


class ModelError(Error):
    """Weights that are not there, or not what they are said to be."""

    exit_code = 5


class OutputError(Error):
    """The output cannot be written where or as it was asked for."""

    exit_code = 6


class StageError(Error):
    """A stage made something that cannot be used."""

    exit_code = 7


class DownloadError(Error):
    """Something could not be fetched."""

    exit_code = 8
