"""What can be wrong with a pipeline, said so that it can be mended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from soundstage.errors import Error


@dataclass(frozen=True)
class Problem:
    """One fault of a pipeline.

    Attributes:
        where: the stage, edge or key at fault, as it is written in the file.
        what: what is wrong there, with what was expected and what was found.
        cure: what to do about it; empty when `what` says it already.
        warning: True when the pipeline runs all the same.
    """

    where: str
    what: str
    cure: str = ""
    warning: bool = False

    def __str__(self) -> str:
        prefix = "warning: " if self.warning else ""
        return f"{prefix}{self.where}: {self.what}" + (f"; {self.cure}" if self.cure else "")


class PipelineError(Error, ValueError):
    """A pipeline that cannot run; `problems` lists everything that is wrong with it."""

    exit_code = 4

    def __init__(self, problems: Sequence[Problem]):
        self.problems = tuple(problems)
        super().__init__(str(self))

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def suggest(name: str, known: Iterable[str]) -> str:
    """The cure for an unknown name: the nearest known one, else the list of all."""
    known = list(known)
    near = get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"choose one of {', '.join(sorted(known))}" if known else "there is none to choose from"
