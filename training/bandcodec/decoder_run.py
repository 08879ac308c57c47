"""A run that trains the decoder of a fitted codec; its codes stay as they are."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from soundstage.stages.bandcodec.measures import MEASURES
from soundstage.stages.bandcodec.weights import BandCodecWeights, read_weights
from soundstage.stages.weights.sources import closing_source
from soundstage.training.bandcodec.decoder_loss import (
    DecoderLoss,
    DecoderLossParams,
    DecoderParams,
)
from soundstage.training.crops import Crops
from soundstage.training.loop import Budget, train
from soundstage.training.optimizer import OptimizerParams, make_step, start
from soundstage.training.progress import TrainingProgress
from soundstage.training.run_settings import keep_settings

FILE = "settings.json"
# The lowest random gain of a crop: streams have soft passages that loudness-matched pieces lack.
LEAST_GAIN_DB = -12.0
# Takes the place of a row in the address of a step's other random draws.
DRAWS = 1_000_003


@dataclass(frozen=True)
class DecoderTraining:
    """The settings of a run.

    Attributes:
        weights: the codec, as `stages.weights.sources.open_source` takes it.
        seed: the seed of the crops.
        rows: crops a step.
        frames: frames of a crop.
        optimizer: how the decoder is updated.
        losses: the weights of the losses.
    """

    weights: str
    seed: int = 0
    rows: int = 8
    frames: int = 30
    optimizer: OptimizerParams = field(
        default=OptimizerParams(
            rate=1e-3, warmup_steps=50, schedule_steps=3000, last_rate=0.1, average_decay=0.99
        )
    )
    losses: DecoderLossParams = field(default=DecoderLossParams())


def train_decoder(
    settings: DecoderTraining,
    pieces: list[Path],
    budget: Budget,
    run: Path,
    progress: TrainingProgress,
) -> tuple[BandCodecWeights, int]:
    """Trains until the budget is spent or a signal arrives; resumes the run if there is one.

    Args:
        settings: the settings of the run.
        pieces: audio files.
        budget: when to stop.
        run: the run's folder.
        progress: shows the metrics.

    Returns:
        The codec with its trained decoder, and the number of steps done.

    Raises:
        SettingsError: the run was started with other settings.
        WeightsError: the codec cannot be used.
        TrainingError: the loss is not finite.
        CropError: the audio has another format, or is too short.
        OSError: a file cannot be read or written.
    """
    with closing_source(settings.weights) as source:
        codec = read_weights(MEASURES, source)[0]
    crops = Crops(pieces, settings.frames * MEASURES.frame_samples, settings.seed)
    keep_settings(run / FILE, settings)
    loss = DecoderLoss(MEASURES, codec, settings.losses)
    state, position = train(
        start(DecoderParams(codec.synthesis, codec.network), settings.optimizer),
        make_step(loss, settings.optimizer),
        lambda step: _varied(crops.batch(step, settings.rows), settings.seed, step),
        budget,
        run,
        seed=settings.seed,
        progress=progress,
    )
    best: DecoderParams = state.best
    return codec._replace(synthesis=best.synthesis, network=best.network), position.step


def _varied(audio: np.ndarray, seed: int, step: int) -> np.ndarray:
    """Changes the gain of crops, and swaps the channels of every second one."""
    draw = np.random.default_rng([seed, step, DRAWS])
    gain = 10 ** (draw.uniform(LEAST_GAIN_DB, 0, len(audio)) / 20)
    audio[::2] = audio[::2, :, ::-1]
    return audio * gain[:, None, None].astype(np.float32)
