"""How a step chooses its token: guidance, temperature, cuts, and addressed randomness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

import jax
import jax.numpy as jnp

from soundstage.stages.attention import matmul
from soundstage.stages.depthformer.cuts import keep_likely, keep_nucleus, keep_top
from soundstage.stages.depthformer.vocabulary import CODEC_OFFSET, MASK

if TYPE_CHECKING:
    from soundstage.stages.depthformer.model import Depthformer

# At this temperature and below, the most likely token is chosen.
GREEDY = 1e-4


class Sampling(NamedTuple):
    """The sampling settings of every row.

    Attributes:
        temperature: float32 [row], >= 0.
        top_k: int32 [row], >= 0; 0 = no cut.
        guidance: float32 [row], >= 0; 0 = the prompt's logits alone.
        seed: uint32 [row, 2]; its high and its low word.
        chunk: uint32 [row, 2]; the chunk index, its high and its low word.
        top_p: float32 [row], in [0, 1]; None = no cut, as 1.
        min_p: float32 [row], in [0, 1]; None = no cut, as 0.
        repetition: float32 [row]; None = off, as 0.
    """

    temperature: jax.Array
    top_k: jax.Array
    guidance: jax.Array
    seed: jax.Array
    chunk: jax.Array
    top_p: jax.Array | None = None
    min_p: jax.Array | None = None
    repetition: jax.Array | None = None


class Alphabet(Protocol):
    """The ids that a step may choose from; a choice is an index into them."""

    def heads(self, model: Depthformer) -> jax.Array:
        """Returns the head's weights in the layout of `logits`; called once a chunk."""
        ...

    def choices(self, model: Depthformer) -> int:
        """Returns the number of choices of a step."""
        ...

    def logits(self, heads: jax.Array, normed: jax.Array, level: jax.Array) -> jax.Array:
        """Computes the logits of a step: float32 [B, D] -> float32 [B, choices]."""
        ...

    def ids(self, model: Depthformer, choice: jax.Array, level: jax.Array) -> jax.Array:
        """Returns the vocabulary ids, int32 [row], of choices, int32 [row]."""
        ...

    def ends(self, choice: jax.Array) -> jax.Array:
        """Returns whether each choice, int32 [row], ends its row: bool [row]."""
        ...


@dataclass(frozen=True)
class OwnLevel:
    """The codes of a step's own level; a choice is a code."""

    def heads(self, model: Depthformer) -> jax.Array:
        """Returns [L, D, codebook_size], contiguous, so that a step reads only its own level."""
        return model.level_heads()

    def choices(self, model: Depthformer) -> int:
        """Returns the number of codes of a level."""
        return model.config.codebook_size

    def logits(self, heads: jax.Array, normed: jax.Array, level: jax.Array) -> jax.Array:
        """Computes the logits of a level: float32 [B, D] -> float32 [B, codebook_size]."""
        return matmul(normed, jax.lax.dynamic_index_in_dim(heads, level, keepdims=False))

    def ids(self, model: Depthformer, choice: jax.Array, level: jax.Array) -> jax.Array:
        """Returns the vocabulary ids of codes of a level."""
        return CODEC_OFFSET + level * model.config.codebook_size + choice

    def ends(self, choice: jax.Array) -> jax.Array:
        """Returns False for every row: no code ends a row."""
        return jnp.zeros(choice.shape, bool)


@dataclass(frozen=True)
class WholeVocabulary:
    """All ids, as in the original; a choice is an id.

    Source: the Depthformer numerics spec, "Decode loop".
    """

    def heads(self, model: Depthformer) -> jax.Array:
        """Returns the whole head, [D, V]."""
        return model.decoder.logits_dense.kernel[...]

    def choices(self, model: Depthformer) -> int:
        """Returns the number of ids."""
        return model.config.vocab_size

    def logits(self, heads: jax.Array, normed: jax.Array, level: jax.Array) -> jax.Array:
        """Computes the logits of all ids: float32 [B, D] -> float32 [B, V]."""
        return matmul(normed, heads)

    def ids(self, model: Depthformer, choice: jax.Array, level: jax.Array) -> jax.Array:
        """Returns the choices, which are ids already."""
        return choice

    def ends(self, choice: jax.Array) -> jax.Array:
        """Returns whether a choice is MASK, the original's end of a sequence."""
        return choice == MASK


class Chooser(Protocol):
    """A rule that turns logits into choices, with its source of randomness."""

    def start(self, sampling: Sampling) -> jax.Array:
        """Returns one random key a row, for the chunk's first frame."""
        ...

    def noise(
        self, keys: jax.Array, frame: jax.Array, levels: int, choices: int
    ) -> tuple[jax.Array, jax.Array]:
        """Draws the noise of all steps of a frame at once: single steps keep no core busy.

        Args:
            keys: one a row, from `start` or the frame before.
            frame: int32 scalar, index in the chunk.
            levels: number of steps of the frame.
            choices: number of choices of a step.

        Returns:
            [level, row, ...], such as float32 [level, row, choices], and the keys of the next
            frame.
        """
        ...

    def choose(self, logits: jax.Array, sampling: Sampling, noise: jax.Array) -> jax.Array:
        """Chooses one token a row.

        Args:
            logits: float32 [row, choices], after guidance and the control of repetition.
            sampling: the settings of every row.
            noise: this step's part of the result of `noise`.

        Returns:
            int32 [row], the choices.
        """
        ...


@dataclass(frozen=True)
class Addressed:
    """Sampling with noise that depends on (seed, chunk, frame, level) alone."""

    def start(self, sampling: Sampling) -> jax.Array:
        """Folds both words of the chunk index into the key made of the seed's two words."""

        def row_key(seed: jax.Array, chunk: jax.Array) -> jax.Array:
            key = jax.random.wrap_key_data(seed, impl="threefry2x32")
            return jax.random.fold_in(jax.random.fold_in(key, chunk[0]), chunk[1])

        return jax.vmap(row_key)(sampling.seed, sampling.chunk)

    def noise(
        self, keys: jax.Array, frame: jax.Array, levels: int, choices: int
    ) -> tuple[jax.Array, jax.Array]:
        """Folds frame, then level, into every row's key; the key itself does not change."""

        def drawn(address: jax.Array) -> jax.Array:
            return jax.random.gumbel(address, (choices,), jnp.float32)

        return jax.vmap(jax.vmap(drawn))(_addresses(keys, frame, levels)), keys

    def choose(self, logits: jax.Array, sampling: Sampling, noise: jax.Array) -> jax.Array:
        """Samples from the softmax; see `sampled`."""
        return sampled(logits, sampling, noise)


# Chooses a code: logits float32 [choices], which are `CUT` where a cut leaves a code out, and a
# random key that belongs to seed, chunk, frame and level; returns a whole number, a scalar.
Choose: TypeAlias = Callable[[jax.Array, jax.Array], jax.Array]


@dataclass(frozen=True)
class ByFunction(Addressed):
    """A choice by any function, with keys that depend on (seed, chunk, frame, level) alone.

    The function gets the logits of one row after guidance, repetition, temperature and cuts. At
    temperature 0 the likeliest code is chosen without it.

    Attributes:
        function: traced by JAX, and called for many rows at once.
    """

    function: Choose

    def noise(
        self, keys: jax.Array, frame: jax.Array, levels: int, choices: int
    ) -> tuple[jax.Array, jax.Array]:
        """Returns one key a level and row, and the keys."""
        return _addresses(keys, frame, levels), keys

    def choose(self, logits: jax.Array, sampling: Sampling, noise: jax.Array) -> jax.Array:
        """Calls the function for every row."""
        chosen = jax.vmap(self.function)(cut(logits, sampling), noise).astype(jnp.int32)
        return jnp.where(sampling.temperature <= GREEDY, first_largest(logits), chosen)


@dataclass(frozen=True)
class Greedy:
    """The largest logit at every temperature, as `Addressed` chooses at temperature 0."""

    def start(self, sampling: Sampling) -> jax.Array:
        """Returns empty keys: there is no randomness."""
        return jnp.zeros((sampling.seed.shape[0], 0), jnp.uint32)

    def noise(
        self, keys: jax.Array, frame: jax.Array, levels: int, choices: int
    ) -> tuple[jax.Array, jax.Array]:
        """Returns empty noise, and the keys."""
        return jnp.zeros((levels, len(keys), 0), jnp.float32), keys

    def choose(self, logits: jax.Array, sampling: Sampling, noise: jax.Array) -> jax.Array:
        """Chooses the first of the largest logits."""
        return first_largest(logits)


def guided(logits: jax.Array, weight: jax.Array) -> jax.Array:
    """Applies guidance: (1 + w) prompted - w unprompted.

    Args:
        logits: float32 [2 * row, choices]; first all prompted rows, then all unprompted ones.
        weight: float32 [row], >= 0; the guidance weight w.

    Returns:
        float32 [row, choices].
    """
    prompted, unprompted = jnp.split(logits, 2)
    weight = weight[:, None]
    return (1 + weight) * prompted - weight * unprompted


def sampled(logits: jax.Array, sampling: Sampling, noise: jax.Array) -> jax.Array:
    """Samples each row from the softmax of its logits, or chooses the largest at temperature 0.

    Args:
        logits: float32 [row, choices], after guidance.
        sampling: the rows' temperature and cuts.
        noise: float32 [row, choices], Gumbel.

    Returns:
        int32 [row]; the first choice on ties.
    """
    greedy = (sampling.temperature <= GREEDY)[:, None]
    return first_largest(jnp.where(greedy, logits, cut(logits, sampling) + noise))


def cut(logits: jax.Array, sampling: Sampling) -> jax.Array:
    """Divides logits by the temperature, then cuts by top k, top p and min p, in this order.

    Args:
        logits: float32 [row, choices].
        sampling: the rows' temperature and cuts; at temperature 0, logits are not divided.

    Returns:
        float32 [row, choices], `CUT` in place of those that are cut.
    """
    greedy = (sampling.temperature <= GREEDY)[:, None]
    warm = logits / jnp.where(greedy, 1.0, sampling.temperature[:, None])
    warm = keep_top(warm, sampling.top_k)
    if sampling.top_p is not None:
        warm = keep_nucleus(warm, sampling.top_p)
    return warm if sampling.min_p is None else keep_likely(warm, sampling.min_p)


def first_largest(values: jax.Array) -> jax.Array:
    """Returns the index of the largest value of each row, the first on ties.

    The same as argmax, which XLA compiles to a slow loop on CPUs.

    Args:
        values: float32 [row, choices], not NaN.

    Returns:
        int32 [row].
    """
    last = values.shape[-1] - 1
    index = jnp.arange(last + 1, dtype=jnp.int32)
    largest = jnp.max(values, axis=-1, keepdims=True)
    return jnp.min(jnp.where(values == largest, index, last), axis=-1)


def _addresses(keys: jax.Array, frame: jax.Array, levels: int) -> jax.Array:
    """Folds frame, then level, into every row's key: keys [level, row]."""

    def address(level: jax.Array, key: jax.Array) -> jax.Array:
        return jax.random.fold_in(jax.random.fold_in(key, frame), level)

    return jax.vmap(jax.vmap(address, (None, 0)), (0, None))(jnp.arange(levels), keys)
