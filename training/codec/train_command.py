"""The command that trains a codec, the default of `python -m soundstage.training.codec`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from soundstage.stages.spectrostream.stage import Size
from soundstage.training.codec.audio_batches import Batches
from soundstage.training.codec.initial_state import start_state
from soundstage.training.codec.settings import FILE, CodecTraining
from soundstage.training.codec.step import CodecStep
from soundstage.training.command_line import errors_in_one_line
from soundstage.training.corpus.manifest import read_manifest
from soundstage.training.crops import Crops
from soundstage.training.loop import Budget, train
from soundstage.training.progress import ProgressBar
from soundstage.training.run_settings import keep_settings

EXAMPLES = """Examples:

python -m soundstage.training.codec --corpus corpus --run runs/codec --minutes 40

python -m soundstage.training.codec export --run runs/codec --output demo-codec.safetensors

python -m soundstage.training.codec evaluate --codec demo-codec.safetensors --corpus corpus

Train only the decoder, so that tokens of the exported codec stay valid:

python -m soundstage.training.codec --corpus corpus --run runs/decoder
--weights ./demo-codec.safetensors --freeze encoder,quantizer --minutes 20

Fine-tune the published codec:

python -m soundstage.training.codec --corpus corpus --run runs/full --weights models/spectrostream
--size full --rate 0.0001 --minutes 600"""

NEW = CodecTraining()

Corpus = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="A corpus that soundstage.training.corpus made."),
]
Run = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The run's folder; a run that it holds is resumed."),
]
Minutes = Annotated[
    float | None, typer.Option(min=0.01, help="Minutes after which training stops.")
]
Steps = Annotated[int | None, typer.Option(min=1, help="Steps after which training stops.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same weights and batches.")]
SizeOption = Annotated[Size, typer.Option(help="The codec's size.")]
Weights = Annotated[
    str, typer.Option(metavar="SOURCE", help="Weights to start from.", show_default="new weights")
]
Freeze = Annotated[
    str, typer.Option(metavar="PARTS", help="Parts that are not trained, separated by commas.")
]
FitBooks = Annotated[
    bool, typer.Option("--fit-codebooks", help="Replace the codebooks of --weights by fitted ones.")
]
Survey = Annotated[
    int, typer.Option(min=1, help="Embeddings per code that codebooks are fitted to.")
]
LinearStart = Annotated[
    bool,
    typer.Option(help="Fit new weights to the corpus as a linear codec, or draw them at random."),
]
Rows = Annotated[int, typer.Option(min=1, help="Crops a step.")]
Frames = Annotated[int, typer.Option(min=4, help="Code frames a crop; one second has 25.")]
Rate = Annotated[float, typer.Option(min=1e-8, help="Learning rate after warm-up.")]
ScheduleSteps = Annotated[
    int, typer.Option(min=100, help="Steps over which the learning rate falls to its lowest.")
]
CheckpointS = Annotated[float, typer.Option(min=1, help="Seconds between checkpoints.")]


def train_codec(
    context: typer.Context,
    corpus: Corpus = None,
    run: Run = None,
    minutes: Minutes = None,
    steps: Steps = None,
    seed: Seed = 0,
    size: SizeOption = "demo",
    weights: Weights = "",
    freeze: Freeze = "",
    fit_codebooks: FitBooks = False,
    survey_vectors: Survey = NEW.survey_vectors,
    linear_start: LinearStart = True,
    rows: Rows = NEW.rows,
    frames: Frames = NEW.frames,
    rate: Rate = NEW.optimizer.rate,
    schedule_steps: ScheduleSteps = NEW.optimizer.schedule_steps,
    checkpoint_s: CheckpointS = 60.0,
) -> None:
    """Train a codec on a corpus, on JAX's default device.

    Ctrl-C ends the run with a checkpoint; the same command resumes it. Writes metrics.csv.
    """
    if context.invoked_subcommand is not None:
        return
    if corpus is None or run is None or (minutes is None and steps is None):
        raise typer.BadParameter("give --corpus, --run, and --minutes or --steps")
    with errors_in_one_line("soundstage.training.codec"):
        books_step = NEW.books_step if not weights else 0 if fit_codebooks else None
        settings = CodecTraining(
            size=size,
            weights=weights,
            seed=seed,
            rows=rows,
            frames=frames,
            analysed_rows=NEW.analysed_rows if linear_start else 0,
            books_step=books_step,
            survey_vectors=survey_vectors,
            freeze=tuple(part for part in freeze.split(",") if part),
            optimizer=replace(NEW.optimizer, rate=rate, schedule_steps=schedule_steps),
        )
        _train(settings, corpus, run, Budget(steps, minutes, checkpoint_s))


def _train(settings: CodecTraining, corpus: Path, run: Path, budget: Budget) -> None:
    pieces = [piece.path for piece in read_manifest(corpus) if piece.split == "train"]
    crops = Crops(
        pieces,
        settings.crop_samples,
        settings.seed,
        settings.config.sample_rate_hz,
        settings.config.channels,
    )
    keep_settings(run / FILE, settings)
    _, position = train(
        start_state(settings, crops),
        CodecStep(settings, crops),
        Batches(settings, crops),
        budget,
        run,
        seed=settings.seed,
        progress=ProgressBar(),
    )
    typer.echo(f"{run}: {position.step} steps in {position.seconds / 60:.1f} minutes")
