"""Refuses an output that is one of the inputs, however its name is written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from soundstage.apps.commands.pipeline_choice import PipelineChoice
from soundstage.errors import OutputError, UsageError
from soundstage.graph.plan import Graph
from soundstage.runners.sessions.files import SessionFileError
from soundstage.runners.sessions.journal_file import read_saved
from soundstage.runners.sessions.prompts import Audio, OnePrompt, Style
from soundstage.stages.weights.sources import source_files

STANDARD_STREAM = "-"
# An option and a path that it names.
NamedFile = tuple[str, Path]


def named_files(options: Mapping[str, Path | str | None]) -> list[NamedFile]:
    """Returns the options that name a file; leaves out None and standard streams."""
    return [
        (option, Path(path))
        for option, path in options.items()
        if path is not None and str(path) != STANDARD_STREAM
    ]


def refuse_inputs_as_outputs(outputs: Iterable[NamedFile], inputs: Iterable[NamedFile]) -> None:
    """Refuses an output that is the same file as an input.

    Two names are the same file if their paths are equal once links and dots are resolved, or if
    they are hard links of one file.

    Raises:
        UsageError: names the first two options that do.
    """
    for (option, output), (other, path) in product(outputs, list(inputs)):
        if is_same_file(output, path):
            raise UsageError(
                f"{option} and {other} both name {output}: the output would replace the input; "
                "give the output another name"
            )


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, which need not exist."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        pass
    try:
        return one.resolve() == other.resolve()
    except (OSError, ValueError, RuntimeError):  # a loop of links, or no path at all
        return False


def music_inputs(
    choice: PipelineChoice,
    prompts: Sequence[OnePrompt],
    graph: Graph,
    **others: Path | None,
) -> Iterator[NamedFile]:
    """Yields the files that music is made from.

    Args:
        choice: names the pipeline file.
        prompts: name audio files and files of style vectors.
        graph: its parameters name files of weights.
        **others: further options without their dashes, e.g. `continue_from`.
    """
    yield from named_files({"--pipeline": choice.pipeline})
    yield from (("--audio", prompt.path) for prompt in prompts if isinstance(prompt, Audio))
    for prompt in prompts:
        if isinstance(prompt, Style) and not isinstance(prompt.vector, np.ndarray):
            yield "--style", Path(prompt.vector)
    options = {f"--{name.replace('_', '-')}": path for name, path in others.items()}
    yield from named_files(options)
    for name, stage in graph.spec.stage.items():
        for key, value in stage.params.items():
            if isinstance(value, str) and value:
                yield from ((f"the parameter {name}.{key}", file) for file in source_files(value))


def refuse_other_session(path: Path | None, graph: Graph) -> None:
    """Refuses to replace a session of another graph.

    Args:
        path: where a session is to be saved; None = nowhere.
        graph: the graph of the session to save.

    Raises:
        OutputError: the file is a session or a journal of another graph.
    """
    if path is None or not path.is_file():
        return
    try:
        saved = read_saved(path)
    except SessionFileError:
        return
    if saved.spec.digest() != graph.digest:
        raise OutputError(
            f"{path}: holds a session of another pipeline, {saved.spec.name!r}: give another name, "
            "or remove it"
        )
