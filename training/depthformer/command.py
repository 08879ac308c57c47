"""The command: trains on a file of tokens, and exports."""

from pathlib import Path
from typing import Annotated

import typer

from soundstage.graph.format import Format
from soundstage.stages.depthformer.config import Size
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.training.command_line import (
    BatchSeed,
    Minutes,
    Run,
    errors_in_one_line,
    run_app,
    trainer_app,
    weight_notes,
)
from soundstage.training.depthformer.export import export
from soundstage.training.depthformer.fitting import best_weights, fit
from soundstage.training.depthformer.request import TrainingRequest, read_request
from soundstage.training.loop import Budget
from soundstage.training.optimizer import start
from soundstage.training.precision import Precision
from soundstage.training.progress import ProgressBar
from soundstage.training.tokens.cache import CacheError, TokenCache

COMMAND = "soundstage.training.depthformer"
EXAMPLES = """Examples:

python -m soundstage.training.depthformer --tokens tokens.arrow --run runs/depthformer --minutes 60

python -m soundstage.training.depthformer export --run runs/depthformer
--output demo-depthformer.safetensors

python -m soundstage.training.depthformer --tokens mine.arrow --run runs/mine
--init depthformer-base --size base --steps 2000 --rate 1e-4"""

Tokens = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A file of tokens that soundstage.training.tokens made."),
]
SizeOption = Annotated[Size, typer.Option(help="The network's size.")]
Steps = Annotated[
    int,
    typer.Option(
        min=1, help="Steps after which training stops; the learning rate falls over them."
    ),
]
Init = Annotated[
    str | None,
    typer.Option(
        metavar="WEIGHTS",
        help="Weights to start from: a file, a model's name or random:SEED.",
        show_default="random:SEED",
    ),
]
Codec = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A codec's weights: similar codes start with similar embeddings. Needs --codebooks.",
    ),
]
Codebooks = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="The style quantizer's weights: similar styles start with similar embeddings.",
    ),
]
Rows = Annotated[int, typer.Option(min=1, help="Examples a step.")]
Chunks = Annotated[int, typer.Option(min=1, help="Chunks predicted from one past.")]
FineEvery = Annotated[
    int, typer.Option(min=1, help="Train the fine levels of one frame in so many.")
]
HideNothing = Annotated[
    bool,
    typer.Option(
        "--hide-nothing",
        help="Hide context frames that do not exist yet: for pipelines with `PackKnown`.",
    ),
]
OnsetWeight = Annotated[
    float,
    typer.Option(min=0, help="Extra weight of frames with onsets, for networks of size `demo`."),
]
ContextS = Annotated[
    float, typer.Option("--context-s", help="Seconds of past that the network reads.")
]
Rate = Annotated[float, typer.Option(min=1e-7, max=1.0, help="The highest learning rate.")]
DType = Annotated[Precision, typer.Option(help="The type the network computes in.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file.")]


def train(
    context: typer.Context,
    tokens: Tokens = None,
    run: Run = Path("runs/depthformer"),
    size: SizeOption = "demo",
    minutes: Minutes = None,
    steps: Steps = 4000,
    seed: BatchSeed = 0,
    init: Init = None,
    codec: Codec = None,
    codebooks: Codebooks = None,
    rows: Rows = 8,
    chunks: Chunks = 1,
    fine_every: FineEvery = 1,
    context_s: ContextS = 10.0,
    onset_weight: OnsetWeight = 2.0,
    hide_nothing: HideNothing = False,
    rate: Rate = 1.5e-3,
    dtype: DType = "auto",
) -> None:
    """Train a Depthformer on a file of tokens.

    Resumes from the last checkpoint in the run's folder. Writes metrics.csv, and validation.csv
    if the file has held-out pieces.
    """
    if context.invoked_subcommand is not None:
        return
    if tokens is None:
        raise typer.BadParameter("give a file of tokens", param_hint="--tokens")
    if codec is not None and codebooks is None:
        raise typer.BadParameter("give --codebooks as well", param_hint="--codec")
    request = TrainingRequest(
        size=size,
        init=init or f"random:{seed}",
        codec=codec,
        codebooks=codebooks,
        steps=steps,
        rate=rate,
        rows=rows,
        chunks=chunks,
        fine_every=fine_every,
        context_s=context_s,
        onset_weight=onset_weight,
        hide_nothing=hide_nothing,
        dtype=dtype,
        seed=seed,
    )
    with errors_in_one_line(COMMAND):
        _train(TokenCache(tokens), request, Budget(steps=steps, minutes=minutes), run)


def _train(cache: TokenCache, request: TrainingRequest, budget: Budget, run: Path) -> None:
    format = Format(context_s=request.context_s)
    if differences := cache.facts.differences(format):
        raise CacheError(f"{cache.path}: {'; '.join(differences)}")
    request.keep(run)
    initial, pieces = request.initial_weights(format), list(cache)
    fitted = fit(
        initial, pieces, format, request.fit_params, budget, run, request.seed, ProgressBar
    )
    for validation in fitted.validations:
        values = "  ".join(f"{name} {value:.4f}" for name, value in validation.metrics.items())
        print(f"step {validation.step}  {validation.seconds / 60:.1f} min  held out: {values}")


def export_run(output: Output, run: Run = Path("runs/depthformer")) -> None:
    """Write the weights of a run's best validation as float16, for the stage `Sample`."""
    with errors_in_one_line(f"{COMMAND} export"):
        request = read_request(run)
        format = Format(context_s=request.context_s)
        initial = request.initial_weights(format)
        weights = best_weights(start(initial.state, request.fit_params.optimizer), run)
        notes = weight_notes(COMMAND, size=request.size, seed=request.seed)
        export(initial.graph, weights, Vocabulary.of(format), output, notes)
        print(f"{output}: {output.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    """Runs the command and ends the process with its exit code."""
    app = trainer_app(train, EXAMPLES, {"export": (export_run, None)})
    run_app(app, COMMAND)
