"""`soundstage check`, `graph` and `presets`: pipelines, without running them."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundstage.apps.commands.exit_codes import CommandFailed, errors_as_lines, tell
from soundstage.apps.commands.options import Allow, Debug, Named, Pipeline, Place, Preset, Set

if TYPE_CHECKING:
    from soundstage.graph.plan import Graph

CHECK_EXAMPLES = """Examples:

soundstage check pipeline.toml

soundstage check --preset tiny --set decode.use=stages.toy:SineDecode"""
GRAPH_EXAMPLES = """Examples:

soundstage graph tiny

soundstage graph pipeline.toml --format svg --output pipeline.svg"""


class Drawing(StrEnum):
    """How a graph is drawn."""

    text = "text"
    mermaid = "mermaid"
    svg = "svg"


def check(
    named: Named = None,
    preset: Preset = None,
    pipeline: Pipeline = None,
    set_: Set = None,
    place: Place = None,
    allow: Allow = None,
    debug: Debug = False,
) -> None:
    """Prove a pipeline before anything is loaded.

    Prints every problem, one a line, each with where it is and what to do, to standard error; the
    exit code is then 4. Warnings alone leave it at 0.
    """
    with errors_as_lines(debug):
        from soundstage.apps.commands.pipeline_choice import choose
        from soundstage.graph.problem import PipelineError
        from soundstage.runners.api import check as find_problems
        from soundstage.runners.devices import check_devices
        from soundstage.runners.models import check_models

        choice = choose(named, preset, pipeline, set_, place, allow)
        found, problems = find_problems(
            choice.preset, choice.pipeline, choice.settings, choice.placements, choice.allow
        )
        if found is not None:
            problems = [*problems, *check_devices(found), *check_models(found)]
        for problem in problems:
            tell(str(problem))
        if found is None or not all(problem.warning for problem in problems):
            raise CommandFailed(PipelineError.exit_code)
        print(_summary(found))


def _summary(graph: "Graph") -> str:
    edges = sum(len(node.sources) for node in graph.nodes.values())
    return (
        f"ok: {graph.name}: {len(graph.nodes)} stages, {edges} edges, {len(graph.controls)} "
        f"controls, {len(graph.outputs)} outputs; graph {graph.digest[:12]}"
    )


def graph(
    named: Named = None,
    form: Annotated[Drawing, typer.Option("--format", help="How to draw it.")] = Drawing.text,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="A file instead of standard output."),
    ] = None,
    preset: Preset = None,
    pipeline: Pipeline = None,
    set_: Set = None,
    place: Place = None,
    allow: Allow = None,
    debug: Debug = False,
) -> None:
    """Draw a pipeline: its stages, what flows between them, and what is fed back."""
    with errors_as_lines(debug):
        from soundstage.apps.commands.pipeline_choice import choose
        from soundstage.files import replacing, reporting
        from soundstage.graph.drawing.text_and_mermaid import draw_mermaid, draw_svg, draw_text

        draw = {Drawing.text: draw_text, Drawing.mermaid: draw_mermaid, Drawing.svg: draw_svg}
        drawn = draw[form](choose(named, preset, pipeline, set_, place, allow).load())
        if output is None:
            print(drawn)
            return
        with replacing(output) as stream, reporting(output):
            stream.write(drawn.encode() + b"\n")


def presets(debug: Debug = False) -> None:
    """List the pipelines that ship with soundstage."""
    with errors_as_lines(debug):
        from soundstage.presets.preset import DEFAULT, preset_names
        from soundstage.runners.api import read_spec

        names = preset_names()
        width = max(map(len, names)) + 2
        for name in names:
            note = read_spec(name).note
            default = "(default) " if name == DEFAULT else ""
            print(f"{name:<{width}}{default}{note}".rstrip())
