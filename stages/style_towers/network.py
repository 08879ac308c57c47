"""The two towers.

Letters in shapes: B rows, N subwords and letter groups, T windows, W width, R rank.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.lax import Precision

from soundstage.stages.style.features import MEL_BANDS
from soundstage.stages.style_towers.config import TowersConfig

# Brings log-mel numbers, which reach 14 at full scale, near 1.
MEL_SCALE = 0.125
# Added to the scores of places that hold nothing.
HIDDEN = -1e9
SHORTEST = 1e-6


def unit_rows(x: jax.Array) -> jax.Array:
    """Vectors at length 1; float32 [..., W]. The zero vector stays zero."""
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), SHORTEST)


class Pool(nnx.Module):
    """Several weighted means over a text or over time; it starts with plain means."""

    def __init__(self, width: int, heads: int) -> None:
        self.kernel = nnx.Param(jnp.zeros((width, heads)))

    def __call__(self, x: jax.Array, there: jax.Array) -> jax.Array:
        """Takes the means.

        Args:
            x: float32 [B, N, W].
            there: bool [B, N]; places that are not count for nothing.

        Returns:
            float32 [B, heads * W].
        """
        scores = jnp.einsum("bnw,wh->bnh", x, self.kernel[...], precision=Precision.HIGHEST)
        weights = jax.nn.softmax(jnp.where(there[..., None], scores, HIDDEN), axis=1)
        means = jnp.einsum("bnh,bnw->bhw", weights, x, precision=Precision.HIGHEST)
        return means.reshape(x.shape[0], -1)


class Head(nnx.Module):
    """From the means to the few numbers that a tower ends in."""

    def __init__(self, width: int, config: TowersConfig, rngs: nnx.Rngs) -> None:
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.hidden = nnx.Linear(width, config.hidden, precision=Precision.HIGHEST, rngs=rngs)
        self.out = nnx.Linear(config.hidden, config.rank, precision=Precision.HIGHEST, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """float32 [B, W] -> float32 [B, R], rows of length 1."""
        return unit_rows(self.out(jax.nn.gelu(self.hidden(self.norm(x)))))


class TextTower(nnx.Module):
    """A bag of subwords and letter groups, of which the telling ones weigh more."""

    def __init__(self, config: TowersConfig, rngs: nnx.Rngs) -> None:
        # Rows that training never meets stay nothing, so that an unseen word says nothing.
        quiet = nnx.initializers.normal(0.01)
        width = config.text_width
        self.pieces = nnx.Embed(config.pieces, width, embedding_init=quiet, rngs=rngs)
        self.grams = nnx.Embed(config.buckets, width, embedding_init=quiet, rngs=rngs)
        self.pool = Pool(width, config.heads)
        self.head = Head(config.heads * width, config, rngs)

    def __call__(self, pieces: jax.Array, grams: jax.Array) -> jax.Array:
        """Embeds texts.

        Args:
            pieces: int32 [B, N], subwords, -1 = none.
            grams: int32 [B, N'], buckets of words and letter groups, -1 = none.

        Returns:
            float32 [B, R], rows of length 1.
        """
        rows = [
            table(jnp.maximum(ids, 0))
            for table, ids in ((self.pieces, pieces), (self.grams, grams))
        ]
        there = jnp.concatenate([pieces, grams], axis=1) >= 0
        return self.head(self.pool(jnp.concatenate(rows, axis=1), there))


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
    """Convolutions over the windows of a log-mel spectrogram, then means over time."""

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
    """Both towers; what they give is in the basis' coordinates."""

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
