"""Problems of a pipeline, each with its place and its cure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from soundstage.errors import Error


@dataclass(frozen=True)
class Problem:
    """One problem of a pipeline.

    Attributes:
        where: the stage, edge or key, as it is written in the file.
        what: the expected and the actual value, or another description of the problem.
        cure: how to solve it; empty if `what` makes it plain.
        warning: True if the pipeline can run nevertheless.
    """

    where: str
    what: str
    cure: str = ""
    warning: bool = False

    def __str__(self) -> str:
        prefix = "warning: " if self.warning else ""
        return f"{prefix}{self.where}: {self.what}" + (f"; {self.cure}" if self.cure else "")


class PipelineError(Error, ValueError):
    """A pipeline cannot run; `problems` lists all its problems."""

    exit_code = 4

    def __init__(self, problems: Sequence[Problem]):
        self.problems = tuple(problems)
        super().__init__(str(self))

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def suggest(name: str, known: Iterable[str]) -> str:
    """Returns the cure for an unknown name: the nearest known one, else a list of all."""
    known = list(known)
    near = get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"choose one of {', '.join(sorted(known))}" if known else "there is none to choose from"
