"""Errors: each has a message of one line and an exit code.

| code | meaning                                                                              |
|------|--------------------------------------------------------------------------------------|
| 0    | done                                                                                 |
| 1    | `verify` found a wrong array, or nothing to check; `diff` found that two runs        |
|      | differ; `doctor` found that the pipeline is slower than real time; the server that   |
|      | `health` asked did not answer                                                        |
| 2    | wrong options or arguments                                                           |
| 3    | bad input: a prompt, an audio file, a duration, a control's value, a session or run  |
| 4    | bad pipeline: the file, its graph, an override or a device                           |
| 5    | weights are missing, damaged or made for another network                             |
| 6    | the output cannot be written                                                         |
| 7    | a stage raised an error or returned a value that cannot be used, such as NaN         |
| 8    | a download failed: no network, not found, refused, too many requests, broken off     |
| 70   | an internal error: a bug of soundstage                                               |
| 129  | stopped by SIGHUP: the terminal is gone                                              |
| 130  | stopped by SIGINT: Ctrl-C                                                            |
| 143  | stopped by SIGTERM                                                                   |

Every error that soundstage raises on purpose is an `Error`, so `except soundstage.Error` catches
them all. Any other exception is a bug of soundstage or of a stage.
"""

from typing import ClassVar


class Error(Exception):
    """The base of all errors; the message has the problem, its place, the value and the cure.

    Args:
        message: one line; line breaks within it become spaces.

    Attributes:
        exit_code: the exit status of a command that the error ends.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


class SoundstageWarning(UserWarning):
    """The base of all warnings; the message is one line."""


class UsageError(Error):
    """Options exclude each other, or an option lacks another one."""

    exit_code = 2


class InputError(Error):
    """A prompt, an audio file, a duration or another value cannot be used."""

    exit_code = 3


class ClusterError(Error):
    """No Ray cluster can be reached or started."""

    exit_code = 4


class ModelError(Error):
    """Weights are missing, damaged or of another network."""

    exit_code = 5


class OutputError(Error):
    """The output cannot be written to its place or in its format."""

    exit_code = 6


class StageError(Error):
    """A stage returned a value that cannot be used, such as NaN."""

    exit_code = 7


class DownloadError(Error):
    """A download failed."""

    exit_code = 8


class ServerError(Error):
    """A server refuses a stream, has ended it, or cannot be reached."""
