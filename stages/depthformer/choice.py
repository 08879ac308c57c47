"""How one step chooses its token: guidance, temperature, top k, and addressed randomness."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from soundstage.stages.depthformer.layers import matmul
from soundstage.stages.depthformer.model import Depthformer
from soundstage.stages.depthformer.vocabulary import CODEC_OFFSET, MASK

# At this temperature and below the most likely token is taken.
GREEDY = 1e-4
# What a logit outside the top k becomes.
CUT = -1e7
# Bits that the search for the k-th largest logit settles at a time; divides 32.
DIGIT_BITS = 2


class Sampling(NamedTuple):
    """How each row is sampled.

    Attributes:
        temperature: float32 [row], >= 0.
        top_k: int32 [row], >= 0; 0 = no cut.
        guidance: float32 [row], >= 0; 0 = the prompt's logits alone.
        seed: uint32 [row, 2]; the high and the low word.
        chunk: uint32 [row, 2]; the high and the low word.
    """

    temperature: jax.Array
    top_k: jax.Array
    guidance: jax.Array
    seed: jax.Array
    chunk: jax.Array


class Alphabet(Protocol):
    """Which ids a step may choose from."""

    def heads(self, model: Depthformer) -> jax.Array:
        """The head, laid out once a chunk for `logits`."""
        ...

    def choices(self, model: Depthformer) -> int:
        """Among how many a step chooses."""
        ...

    def logits(self, heads: jax.Array, normed: jax.Array, level: jax.Array) -> jax.Array:
        """float32 [B, D] -> float32 [B, choices]."""
        ...

    def ids(self, model: Depthformer, choice: jax.Array, level: jax.Array) -> jax.Array:
        """Choices int32 [row] -> vocabulary ids int32 [row]."""
        ...

    def ends(self, choice: jax.Array) -> jax.Array:
        """Whether a choice, int32 [row], ends its row: bool [row]."""
        ...


@dataclass(frozen=True)
class OwnLevel:
    """Each step chooses among the codes of its own level; a choice is a code."""

    def heads(self, model: Depthformer) -> jax.Array:
        """[L, D, codebook_size]: contiguous, so that a step reads its level's columns only."""
        return model.level_heads()

    def choices(self, model: Depthformer) -> int:
        """The codes of a level."""
        return model.config.codebook_size

    def logits(self, heads: jax.Array, normed: jax.Array, level: jax.Array) -> jax.Array:
        """float32 [B, D] -> float32 [B, codebook_size]."""
        return matmul(normed, jax.lax.dynamic_index_in_dim(heads, level, keepdims=False))

    def ids(self, model: Depthformer, choice: jax.Array, level: jax.Array) -> jax.Array:
        """Codes of a level, int32 [row] -> ids."""
        return CODEC_OFFSET + level * model.config.codebook_size + choice

    def ends(self, choice: jax.Array) -> jax.Array:
        """No code ends a row."""
        return jnp.zeros(choice.shape, bool)


@dataclass(frozen=True)
class WholeVocabulary:
    """Each step chooses among all ids, as the original does; a choice is an id.

    Source: the Depthformer numerics spec, "Decode loop".
    """

    def heads(self, model: Depthformer) -> jax.Array:
        """[D, V]."""
        return model.decoder.logits_dense.kernel[...]

    def choices(self, model: Depthformer) -> int:
        """All ids."""
        return model.config.vocab_size

    def logits(self, heads: jax.Array, normed: jax.Array, level: jax.Array) -> jax.Array:
        """float32 [B, D] -> float32 [B, V]."""
        return matmul(normed, heads)

    def ids(self, model: Depthformer, choice: jax.Array, level: jax.Array) -> jax.Array:
        """Ids are ids."""
        return choice

    def ends(self, choice: jax.Array) -> jax.Array:
        """MASK ends a row: the original takes it for the end of the sequence."""
        return choice == MASK


class Chooser(Protocol):
    """How the steps of a chunk turn logits into choices, and where randomness comes from."""

    def start(self, sampling: Sampling) -> jax.Array:
        """One key a row, for the chunk's first frame."""
        ...

    def noise(
        self, keys: jax.Array, frame: jax.Array, levels: int, choices: int
    ) -> tuple[jax.Array, jax.Array]:
        """Draws what a frame's steps need: all at once, since single steps keep no core busy.

        Args:
            keys: one a row, from `start` or the frame before.
            frame: int32 scalar, index in the chunk.
            levels: steps of the frame.
            choices: among how many each step chooses.

        Returns:
            float32 [level, row, choices], and the keys of the next frame.
        """
        ...

    def choose(self, logits: jax.Array, sampling: Sampling, noise: jax.Array) -> jax.Array:
        """Chooses one token a row.

        Args:
            logits: float32 [row, choices], guided.
            sampling: how each row is sampled.
            noise: this step's part of what `noise` returned.

        Returns:
            Choices int32 [row].
        """
        ...


@dataclass(frozen=True)
class Addressed:
    """Samples with noise that depends on (seed, chunk, frame, level) alone."""

    def start(self, sampling: Sampling) -> jax.Array:
        """Folds both words of the chunk index into the key that the seed's two words are."""

        def row_key(seed: jax.Array, chunk: jax.Array) -> jax.Array:
            key = jax.random.wrap_key_data(seed, impl="threefry2x32")
            return jax.random.fold_in(jax.random.fold_in(key, chunk[0]), chunk[1])

        return jax.vmap(row_key)(sampling.seed, sampling.chunk)

    def noise(
        self, keys: jax.Array, frame: jax.Array, levels: int, choices: int
    ) -> tuple[jax.Array, jax.Array]:
        """Folds frame, then level, into every row's key, which itself stays."""

        def drawn(level: jax.Array, key: jax.Array) -> jax.Array:
            address = jax.random.fold_in(jax.random.fold_in(key, frame), level)
            return jax.random.gumbel(address, (choices,), jnp.float32)

        level_rows = jax.vmap(jax.vmap(drawn, (None, 0)), (0, None))
        return level_rows(jnp.arange(levels), keys), keys

    def choose(self, logits: jax.Array, sampling: Sampling, noise: jax.Array) -> jax.Array:
        """See `sampled`."""
        return sampled(logits, sampling, noise)


@dataclass(frozen=True)
class Greedy:
    """Takes the largest logit whatever the temperature: what the others do at temperature 0."""

    def start(self, sampling: Sampling) -> jax.Array:
        """No randomness: nothing a row."""
        return jnp.zeros((sampling.seed.shape[0], 0), jnp.uint32)

    def noise(
        self, keys: jax.Array, frame: jax.Array, levels: int, choices: int
    ) -> tuple[jax.Array, jax.Array]:
        """None: nothing a step."""
        return jnp.zeros((levels, len(keys), 0), jnp.float32), keys

    def choose(self, logits: jax.Array, sampling: Sampling, noise: jax.Array) -> jax.Array:
        """The first of the largest."""
        return first_largest(logits)


def guided(logits: jax.Array, weight: jax.Array) -> jax.Array:
    """Steers away from the unprompted logits: (1 + w) prompted - w unprompted.

    Args:
        logits: float32 [2 * row, choices]; first all prompted rows, then all unprompted ones.
        weight: float32 [row], >= 0.

    Returns:
        float32 [row, choices].
    """
    prompted, unprompted = jnp.split(logits, 2)
    weight = weight[:, None]
    return (1 + weight) * prompted - weight * unprompted


def keep_top(logits: jax.Array, top_k: jax.Array) -> jax.Array:
    """Cuts all but the k largest logits of each row; all that tie with the k-th stay.

    Args:
        logits: float32 [row, choices].
        top_k: int32 [row]; 0 = no cut.

    Returns:
        float32 [row, choices].
    """
    choices = logits.shape[-1]
    kept = jnp.where(top_k == 0, choices, jnp.minimum(top_k, choices))

    def cut() -> jax.Array:
        return jnp.where(logits >= kth_largest(logits, kept), logits, CUT)

    # The search takes longer than the rest of a step's choice, and mostly nobody asks for a cut.
    return jax.lax.cond(jnp.any(kept < choices), cut, lambda: logits)


def kth_largest(values: jax.Array, k: jax.Array) -> jax.Array:
    """The k-th largest value of each row, found digit by digit of its bits.

    A sort takes ten times as long on a CPU: for a small network, longer than the network.

    Args:
        values: float32 [row, choices], not NaN.
        k: int32 [row], in [1, choices].

    Returns:
        float32 [row, 1].
    """
    sign = jnp.uint32(1 << 31)
    bits = jax.lax.bitcast_convert_type(values, jnp.uint32)
    # Unsigned integers in the order of the floats that they are the bits of.
    ordered = jnp.where(bits >= sign, ~bits, bits | sign)[:, None]  # [row, 1, choices]
    found = jnp.zeros((len(values), 1), jnp.uint32)
    for shift in range(32 - DIGIT_BITS, -1, -DIGIT_BITS):
        digits = jnp.arange(1, 1 << DIGIT_BITS, dtype=jnp.uint32) << shift
        candidates = found | digits[None]  # [row, digit]
        enough = jnp.sum(ordered >= candidates[:, :, None], axis=-1) >= k[:, None]
        digit = jnp.sum(enough, axis=-1, keepdims=True, dtype=jnp.uint32)
        found = found | (digit << shift)
    return jax.lax.bitcast_convert_type(jnp.where(found >= sign, found ^ sign, ~found), jnp.float32)


def sampled(logits: jax.Array, sampling: Sampling, noise: jax.Array) -> jax.Array:
    """Samples each row from the softmax of its logits, or takes the largest one.

    Args:
        logits: float32 [row, choices], guided.
        sampling: the rows' temperature and top k.
        noise: float32 [row, choices], Gumbel.

    Returns:
        int32 [row]; the first choice on ties.
    """
    greedy = (sampling.temperature <= GREEDY)[:, None]
    warm = logits / jnp.where(greedy, 1.0, sampling.temperature[:, None])
    noisy = keep_top(warm, sampling.top_k) + noise
    return first_largest(jnp.where(greedy, logits, noisy))


def first_largest(values: jax.Array) -> jax.Array:
    """The index of the largest of each row, the first on ties: argmax, which XLA's CPU loops over.

    Args:
        values: float32 [row, choices], not NaN.

    Returns:
        int32 [row].
    """
    last = values.shape[-1] - 1
    index = jnp.arange(last + 1, dtype=jnp.int32)
    largest = jnp.max(values, axis=-1, keepdims=True)
    return jnp.min(jnp.where(values == largest, index, last), axis=-1)
