"""The command: trains the style towers, and exports them."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from soundstage.graph.format import Format
from soundstage.stages.style_towers.config import TowersConfig
from soundstage.training.command_line import (
    BatchSeed,
    Minutes,
    Run,
    errors_in_one_line,
    run_app,
    trainer_app,
    weight_notes,
)
from soundstage.training.loop import Budget
from soundstage.training.progress import ProgressBar
from soundstage.training.style.export import (
    CODEBOOKS_FILE,
    MODEL_FILE,
    export_codebooks,
    export_towers,
    make_basis,
)
from soundstage.training.style.fitting import fit, quantize, read_run
from soundstage.training.style.run_folder import prepare

COMMAND = "soundstage.training.style"
EXAMPLES = """Examples:

python -m soundstage.training.style --corpus corpus --run runs/style --minutes 15

python -m soundstage.training.style export --run runs/style --output models"""

Corpora = Annotated[
    list[Path] | None,
    typer.Option(
        "--corpus",
        metavar="DIR",
        help="A corpus that soundstage.training.corpus made; may be repeated.",
        show_default=False,
    ),
]
Steps = Annotated[
    int,
    typer.Option(
        min=51, help="Steps after which training stops; the learning rate falls over them."
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="An existing folder.")]


def train(
    context: typer.Context,
    corpora: Corpora = None,
    run: Run = Path("runs/style"),
    minutes: Minutes = 15.0,
    steps: Steps = 2000,
    seed: BatchSeed = 0,
) -> None:
    """Train the small style model: texts and audio of a corpus in one space, and its codebooks.

    Resumes from the last checkpoint in the run's folder. Prints how near held-out texts lie to
    the audio they describe.
    """
    if context.invoked_subcommand is not None:
        return
    if not corpora:
        raise typer.BadParameter("give a corpus", param_hint="--corpus")
    with errors_in_one_line(COMMAND):
        format = Format()
        run.mkdir(parents=True, exist_ok=True)
        prepared = prepare(corpora, run, format, TowersConfig())
        budget = Budget(steps=steps, minutes=minutes)
        towers, _ = fit(prepared, run, budget, steps, seed, ProgressBar())
        print(json.dumps(quantize(prepared, towers, run, format, seed), indent=1))


def export(output: Output, run: Run = Path("runs/style")) -> None:
    """Write the trained model and its codebooks as the stages read them."""
    with errors_in_one_line(f"{COMMAND} export"):
        model, towers, vocabulary, books, position = read_run(run)
        basis = make_basis(model.config.rank, Format().style_dim)
        notes = weight_notes(COMMAND, steps=position.step, seed=position.seed)
        files = (output / MODEL_FILE, output / CODEBOOKS_FILE)
        export_towers(model.module(towers), vocabulary, basis, files[0], notes)
        export_codebooks(books, basis, files[1], notes)
        for path in files:
            print(f"{path}: {path.stat().st_size / 1e6:.2f} MB", file=sys.stderr)


def style_app() -> typer.Typer:
    """Makes the command, which trains, with its subcommand `export`."""
    return trainer_app(train, EXAMPLES, {"export": (export, None)})


def main() -> None:
    """Runs the command and ends the process with its exit code."""
    run_app(style_app(), COMMAND)
