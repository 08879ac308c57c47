"""The command's default: train."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from soundstage.stages.spectrostream.stage import Size
from soundstage.training.codec.audio_batches import Batches
from soundstage.training.codec.initial_state import start_state
from soundstage.training.codec.settings import CodecTraining, SettingsError, keep_settings
from soundstage.training.codec.step import CodecStep
from soundstage.training.command_line import told_in_a_line
from soundstage.training.corpus.manifest import read_manifest
from soundstage.training.crops import Crops
from soundstage.training.loop import Budget, train
from soundstage.training.progress import Shown

EXAMPLES = """Examples:

python -m soundstage.training.codec --corpus corpus --run runs/codec --minutes 40

python -m soundstage.training.codec export --run runs/codec --output demo-codec.safetensors

python -m soundstage.training.codec evaluate --codec demo-codec.safetensors --corpus corpus

Let the decoder train on while tokens of the exported codec stay valid:

python -m soundstage.training.codec --corpus corpus --run runs/decoder
--weights ./demo-codec.safetensors --freeze encoder,quantizer --minutes 20

Fine-tune the published codec:

python -m soundstage.training.codec --corpus corpus --run runs/full --weights models/spectrostream
--size full --rate 0.0001 --minutes 600"""

NEW = CodecTraining()

Corpus = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="As soundstage.training.corpus makes it."),
]
Run = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Checkpoints and metrics; a run that is there goes on."),
]
Minutes = Annotated[float | None, typer.Option(min=0.01, help="Stop after so much training.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Stop after so many steps.")]
Seed = Annotated[int, typer.Option(min=0, help="Decides weights and batches.")]
SizeOption = Annotated[Size, typer.Option(help="Of the codec.")]
Weights = Annotated[
    str, typer.Option(metavar="SOURCE", help="Start from these weights, not from new ones.")
]
Freeze = Annotated[
    str, typer.Option(metavar="PARTS", help="Parts to leave as they are, joined by commas.")
]
FitBooks = Annotated[
    bool, typer.Option("--fit-codebooks", help="Fit the codebooks of --weights anew, once.")
]
Survey = Annotated[
    int, typer.Option(min=1, help="Embeddings per code that codebooks are fitted to.")
]
LinearStart = Annotated[
    bool,
    typer.Option(help="Fit new weights to the corpus as a linear codec, or draw them at random."),
]
Rows = Annotated[int, typer.Option(min=1, help="Crops a step.")]
Frames = Annotated[int, typer.Option(min=4, help="Code frames a crop; 25 are a second.")]
Rate = Annotated[float, typer.Option(min=1e-8, help="Learning rate after warm-up.")]
ScheduleSteps = Annotated[
    int, typer.Option(min=100, help="Steps until the learning rate has fallen to its lowest.")
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
    """Train a codec on a corpus, on whatever device JAX finds, from where the run stands.

    Ctrl-C ends with a checkpoint; the same command goes on. Curves are in metrics.csv.
    """
    if context.invoked_subcommand is not None:
        return
    if corpus is None or run is None or (minutes is None and steps is None):
        raise typer.BadParameter("give --corpus, --run, and --minutes or --steps")
    with told_in_a_line("soundstage.training.codec", ValueError):
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
    with told_in_a_line("soundstage.training.codec", SettingsError):
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
    keep_settings(run, settings)
    _, position = train(
        start_state(settings, crops),
        CodecStep(settings, crops),
        Batches(settings, crops),
        budget,
        run,
        seed=settings.seed,
        progress=Shown(),
    )
    typer.echo(f"{run}: {position.step} steps in {position.seconds / 60:.1f} minutes")
