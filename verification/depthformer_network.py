"""The Depthformer as functions from recorded inputs to the outputs to compare."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from soundstage.stages.depthformer.choice import Greedy, OwnLevel, WholeVocabulary
from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.depthformer.loading import load_depthformer
from soundstage.stages.depthformer.model import Depthformer
from soundstage.stages.depthformer.sampler import ChunkSampler
from soundstage.stages.depthformer.vocabulary import CODEC_OFFSET
from soundstage.stages.weights.array_source import ArraySource
from soundstage.stages.weights.modules import network_of

# Compiled functions of networks that stay in memory: there are four of each network.
KEPT_FUNCTIONS = 16


class Draw(NamedTuple):
    """The sampling settings of a recorded decode.

    Attributes:
        weight: guidance weight.
        temperature: 0 = the largest logit.
        top_k: 0 = no cut.
        seed: seed of the original's threefry key; None = greedy.
    """

    weight: float
    temperature: float
    top_k: int
    seed: int | None


class Explained(NamedTuple):
    """Our logits at the steps of a recorded decode, [frame, level].

    Attributes:
        at: [..., K], guided logits of the requested ids.
        top: [..., K], the K largest guided logits.
        logsumexp: log-sum-exp of the guided logits.
        gap: score of our best choice minus that of the recorded one; 0 where they are the same.
    """

    at: np.ndarray
    top: np.ndarray
    logsumexp: np.ndarray
    gap: np.ndarray


class RecordedDepthformer:
    """A loaded Depthformer whose methods take and return NumPy arrays, [row, ...]."""

    def __init__(self, model: Depthformer) -> None:
        self.model = model
        self.config = model.config
        self.head = np.asarray(model.decoder.logits_dense.kernel[...])  # [width, vocabulary]
        graph, self._state = nnx.split(model)
        self._encode = _compiled(graph, Depthformer.encode)
        self._forced = _compiled(graph, _forced)
        self._logsumexp = _compiled(graph, Depthformer.logsumexp)
        self._own = _compiled(graph, Depthformer.own_level_logits)

    @classmethod
    def load(cls, config: DepthformerConfig, source: ArraySource) -> "RecordedDepthformer":
        """Loads a network from a source of arrays."""
        return cls(load_depthformer(config, source, None)[0].module)

    def encode(self, tokens: np.ndarray) -> np.ndarray:
        """Encodes prompts: int [row, S] -> float32 [row, S, width]."""
        self._check_tokens("encoder tokens", tokens)
        return np.asarray(self._encode(self._state, jnp.asarray(tokens, jnp.int32)), np.float32)

    def forced(
        self, prompts: np.ndarray, targets: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Runs teacher forcing.

        Args:
            prompts: int [row, S].
            targets: int [row, step], whole frames.

        Returns:
            Outputs of the temporal decoder, [row, frame, width], of the depth decoder, and of the
            last norm, both [row, frame, level, width].

        Raises:
            ValueError: the tokens are not whole frames, are out of range, or the rows differ.
        """
        self._check_tokens("encoder tokens", prompts)
        self._check_tokens("decoder tokens", targets)
        if len(prompts) != len(targets):
            raise ValueError(
                f"{len(targets)} rows of decoder tokens, but {len(prompts)} of prompts"
            )
        if not targets.shape[1] or targets.shape[1] % self.config.num_levels:
            raise ValueError(
                f"{targets.shape[1]} tokens are not whole frames of {self.config.num_levels} levels"
            )
        framed = targets.reshape(len(targets), -1, self.config.num_levels)
        tokens = jnp.asarray(prompts, jnp.int32), jnp.asarray(framed, jnp.int32)
        temporal, depth, normed = self._forced(self._state, *tokens)
        return np.asarray(temporal), np.asarray(depth), np.asarray(normed)

    def logsumexp(self, normed: np.ndarray) -> np.ndarray:
        """Computes log-sum-exp: [row, frame, level, width] -> [row, frame, level]."""
        return np.asarray(self._logsumexp(self._state, jnp.asarray(normed)))

    def own_level_logits(self, normed: np.ndarray) -> np.ndarray:
        """Computes own logits: [row, frame, level, width] -> [row, frame, level, code]."""
        return np.asarray(self._own(self._state, jnp.asarray(normed)))

    def rounded_otherwise(self, source: ArraySource) -> "RecordedDepthformer":
        """Returns the same network with other rounding errors of the usual size.

        In float32 every weight changes by up to one unit in its last place. Measured against
        float64 on networks of three sizes, results then change as much as float32 is wrong. In
        bfloat16 the other network has float32 activations.
        """
        if self.config.activation_dtype != "float32":
            return RecordedDepthformer.load(
                replace(self.config, activation_dtype="float32"), source
            )
        random = np.random.default_rng(0)

        def moved(weights: jax.Array) -> jax.Array:
            factor = 1 + 2.0**-23 * random.uniform(-1, 1, weights.shape)
            return weights * jnp.asarray(factor, jnp.float32)

        twin = copy(self)
        twin._state = jax.tree.map(moved, self._state)
        return twin

    def greedy(
        self, prompts: np.ndarray, others: np.ndarray, weights: np.ndarray, frames: int, own: bool
    ) -> np.ndarray:
        """Decodes greedily with the chunk sampler.

        Args:
            prompts: int [row, S].
            others: int [row, S]; the prompts that guidance steers away from.
            weights: float [row], guidance.
            frames: length.
            own: whether each step is restricted to its own level's codes.

        Returns:
            int [row, step], vocabulary ids.
        """
        self._check_tokens("encoder tokens", prompts)
        alphabet = OwnLevel() if own else WholeVocabulary()
        zeros = np.zeros(len(prompts), np.int64)
        decode = ChunkSampler(network_of(self.model, self.config), frames, alphabet, Greedy())
        tokens = decode(prompts, others, zeros, zeros, weights, zeros, zeros)
        if own:
            tokens = tokens + CODEC_OFFSET + self.config.codebook_size * np.arange(tokens.shape[-1])
        return tokens.reshape(len(tokens), -1)

    def explain(
        self,
        prompted: np.ndarray,
        unprompted: np.ndarray,
        tokens: np.ndarray,
        ids: np.ndarray,
        draw: Draw,
        row: int,
        head: np.ndarray,
    ) -> Explained:
        """Recomputes each choice of a decode from the recorded choices before it.

        Args:
            prompted: float32 [frame, level, width], teacher-forced on `tokens`.
            unprompted: the same without the style.
            tokens: int [frame, level].
            ids: int [frame, level, K]; requests their logits.
            draw: the decode's sampling settings.
            row: row of the original's noise that the decode used.
            head: float32 [width, vocabulary].
        """
        steps = tokens.size
        keys = _original_keys(draw.seed or 0, steps).reshape(*tokens.shape, -1)
        arrays = (prompted, unprompted, tokens.astype(np.int32), ids.astype(np.int32), keys)
        explained = _explain(*map(jnp.asarray, arrays), jnp.asarray(head), draw, row)
        return Explained(*map(np.asarray, explained))

    def _check_tokens(self, name: str, tokens: np.ndarray) -> None:
        if tokens.ndim != 2 or tokens.dtype.kind not in "iu":
            raise ValueError(f"{name} must be integers [row, token], got {tokens.shape}")
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < self.config.vocab_size:
            raise ValueError(f"{name} must be in [0, {self.config.vocab_size})")


@lru_cache(maxsize=KEPT_FUNCTIONS)
def _compiled(graph: nnx.GraphDef, function: Callable) -> Callable:
    """Compiles `function(model, ...)` as a function of the model's state.

    Networks of equal structure share what is compiled: a recording is checked with several.
    """
    return jax.jit(lambda state, *arrays: function(nnx.merge(graph, state), *arrays))


def _forced(model: Depthformer, prompts: jax.Array, targets: jax.Array) -> tuple[jax.Array, ...]:
    forced = model.forced(model.encode(prompts), prompts, targets)
    return tuple(array.astype(jnp.float32) for array in forced)


def _original_keys(seed: int, steps: int) -> np.ndarray:
    """Returns the key of every step.

    Source: the Depthformer numerics spec, "Random numbers".
    """
    return np.asarray(_used_keys(np.array([0, seed], np.uint32), steps))


@partial(jax.jit, static_argnames="steps")
def _used_keys(first: jax.Array, steps: int) -> jax.Array:
    def step(key: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        use, following = jax.random.split(key)
        return following, use

    _, used = jax.lax.scan(
        step, jax.random.wrap_key_data(first, impl="threefry2x32"), None, length=steps
    )
    return jax.random.key_data(used)


@partial(jax.jit, static_argnames=("draw", "row"))
def _explain(
    prompted: jax.Array,
    unprompted: jax.Array,
    tokens: jax.Array,
    ids: jax.Array,
    keys: jax.Array,
    head: jax.Array,
    draw: Draw,
    row: int,
) -> tuple[jax.Array, ...]:
    def frame(steps: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        with_style, without, chosen, requested, key = steps
        logits = _matmul(with_style, head)
        if draw.weight:
            logits = (1 + draw.weight) * logits - draw.weight * _matmul(without, head)
        scores = _scores(logits, key, draw, row)
        chosen_score = jnp.take_along_axis(scores, chosen[:, None], axis=-1)[:, 0]
        return (
            jnp.take_along_axis(logits, requested, axis=-1),
            jax.lax.top_k(logits, requested.shape[-1])[0],
            jax.nn.logsumexp(logits, axis=-1),
            scores.max(axis=-1) - chosen_score,
        )

    return jax.lax.map(frame, (prompted, unprompted, tokens, ids, keys))


def _scores(logits: jax.Array, keys: jax.Array, draw: Draw, row: int) -> jax.Array:
    """Returns the scores, [level, vocabulary], of which the largest is chosen."""
    if draw.seed is None:
        return logits
    warm = logits / draw.temperature
    if draw.top_k:
        # Without the barrier XLA takes the last of the largest for a reason to sort all of them.
        largest, _ = jax.lax.optimization_barrier(jax.lax.top_k(warm, draw.top_k))
        least = largest[:, -1:]
        warm = jnp.where(warm >= least, warm, -1e7)

    def noise(key: jax.Array) -> jax.Array:
        key = jax.random.wrap_key_data(key, impl="threefry2x32")
        return jax.random.gumbel(key, (2, logits.shape[-1]), jnp.float32)[row]

    return warm + jax.vmap(noise)(keys)


def _matmul(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jnp.matmul(x, kernel, precision=jax.lax.Precision.HIGHEST)
