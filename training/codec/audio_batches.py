"""Batches of a codec run: crops, numbers of levels and random draws, all by step."""

from typing import NamedTuple

import numpy as np

from soundstage.training.codec.settings import CodecTraining
from soundstage.training.crops import Crops

# The lowest random gain of a crop: streams have soft passages that loudness-matched pieces lack.
LEAST_GAIN_DB = -12.0
# Takes the place of a row in the address of a step's other random draws.
DRAWS = 1_000_003


class AudioBatch(NamedTuple):
    """The crops and the random draws of one step.

    Attributes:
        step: the step's number.
        audio: float32 [row, sample, channel].
        levels: int32 [row], levels that the decoder gets.
        quantized: float32 scalar: 1 = the decoder gets codes, 0 = the unquantized embeddings.
        revive: int32 [level, code], the vector that a dead code moves to.
    """

    step: np.int32
    audio: np.ndarray
    levels: np.ndarray
    quantized: np.float32
    revive: np.ndarray


class Batches:
    """Makes the batch of a step from its number and the run's seed alone.

    Args:
        settings: the settings of the run.
        crops: crops of the corpus, of the length in the settings.
    """

    def __init__(self, settings: CodecTraining, crops: Crops) -> None:
        self._settings, self._crops = settings, crops

    def __call__(self, step: int) -> AudioBatch:
        """Makes one batch.

        Raises:
            OSError: an audio file cannot be read.
        """
        settings, config = self._settings, self._settings.config
        draw = np.random.default_rng([settings.seed, step, DRAWS])
        whole = draw.random(settings.rows) < settings.whole_share
        some = draw.integers(1, config.levels + 1, settings.rows)
        revive = draw.integers(2**31, size=(config.levels, config.codes))
        quantized = settings.books_step is None or step >= settings.books_step
        return AudioBatch(
            step=np.int32(step),
            audio=self._varied(self._crops.batch(step, settings.rows), draw),
            levels=np.where(whole, config.levels, some).astype(np.int32),
            quantized=np.float32(quantized),
            revive=revive.astype(np.int32),
        )

    def _varied(self, audio: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """Augments audio by a random gain, a random sign, and swapped channels in half the rows."""
        rows = len(audio)
        gain = 10 ** (draw.uniform(LEAST_GAIN_DB, 0, rows) / 20) * draw.choice([-1, 1], rows)
        mirrored = np.where(draw.random(rows)[:, None, None] < 0.5, audio[..., ::-1], audio)
        return (mirrored * gain[:, None, None]).astype(np.float32)
