"""The choice of a code from logits, and its embedding, as one kernel, for GPUs.

XLA makes four kernels of guidance with temperature, the ranks for top k, the choice, and the
embedding of what was chosen. The kernel of this module has one program a row, and one warp, whose
sums need no barrier. It searches the threshold of a cut, where XLA compares all pairs of logits on
all multiprocessors: one multiprocessor takes longer for the pairs than the launches that are saved.
It is written in Pallas, as those of `kernels.fused`, and compiled by Triton; on a processor it is
interpreted, for tests.

Letters in shapes: B rows that choose; G logits of a row, one more than guidance has weights; R rows
of the next step, at least G * B; C choices, a power of two; L levels; V ids; D width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

# Replaces a logit that is cut.
CUT = -1e7
# At this temperature and below, the most likely code is chosen.
GREEDY = 1e-4
# Less than the share of the likeliest choice.
LEAST_SHARE = 1e-9
# The share of a code is 0 in float32 whose logit is so much less than the largest.
NO_SHARE = 104.0


class ChoiceSettings(NamedTuple):
    """How the rows choose.

    Attributes:
        temperature: float32 [B], >= 0; up to `GREEDY`, the most likely code is chosen.
        top_k: int32 [B], >= 0; 0 = no cut.
        guidance: float32 [B] for each of G - 1 weights.
        top_p: float32 [B], in [0, 1]; None = no cut, as 1.
        min_p: float32 [B], in [0, 1]; None = no cut, as 0.
    """

    temperature: jax.Array
    top_k: jax.Array
    guidance: Sequence[jax.Array]
    top_p: jax.Array | None = None
    min_p: jax.Array | None = None


class CodeEmbedding(NamedTuple):
    """Where the embedding of a code is read, and what is made of it.

    Attributes:
        table: [V, D], the embeddings of all ids.
        first: the id of code 0 of level 0; those of the next levels follow.
        rounded: the type to which an embedding is rounded first.
        dtype: the type of the result.
        rows: R, of the result.
        scale: the number by which it is multiplied once it is rounded.
    """

    table: jax.Array
    first: int
    rounded: jnp.dtype
    dtype: jnp.dtype
    rows: int
    scale: float = 1.0


def can_choose(choices: int) -> bool:
    """Returns whether the kernel can choose among so many codes: a power of two."""
    return choices & (choices - 1) == 0


def choose_and_embed(
    logits: jax.Array,
    noise: jax.Array,
    level: jax.Array,
    settings: ChoiceSettings,
    embedding: CodeEmbedding,
    penalty: jax.Array | None = None,
    *,
    cap: float | None = None,
    interpret: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """Guides logits, divides them by the temperature, cuts, adds noise, and takes the largest.

    Guidance makes `asked + w (asked - other)` of the logits of a row and those of its other rows,
    summed over its weights w.

    Args:
        logits: [at least G * B, C], of any float type; of all rows as asked, then of all rows for
            each weight of guidance.
        noise: float32 [L, B, C], standard Gumbel, of all levels.
        level: int32 [], the level whose noise is added, and whose code is embedded.
        settings: of every row.
        embedding: of the codes.
        penalty: float32 [B, C], subtracted from the guided logits; None = nothing.
        cap: logits are limited to it softly, before guidance; None = they are not.
        interpret: whether the kernel is interpreted, on a processor.

    Returns:
        The codes, int32 [B], the first one on ties, and their embeddings, [R, D]: a row's own for
        each of its G rows. Rows from G * B on hold anything.
    """
    _, rows, choices = noise.shape
    streams, width = len(settings.guidance) + 1, embedding.table.shape[1]
    one, own = pl.BlockSpec((1,), lambda row: (row,)), pl.BlockSpec((1, choices), _row_from(0))
    place = jnp.reshape(level, 1).astype(jnp.int32)
    first, rounded, scale = embedding.first, embedding.rounded, embedding.scale
    return pl.pallas_call(
        partial(_choice_kernel, cap=cap, first=first, rounded=rounded, scale=scale),
        out_shape=[
            jax.ShapeDtypeStruct((rows,), jnp.int32),
            jax.ShapeDtypeStruct((embedding.rows, width), embedding.dtype),
        ],
        grid=(rows,),
        in_specs=[
            pl.BlockSpec((1,), lambda row: (0,)),
            [pl.BlockSpec((1, choices), _row_from(stream * rows)) for stream in range(streams)],
            pl.BlockSpec((len(noise), 1, choices), lambda row: (0, row, 0)),
            jax.tree.map(lambda _: one, settings),
            None if penalty is None else own,
            pl.BlockSpec(embedding.table.shape, lambda row: (0, 0)),
        ],
        out_specs=[one, pl.BlockSpec((embedding.rows, width), lambda row: (0, 0))],
        interpret=interpret,
        compiler_params=triton.CompilerParams(num_warps=1),
        name="choose_and_embed",
    )(place, [logits] * streams, noise, settings, penalty, embedding.table)


def _row_from(first: int) -> Callable[[jax.Array], tuple[Any, int]]:
    return lambda row: (first + row, 0)


def _choice_kernel(
    level_ref: Any,
    logits_refs: list[Any],
    noise_ref: Any,
    settings: ChoiceSettings,
    penalty_ref: Any,
    table_ref: Any,
    codes_ref: Any,
    embedded_ref: Any,
    *,
    cap: float | None,
    first: int,
    rounded: jnp.dtype,
    scale: float,
) -> None:
    asked, *others = (_capped(ref[0].astype(jnp.float32), cap) for ref in logits_refs)
    guided = asked
    for weight_ref, other in zip(settings.guidance, others, strict=True):
        guided = guided + weight_ref[0] * (asked - other)
    if penalty_ref is not None:
        guided = guided - penalty_ref[0]
    temperature = settings.temperature[0]
    greedy = temperature <= GREEDY
    warm = guided / jnp.where(greedy, 1.0, temperature)
    scores = _cut(warm, settings) + noise_ref[level_ref[0], 0]
    code = _first_largest(jnp.where(greedy, guided, scores))
    codes_ref[0] = code
    identity = first + level_ref[0] * len(guided) + code
    width, row = table_ref.shape[1], pl.program_id(0)
    part = width & -width  # the largest power of two that divides the width
    for start in range(0, width, part):
        these = pl.ds(start, part)
        found = table_ref[identity, these].astype(rounded)
        found = (found * jnp.asarray(scale, rounded)).astype(embedded_ref.dtype)
        for stream in range(len(logits_refs)):
            embedded_ref[row + stream * pl.num_programs(0), these] = found


def _capped(logits: jax.Array, cap: float | None) -> jax.Array:
    return logits if cap is None else cap * jnp.tanh(logits / cap)


def _cut(warm: jax.Array, settings: ChoiceSettings) -> jax.Array:
    """Cuts logits by top k, top p and min p, in this order: float32 [C], `CUT` in their place."""
    choices, least, largest = len(warm), jnp.min(warm), jnp.max(warm)
    top_k = settings.top_k[0]
    kept = jnp.where(top_k == 0, choices, jnp.minimum(top_k, choices)).astype(jnp.float32)
    warm = _keep(warm, jnp.ones_like(warm), kept, jnp.where(kept < choices, least, largest))
    if settings.top_p is not None:
        top_p, weights = settings.top_p[0], jnp.exp(warm - largest)
        goal = jnp.maximum(top_p, LEAST_SHARE) * jnp.sum(weights)
        warm = _keep(warm, weights, goal, jnp.where(top_p < 1, largest - NO_SHARE, largest))
    if settings.min_p is not None:
        warm = jnp.where(warm - largest >= jnp.log(settings.min_p[0]), warm, CUT)
    return warm


class _Search(NamedTuple):
    """The interval of a threshold, and the weights that it reaches.

    Attributes:
        low: float32 []; the logits from here on up reach the goal.
        high: float32 []; those from here on up do not.
        reached: float32 [], the weights of the logits from `low` on up.
    """

    low: jax.Array
    high: jax.Array
    reached: jax.Array

    def middle(self) -> jax.Array:
        """Returns the number between both ends, or one of them if no number is between."""
        return self.low + (self.high - self.low) / 2


def _keep(warm: jax.Array, weights: jax.Array, goal: jax.Array, low: jax.Array) -> jax.Array:
    """Keeps the fewest of the largest logits whose weights reach a goal, and those equal to them.

    The search halves an interval of logits, so it takes some ten turns where logits differ as those
    of a network do, and ends as soon as the weights are the goal, as they are for top k.

    Args:
        warm: float32 [C].
        weights: float32 [C], >= 0.
        goal: float32 [].
        low: float32 [], a threshold that is low enough; the largest logit = nothing is cut.

    Returns:
        float32 [C], `CUT` in place of the others.
    """
    largest = jnp.max(warm)

    def unfinished(search: _Search) -> jax.Array:
        middle = search.middle()
        return (search.low < middle) & (middle < search.high) & (search.reached != goal)

    def turn(search: _Search) -> _Search:
        middle = search.middle()
        reached = jnp.sum(jnp.where(warm >= middle, weights, 0.0))
        enough = reached >= goal
        return _Search(
            jnp.where(enough, middle, search.low),
            jnp.where(enough, search.high, middle),
            jnp.where(enough, reached, search.reached),
        )

    # The first middle is the largest logit: one that is far above the others is found at once.
    start = _Search(low, largest + (largest - low), jnp.sum(weights))
    found = jax.lax.while_loop(unfinished, turn, start)
    return jnp.where((warm >= found.low) | (low == largest), warm, CUT)


def _first_largest(values: jax.Array) -> jax.Array:
    index = jnp.arange(len(values), dtype=jnp.int32)
    return jnp.min(jnp.where(values == jnp.max(values), index, len(values) - 1))
