"""Cuts: which codes a step may choose, by rank (top k) or by probability (top p, min p)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

# Replaces a logit that is cut.
CUT = -1e7
# Bits per step of the search for a threshold; divides 32.
DIGIT_BITS = 2
_SIGN = 1 << 31
# Less than the share of the likeliest choice.
LEAST_SHARE = 1e-9


def keep_top(logits: jax.Array, top_k: jax.Array) -> jax.Array:
    """Cuts all but the k largest logits of each row; logits equal to the k-th stay.

    Args:
        logits: float32 [row, choices].
        top_k: int32 [row]; 0 = no cut.

    Returns:
        float32 [row, choices].
    """
    choices = logits.shape[-1]
    kept = jnp.where(top_k == 0, choices, jnp.minimum(top_k, choices))
    return jax.lax.platform_dependent(
        logits, kept, cpu=keep_top_by_search, default=keep_top_by_rank
    )


def keep_top_by_search(logits: jax.Array, kept: jax.Array) -> jax.Array:
    """Keeps the largest logits, so many as `kept` [row] says; searches the least of them."""

    def cut() -> jax.Array:
        return jnp.where(logits >= kth_largest(logits, kept), logits, CUT)

    # The search takes longer than the rest of a step's choice, and most calls need no cut.
    return jax.lax.cond(jnp.any(kept < logits.shape[-1]), cut, lambda: logits)


def keep_top_by_rank(logits: jax.Array, kept: jax.Array) -> jax.Array:
    """Keeps the logits that `keep_top_by_search` keeps; counts the larger ones of each."""
    larger = _sum_of_larger(logits, jnp.ones_like(logits, jnp.int32))
    return jnp.where(larger < kept[:, None], logits, CUT)


def keep_nucleus(logits: jax.Array, top_p: jax.Array) -> jax.Array:
    """Cuts all but the likeliest choices of each row whose probabilities sum to top p.

    The likeliest choice always stays, and so do choices as likely as the last that stays.

    Args:
        logits: float32 [row, choices].
        top_p: float32 [row], in [0, 1]; 1 = no cut.

    Returns:
        float32 [row, choices].
    """
    return jax.lax.platform_dependent(
        logits, top_p, cpu=keep_nucleus_by_search, default=keep_nucleus_by_rank
    )


def keep_nucleus_by_search(logits: jax.Array, top_p: jax.Array) -> jax.Array:
    """Does what `keep_nucleus` does; searches the least share that stays."""

    def cut() -> jax.Array:
        shares = jax.nn.softmax(logits, axis=-1)
        goal = jnp.maximum(top_p, LEAST_SHARE)[:, None]

        def enough(kept: jax.Array) -> jax.Array:  # [row, digit, choices]
            return jnp.sum(jnp.where(kept, shares[:, None], 0), axis=-1) >= goal

        least = _largest_threshold(shares, enough)
        # Rounding may keep all shares together below the goal: there is no threshold then.
        everything = (top_p >= 1)[:, None] | jnp.isnan(least)
        return jnp.where((shares >= least) | everything, logits, CUT)

    return jax.lax.cond(jnp.any(top_p < 1), cut, lambda: logits)


def keep_nucleus_by_rank(logits: jax.Array, top_p: jax.Array) -> jax.Array:
    """Does what `keep_nucleus` does; sums the larger shares of each."""
    shares = jax.nn.softmax(logits, axis=-1)
    goal = jnp.maximum(top_p, LEAST_SHARE)[:, None]
    kept = (_sum_of_larger(shares, shares) < goal) | (top_p >= 1)[:, None]
    return jnp.where(kept, logits, CUT)


def keep_likely(logits: jax.Array, min_p: jax.Array) -> jax.Array:
    """Cuts the choices of each row that are less than min p times as likely as the likeliest.

    Args:
        logits: float32 [row, choices].
        min_p: float32 [row], in [0, 1]; 0 = no cut.

    Returns:
        float32 [row, choices].
    """
    return jnp.where(logits - _largest(logits) >= jnp.log(min_p)[:, None], logits, CUT)


def kth_largest(values: jax.Array, k: jax.Array) -> jax.Array:
    """Finds the k-th largest value of each row.

    Args:
        values: float32 [row, choices], not NaN.
        k: int32 [row], in [1, choices].

    Returns:
        float32 [row, 1].
    """
    return _largest_threshold(values, lambda kept: jnp.sum(kept, axis=-1) >= k[:, None])


def _largest_threshold(values: jax.Array, enough: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """Finds the largest threshold of each row that keeps enough values, digit by digit.

    A sort takes ten times as long on a CPU, longer than a step of a small network.

    Args:
        values: float32 [row, choices], not NaN.
        enough: whether some of the values are enough, bool [row, digit, choices] -> bool
            [row, digit]; true for more values if it is for fewer.

    Returns:
        float32 [row, 1].
    """
    sign = jnp.uint32(_SIGN)
    bits = jax.lax.bitcast_convert_type(values, jnp.uint32)
    # The floats' bits as unsigned integers that sort in the same order as the floats.
    ordered = jnp.where(bits >= sign, ~bits, bits | sign)[:, None]  # [row, 1, choices]
    largest_bits = jnp.zeros((len(values), 1), jnp.uint32)
    for shift in range(32 - DIGIT_BITS, -1, -DIGIT_BITS):
        digits = jnp.arange(1, 1 << DIGIT_BITS, dtype=jnp.uint32) << shift
        candidates = largest_bits | digits[None]  # [row, digit]
        kept = enough(ordered >= candidates[:, :, None])
        digit = jnp.sum(kept, axis=-1, keepdims=True, dtype=jnp.uint32)
        largest_bits = largest_bits | (digit << shift)
    bits = jnp.where(largest_bits >= sign, largest_bits ^ sign, ~largest_bits)
    return jax.lax.bitcast_convert_type(bits, jnp.float32)


def _sum_of_larger(values: jax.Array, weights: jax.Array) -> jax.Array:
    """Sums, for each value of a row, the weights of those that are larger.

    All pairs are compared. An accelerator does that in one kernel, where the search takes more
    than thirty, and its conditional makes a GPU wait for the host.

    Args:
        values: float32 [row, choices], not NaN.
        weights: [row, choices].

    Returns:
        [row, choices], in the type of the weights.
    """
    larger = values[:, None] > values[:, :, None]  # [row, choice, choice compared with it]
    return jnp.sum(jnp.where(larger, weights[:, None], 0), axis=-1)


def _largest(values: jax.Array) -> jax.Array:
    return jnp.max(values, axis=-1, keepdims=True)
