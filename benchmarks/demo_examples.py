"""Plays ten short examples into a folder, with a page about them.

python benchmarks/demo_examples.py --preset demo --output docs/demo
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).parents[1]))

from evaluation.examples import EXAMPLES, make_examples
from evaluation.player import PipelineChoice

from soundstage.training.command_line import errors_in_one_line


def main(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="The folder; made if missing.")
    ],
    pipeline: Annotated[Path | None, typer.Option(metavar="FILE", help="A pipeline file.")] = None,
    preset: Annotated[str | None, typer.Option(help="The name of a preset.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=60, help="Length of an example.")] = 6.0,
) -> None:
    """Play ten short examples into a folder, with a page about them."""
    with errors_in_one_line("benchmarks/demo_examples.py"):
        make_examples(PipelineChoice(preset, pipeline), output, seconds)
    size = sum(path.stat().st_size for path in output.iterdir())
    typer.echo(f"{output}: {len(EXAMPLES)} examples, {size / 1e3:.0f} kB with the page")


if __name__ == "__main__":
    typer.run(main)
