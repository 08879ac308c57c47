"""`python -m soundstage.training.depthformer`: trains on a file of tokens, and exports."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from soundstage.errors import Error
from soundstage.graph.format import Format
from soundstage.stages.depthformer.config import Size
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.stages.weights.sources import WeightsError
from soundstage.training.checkpoint import CheckpointError
from soundstage.training.depthformer.export import export
from soundstage.training.depthformer.fitting import best_weights, fit
from soundstage.training.depthformer.request import TrainingRequest, read_order
from soundstage.training.loop import Budget, TrainingError
from soundstage.training.optimizer import start
from soundstage.training.precision import Precision
from soundstage.training.progress import Shown
from soundstage.training.tokens.cache import CacheError, TokenCache

EXAMPLES = """Examples:

python -m soundstage.training.depthformer --tokens tokens.arrow --run runs/depthformer --minutes 60

python -m soundstage.training.depthformer export --run runs/depthformer
--output demo-depthformer.safetensors

python -m soundstage.training.depthformer --tokens mine.arrow --run runs/mine
--init depthformer-base --size base --steps 2000 --rate 1e-4"""
NAMES = {"help_option_names": ["--help", "-h"]}

Tokens = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Music as tokens, as soundstage.training.tokens makes it."),
]
Run = Annotated[Path, typer.Option(metavar="DIR", help="The run's folder; the same one goes on.")]
SizeOption = Annotated[Size, typer.Option(help="The network's size.")]
Minutes = Annotated[float | None, typer.Option(min=0.01, max=100_000, help="Stop after so long.")]
Steps = Annotated[
    int, typer.Option(min=1, help="Stop after so many; the learning rate falls over them.")
]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same batches.")]
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
        help="A codec's weights: codes that sound alike start alike. Needs --codebooks.",
    ),
]
Codebooks = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="The style quantizer's weights: styles alike start alike."),
]
Rows = Annotated[int, typer.Option(min=1, help="Examples a step.")]
Chunks = Annotated[int, typer.Option(min=1, help="Chunks predicted from one past.")]
FineEvery = Annotated[
    int, typer.Option(min=1, help="Learn the fine levels of every so many-th frame only.")
]
HideNothing = Annotated[
    bool,
    typer.Option(
        "--hide-nothing", help="Hide what is not there yet: for pipelines with `PackKnown`."
    ),
]
FreshEncoder = Annotated[
    bool, typer.Option("--fresh-encoder", help="Start the encoder anew, whatever --init says.")
]
HiddenShare = Annotated[
    float,
    typer.Option(min=0, max=1, help="Examples that do not see all of the frames just made."),
]
FirstWeight = Annotated[
    float, typer.Option(min=1, help="What a chunk's first frame counts, beside the last.")
]
ContextS = Annotated[
    float, typer.Option("--context-s", help="Seconds of past that the network reads.")
]
Rate = Annotated[float, typer.Option(min=1e-7, max=1.0, help="The highest learning rate.")]
DType = Annotated[Precision, typer.Option(help="What the network computes in.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file.")]


def train(
    context: typer.Context,
    tokens: Tokens = None,
    run: Run = Path("runs/depthformer"),
    size: SizeOption = "demo",
    minutes: Minutes = None,
    steps: Steps = 4000,
    seed: Seed = 0,
    init: Init = None,
    codec: Codec = None,
    codebooks: Codebooks = None,
    rows: Rows = 8,
    chunks: Chunks = 2,
    fine_every: FineEvery = 1,
    context_s: ContextS = 10.0,
    hidden_share: HiddenShare = 0.0,
    first_weight: FirstWeight = 1.0,
    hide_nothing: HideNothing = False,
    fresh_encoder: FreshEncoder = False,
    rate: Rate = 1.5e-3,
    dtype: DType = "auto",
) -> None:
    """Train a Depthformer on a file of tokens.

    Goes on from the last checkpoint of the run's folder. Writes metrics.csv, and validation.csv
    if the file holds pieces that are held out.
    """
    if context.invoked_subcommand is not None:
        return
    if tokens is None:
        raise typer.BadParameter("say where the tokens are", param_hint="--tokens")
    if codec is not None and codebooks is None:
        raise typer.BadParameter("give --codebooks, too", param_hint="--codec")
    origin = init or f"random:{seed}"
    order = TrainingRequest(
        size=size,
        init=origin,
        codec=codec,
        codebooks=codebooks,
        steps=steps,
        rate=rate,
        rows=rows,
        chunks=chunks,
        fine_every=fine_every,
        context_s=context_s,
        hidden_share=hidden_share,
        first_weight=first_weight,
        hide_nothing=hide_nothing,
        fresh_encoder=fresh_encoder,
        dtype=dtype,
        seed=seed,
    )
    with _told():
        _train(TokenCache(tokens), order, Budget(steps=steps, minutes=minutes), run)


def _train(cache: TokenCache, order: TrainingRequest, budget: Budget, run: Path) -> None:
    format = Format(context_s=order.context_s)
    if differences := cache.facts.differences(format):
        raise CacheError(f"{cache.path}: {'; '.join(differences)}")
    order.keep(run)
    begin = order.begin(format)
    pieces = list(cache)
    fitted = fit(begin, pieces, format, order.fit_params, budget, run, order.seed, Shown)
    for check in fitted.validations:
        values = "  ".join(f"{name} {value:.4f}" for name, value in check.metrics.items())
        print(f"step {check.step}  {check.seconds / 60:.1f} min  held out: {values}")


def export_run(output: Output, run: Run = Path("runs/depthformer")) -> None:
    """Write the weights of a run's best check as the stage `Sample` reads them, in float16."""
    with _told():
        order = read_order(run)
        format = Format(context_s=order.context_s)
        begin = order.begin(format)
        weights = best_weights(start(begin.state, order.fit_params.optimizer), run)
        notes = {"made by": "python -m soundstage.training.depthformer", "license": "Apache-2.0"}
        notes |= {"size": order.size, "seed": str(order.seed)}
        export(begin.graph, weights, Vocabulary.of(format), output, notes)
        print(f"{output}: {output.stat().st_size / 1e6:.2f} MB")


@contextmanager
def _told() -> Iterator[None]:
    """Tells what went wrong in one line."""
    try:
        yield
    except (CheckpointError, TrainingError, Error, WeightsError, OSError) as error:
        print(f"training.depthformer: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


def main() -> None:
    """Runs the command and ends the process with its exit code."""
    app = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown"
    )
    app.callback(invoke_without_command=True, epilog=EXAMPLES, context_settings=NAMES)(train)
    app.command("export", context_settings=NAMES)(export_run)
    app(prog_name="python -m soundstage.training.depthformer")


if __name__ == "__main__":
    main()
