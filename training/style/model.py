"""The style towers as functions of their weights, and their loss on a batch."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from soundstage.stages.style_towers.config import TowersConfig
from soundstage.stages.style_towers.loading import towers_maker
from soundstage.stages.style_towers.network import StyleTowers
from soundstage.stages.weights.modules import structure
from soundstage.training.style.loss import CONTRADICTION, contradiction, losses
from soundstage.training.style.spectrograms import augmented
from soundstage.training.style.style_batches import StyleBatch

FIRST_STEEPNESS = 20.0


class StyleWeights(NamedTuple):
    """The weights that training changes.

    Attributes:
        towers: the towers' state, as `nnx.split` gives it.
        log_steepness: float32 scalar, see `loss.losses`.
    """

    towers: nnx.State
    log_steepness: jax.Array


class Model:
    """Towers of given sizes, as functions of their weights.

    Args:
        config: the sizes.
    """

    def __init__(self, config: TowersConfig) -> None:
        self.config = config
        self.graph, _ = structure(towers_maker(config))
        self._text = jax.jit(lambda towers, *ids: self.module(towers).text(*ids))
        self._audio = jax.jit(lambda towers, log_mels: self.module(towers).audio(log_mels))

    def initial(self, seed: int) -> StyleWeights:
        """Makes random weights."""
        make = jax.jit(lambda: nnx.state(StyleTowers(self.config, nnx.Rngs(seed))))
        return StyleWeights(make(), jnp.log(jnp.float32(FIRST_STEEPNESS)))

    def module(self, towers: nnx.State) -> StyleTowers:
        """Returns the towers as a module with weights."""
        return nnx.merge(self.graph, towers)

    def loss(
        self, weights: StyleWeights, batch: StyleBatch
    ) -> tuple[jax.Array, Mapping[str, jax.Array]]:
        """Returns the loss of a batch and its parts; pure, a `training.optimizer.Loss`."""
        module = self.module(weights.towers)
        texts = module.text(jnp.asarray(batch.pieces), jnp.asarray(batch.grams))
        log_mels = augmented(jax.random.key(batch.augmentation), jnp.asarray(batch.log_mels))
        clips = module.audio(log_mels)
        loss = losses(
            texts,
            clips,
            jnp.asarray(batch.distances),
            weights.log_steepness,
            jnp.asarray(batch.steepest),
        )
        pairs = module.text(jnp.asarray(batch.contrast_pieces), jnp.asarray(batch.contrast_grams))
        true, false = jnp.split(pairs, 2)
        against = contradiction(
            true, false, clips, weights.log_steepness, jnp.asarray(batch.steepest)
        )
        parts = {
            "contrast": loss.contrast,
            "excess": loss.contrast - loss.floor,
            "together": loss.together,
            "gap": loss.gap,
            "contradiction": against,
            "steepness": loss.steepness,
        }
        return loss.total + CONTRADICTION * against, parts

    def embed_texts(self, towers: nnx.State, pieces: np.ndarray, grams: np.ndarray) -> np.ndarray:
        """Embeds texts; ids as `stages.style_towers.text` makes them -> float32 [text, rank]."""
        return np.asarray(self._text(towers, jnp.asarray(pieces), jnp.asarray(grams)))

    def embed_clips(self, towers: nnx.State, log_mels: np.ndarray, rows: int = 32) -> np.ndarray:
        """Embeds clips a few rows at a time; float32 [clip, window, band] -> [clip, rank]."""
        vectors = [
            np.asarray(self._audio(towers, _padded(log_mels[first : first + rows], rows)))
            for first in range(0, len(log_mels), rows)
        ]
        return np.concatenate(vectors)[: len(log_mels)]


def _padded(log_mels: np.ndarray, rows: int) -> np.ndarray:
    # All batches have the same shape, so that one program is compiled.
    missing = rows - len(log_mels)
    return np.pad(log_mels, ((0, missing), (0, 0), (0, 0))) if missing else log_mels
