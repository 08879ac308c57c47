"""The subcommand that trains the decoder of a fitted codec."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from soundstage.training.bandcodec.decoder_loss import DecoderLossParams
from soundstage.training.bandcodec.decoder_run import DecoderTraining, train_decoder
from soundstage.training.bandcodec.fit_command import COMMAND, Output, save_codec
from soundstage.training.command_line import BatchSeed, Corpus, Minutes, Run, errors_in_one_line
from soundstage.training.loop import Budget
from soundstage.training.progress import ProgressBar
from soundstage.training.tokens.pieces import corpus_pieces

EXAMPLES = """Examples:

python -m soundstage.training.bandcodec decoder --corpus corpus --codec codes.safetensors
--run runs/spectra --minutes 20 --output spectra.safetensors

python -m soundstage.training.bandcodec decoder --corpus corpus --codec spectra.safetensors
--run runs/audio --audio --rate 0.0003 --minutes 40 --output demo-bandcodec.safetensors"""

NEW = DecoderTraining("")
# Losses of a run that also compares the audio.
WITH_AUDIO = DecoderLossParams(bins=0.2, mels=0.2, distance=1.0, audio_mels=1.0, envelope=0.3)

Codec = Annotated[str, typer.Option(metavar="SOURCE", help="The codec; its codes do not change.")]
Audio = Annotated[
    bool, typer.Option("--audio", help="Also compare the audio: slower, for a trained decoder.")
]
Steps = Annotated[int | None, typer.Option(min=1, help="Steps after which training stops.")]
Rows = Annotated[int, typer.Option(min=1, help="Crops a step.")]
Frames = Annotated[int, typer.Option(min=10, help="Frames of a crop; one second has 25.")]
Rate = Annotated[float, typer.Option(min=1e-8, help="Learning rate after warm-up.")]
ScheduleSteps = Annotated[
    int, typer.Option(min=100, help="Steps over which the learning rate falls to its lowest.")
]
CheckpointS = Annotated[float, typer.Option(min=1, help="Seconds between checkpoints.")]


def decoder(
    corpus: Corpus,
    codec: Codec,
    run: Run,
    output: Output = Path("demo-bandcodec.safetensors"),
    audio: Audio = False,
    minutes: Minutes = None,
    steps: Steps = None,
    seed: BatchSeed = 0,
    rows: Rows = NEW.rows,
    frames: Frames = NEW.frames,
    rate: Rate = NEW.optimizer.rate,
    schedule_steps: ScheduleSteps = NEW.optimizer.schedule_steps,
    checkpoint_s: CheckpointS = 60.0,
) -> None:
    """Train the decoder of a codec, and write the codec with it.

    Ctrl-C ends the run with a checkpoint, and writes the codec; the same command resumes it.
    """
    if minutes is None and steps is None:
        raise typer.BadParameter("give --minutes or --steps")
    with errors_in_one_line(COMMAND):
        settings = DecoderTraining(
            weights=codec,
            seed=seed,
            rows=rows,
            frames=frames,
            optimizer=replace(NEW.optimizer, rate=rate, schedule_steps=schedule_steps),
            losses=WITH_AUDIO if audio else NEW.losses,
        )
        paths = [piece.path for piece in corpus_pieces(corpus) if piece.split == "train"]
        budget = Budget(steps, minutes, checkpoint_s)
        weights, done = train_decoder(settings, paths, budget, run, ProgressBar())
        save_codec(weights, output, pieces=len(paths), seed=seed, steps=done)
    print(f"{output}: decoder trained for {done} steps")
