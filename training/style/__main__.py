"""The command `python -m soundstage.training.style`: trains the style model, and exports it."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from soundstage.errors import Error
from soundstage.graph.format import Format
from soundstage.stages.style_towers.config import TowersConfig
from soundstage.training.checkpoint import CheckpointError
from soundstage.training.corpus.manifest import ManifestError
from soundstage.training.loop import Budget, TrainingError
from soundstage.training.progress import Shown
from soundstage.training.style.export import (
    CODEBOOKS_FILE,
    MODEL_FILE,
    export_codebooks,
    export_towers,
    make_basis,
)
from soundstage.training.style.fitting import fit, quantize, trained
from soundstage.training.style.run_folder import prepare

EXAMPLES = """Examples:

python -m soundstage.training.style --corpus corpus --run runs/style --minutes 15

python -m soundstage.training.style export --run runs/style --output models"""

Corpus = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR",
        help="Music with texts, as soundstage.training.corpus makes it; may be repeated.",
        show_default=False,
    ),
]
Run = Annotated[Path, typer.Option(metavar="DIR", help="The run's folder; the same one goes on.")]
Minutes = Annotated[float, typer.Option(min=0.01, max=100_000, help="Stop after so long.")]
Steps = Annotated[
    int, typer.Option(min=51, help="Stop after so many; the learning rate falls over them.")
]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same batches.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="An existing folder.")]

NAMES = {"help_option_names": ["--help", "-h"]}


def train(
    context: typer.Context,
    corpus: Corpus = None,
    run: Run = Path("runs/style"),
    minutes: Minutes = 15.0,
    steps: Steps = 2000,
    seed: Seed = 0,
) -> None:
    """Train the small style model: texts and audio of a corpus into one space, and its codebooks.

    Goes on from the last checkpoint of the run's folder. Prints how well held-out texts and audio
    meet.
    """
    if context.invoked_subcommand is not None:
        return
    if not corpus:
        raise typer.BadParameter("say where the corpus is", param_hint="--corpus")
    with _told():
        format = Format()
        run.mkdir(parents=True, exist_ok=True)
        prepared = prepare(corpus, run, format, TowersConfig())
        budget = Budget(steps=steps, minutes=minutes)
        towers, _ = fit(prepared, run, budget, steps, seed, Shown())
        print(json.dumps(quantize(prepared, towers, run, format, seed), indent=1))


def export(output: Output, run: Run = Path("runs/style")) -> None:
    """Write the trained model and its codebooks as the stages read them."""
    with _told():
        model, towers, vocabulary, books, position = trained(run)
        basis = make_basis(model.config.rank, Format().style_dim)
        notes = {
            "made by": "python -m soundstage.training.style",
            "license": "Apache-2.0",
            "steps": str(position.step),
            "seed": str(position.seed),
        }
        files = (output / MODEL_FILE, output / CODEBOOKS_FILE)
        export_towers(model.module(towers), vocabulary, basis, files[0], notes)
        export_codebooks(books, basis, files[1], notes)
        for path in files:
            print(f"{path}: {path.stat().st_size / 1e6:.2f} MB", file=sys.stderr)


@contextmanager
def _told() -> Iterator[None]:
    """Tells what went wrong in one line."""
    try:
        yield
    except (CheckpointError, ManifestError, TrainingError, Error, OSError) as error:
        print(f"training.style: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


def make_app() -> typer.Typer:
    """The command with its subcommand."""
    app = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown"
    )
    app.callback(invoke_without_command=True, epilog=EXAMPLES, context_settings=NAMES)(train)
    app.command(context_settings=NAMES)(export)
    return app


if __name__ == "__main__":
    make_app()(prog_name="python -m soundstage.training.style")
