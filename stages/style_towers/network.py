"""The two towers: networks that embed texts and audio.

Letters in shapes: B rows, N subwords and letter groups, T windows, W width, R rank.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.lax import Precision

from soundstage.stages.style.features import MEL_BANDS
from soundstage.stages.style_towers.config import TowersConfig

# Scales log-mel values, which reach 14 at full scale, to about 1.
MEL_SCALE = 0.125
# Added to the scores of unused positions.
HIDDEN = -1e9
SHORTEST = 1e-6


def unit_rows(x: jax.Array) -> jax.Array:
    """Scales vectors, float32 [..., W], to length 1; the zero vector stays zero."""
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), SHORTEST)


class Pool(nnx.Module):
    """Several weighted means over a text or over time; plain means before training."""

    def __init__(self, width: int, heads: int) -> None:
        self.kernel = nnx.Param(jnp.zeros((width, heads)))

    def __call__(self, x: jax.Array, used: jax.Array) -> jax.Array:
        """Computes the means.

        Args:
            x: float32 [B, N, W].
            used: bool [B, N]; other positions have weight 0.

        Returns:
            float32 [B, heads * W].
        """
        scores = jnp.einsum("bnw,wh->bnh", x, self.kernel[...], precision=Precision.HIGHEST)
        weights = jax.nn.softmax(jnp.where(used[..., None], scores, HIDDEN), axis=1)
        means = jnp.einsum("bnh,bnw->bhw", weights, x, precision=Precision.HIGHEST)
        return means.reshape(x.shape[0], -1)


class Head(nnx.Module):
    """The last layers of a tower: from the means to its output."""

    def __init__(self, width: int, config: TowersConfig, rngs: nnx.Rngs) -> None:
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.hidden = nnx.Linear(width, config.hidden, precision=Precision.HIGHEST, rngs=rngs)
        self.out = nnx.Linear(config.hidden, config.rank, precision=Precision.HIGHEST, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """float32 [B, W] -> float32 [B, R], rows of length 1."""
        return unit_rows(self.out(jax.nn.gelu(self.hidden(self.norm(x)))))


class TextTower(nnx.Module):
    """The text network: learned weighted means over subwords and letter groups."""

    def __init__(self, config: TowersConfig, rngs: nnx.Rngs) -> None:
        # Near zero, so that words which training never meets change little.
        quiet = nnx.initializers.normal(0.01)
        width = config.text_width
        self.pieces = nnx.Embed(config.pieces, width, embedding_init=quiet, rngs=rngs)
        self.grams = nnx.Embed(config.buckets, width, embedding_init=quiet, rngs=rngs)
        self.pool = Pool(width, config.heads)
        self.head = Head(config.heads * width, config, rngs)

    def __call__(self, pieces: jax.Array, grams: jax.Array) -> jax.Array:
        """Embeds texts.

        Args:
            pieces: int32 [B, N], subwords; -1 = unused.
            grams: int32 [B, N'], buckets of words and letter groups; -1 = unused.

        Returns:
            float32 [B, R], rows of length 1.
        """
        rows = [
            table(jnp.maximum(ids, 0))
            for table, ids in ((self.pieces, pieces), (self.grams, grams))
        ]
        used = jnp.concatenate([pieces, grams], axis=1) >= 0
        return self.head(self.pool(jnp.concatenate(rows, axis=1), used))


class Block(nnx.Module):
    """A residual block that halves the number of windows."""

    def __init__(self, width: int, rngs: nnx.Rngs) -> None:
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.first = _convolution(width, width, 3, 2, rngs)
        self.second = _convolution(width, width, 3, 1, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, T, W] -> [B, ceil(T / 2), W]."""
        return x[:, ::2] + self.second(jax.nn.gelu(self.first(self.norm(x))))


class AudioTower(nnx.Module):
    """The audio network: convolutions over a log-mel spectrogram, then means over time."""

    def __init__(self, config: TowersConfig, rngs: nnx.Rngs) -> None:
        width = config.audio_width
        self.stem = _convolution(MEL_BANDS, width, 5, 2, rngs)
        self.blocks = nnx.List([Block(width, rngs) for _ in range(config.blocks)])
        self.pool = Pool(width, config.heads)
        self.head = Head(config.heads * width, config, rngs)

    def __call__(self, log_mel: jax.Array) -> jax.Array:
        """float32 [B, T, band] of `ClipFeatures.log_mel` -> float32 [B, R], rows of length 1."""
        x = jax.nn.gelu(self.stem(log_mel * MEL_SCALE))
        for block in self.blocks:
            x = block(x)
        return self.head(self.pool(x, jnp.ones(x.shape[:2], bool)))


class StyleTowers(nnx.Module):
    """Both towers; their outputs are coordinates in the basis."""

    def __init__(self, config: TowersConfig, rngs: nnx.Rngs) -> None:
        self.text = TextTower(config, rngs)
        self.audio = AudioTower(config, rngs)


def _convolution(inner: int, outer: int, taps: int, stride: int, rngs: nnx.Rngs) -> nnx.Conv:
    return nnx.Conv(
        inner,
        outer,
        kernel_size=(taps,),
        strides=(stride,),
        precision=Precision.HIGHEST,
        rngs=rngs,
    )
