"""The commands `soundstage check`, `graph` and `presets`, and their options."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundstage.apps.commands.command import command
from soundstage.apps.commands.exit_codes import CommandFailed, print_error
from soundstage.apps.commands.options import RayAddress, Runner
from soundstage.apps.commands.pipeline_choice import NamedPipeline
from soundstage.errors import UsageError
from soundstage.runners.choice import RunnerChoice

if TYPE_CHECKING:
    from soundstage.graph.plan import Graph

CHECK_EXAMPLES = """Examples:

soundstage check pipeline.toml

soundstage check --preset tiny --set decode.use=stages.toy:SineDecode

soundstage check pipeline.toml --runner ray --ray-address auto"""
PRESETS_EXAMPLES = """Examples:

soundstage presets

soundstage presets demo > pipeline.toml

soundstage presets --schema > pipeline.schema.json"""
GRAPH_EXAMPLES = """Examples:

soundstage graph tiny

soundstage graph pipeline.toml --format svg --output pipeline.svg"""


class Drawing(StrEnum):
    """The formats of drawings."""

    text = "text"
    mermaid = "mermaid"
    svg = "svg"


@command
def check(
    choice: NamedPipeline,
    runner: Runner = "local",
    ray_address: RayAddress = None,
) -> None:
    """Check a pipeline without loading any weights.

    Prints every problem on a line of its own, with its place and its cure, to standard error. Exit
    code 0: there is no problem, or only warnings; 4: there are problems.
    """
    from soundstage.graph.problem import PipelineError
    from soundstage.runners.api import check as find_problems
    from soundstage.runners.api import check_placement
    from soundstage.runners.models import check_models

    runner_choice = RunnerChoice(runner, ray_address)
    choice.announce()
    graph, problems = find_problems(
        choice.preset, choice.pipeline, choice.settings, choice.placements, choice.allow
    )
    if graph is not None:
        problems = [*problems, *check_placement(graph, runner_choice), *check_models(graph)]
    for problem in problems:
        print_error(str(problem))
    if graph is None or not all(problem.warning for problem in problems):
        raise CommandFailed(PipelineError.exit_code)
    print(_summary(graph))


def _summary(graph: "Graph") -> str:
    edges = sum(len(node.sources) for node in graph.nodes.values())
    return (
        f"ok: {graph.name}: {len(graph.nodes)} stages, {edges} edges, {len(graph.controls)} "
        f"controls, {len(graph.outputs)} outputs; graph {graph.digest[:12]}"
    )


@command
def graph(
    choice: NamedPipeline,
    form: Annotated[
        Drawing, typer.Option("--format", help="The format of the drawing.")
    ] = Drawing.text,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The file to write, instead of standard output."
        ),
    ] = None,
) -> None:
    """Draw a pipeline: its stages, the edges between them, and its feedback."""
    from soundstage.apps.commands.same_files import named_files, refuse_inputs_as_outputs
    from soundstage.files import replacing, reporting
    from soundstage.graph.drawing.text_and_mermaid import draw_mermaid, draw_svg, draw_text

    draw = {Drawing.text: draw_text, Drawing.mermaid: draw_mermaid, Drawing.svg: draw_svg}
    drawing = draw[form](choice.load())
    if output is None:
        print(drawing)
        return
    inputs = named_files({"--pipeline": choice.pipeline})
    refuse_inputs_as_outputs([("--output", output)], inputs)
    with replacing(output) as stream, reporting(output):
        stream.write(drawing.encode() + b"\n")


@command
def presets(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A preset, whose pipeline file is printed with its comments.",
            show_default=False,
        ),
    ] = None,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema", help="Print the JSON schema of pipeline files, for editors, instead."
        ),
    ] = False,
) -> None:
    """List the presets, the pipelines that ship with soundstage, or print the file of one.

    A file that is called pipeline.toml is used by every command in its folder.
    """
    from soundstage.presets.file_schema import file_schema_text
    from soundstage.presets.preset import DEFAULT, preset_names, preset_path
    from soundstage.runners.api import read_spec

    if schema and name is not None:
        raise UsageError(f"--schema and {name} exclude each other: print one of them")
    if schema:
        print(file_schema_text(), end="")
        return
    if name is not None:
        print(preset_path(name).read_text("utf-8"), end="")
        return
    names = preset_names()
    width = max(map(len, names)) + 2
    for name in names:
        note = read_spec(name).note
        default = "(default) " if name == DEFAULT else ""
        print(f"{name:<{width}}{default}{note}".rstrip())
