"""Frames one after another: forced ones of the past, which rebuild the caches, then new ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from soundstage.kernels.programs import shapes_on
from soundstage.stages.attention import KeysValues
from soundstage.stages.depthformer.sampler import words
from soundstage.stages.magenta_rt2.choice import FrameChoice, FrameSampling
from soundstage.stages.magenta_rt2.config import MagentaRt2Config
from soundstage.stages.magenta_rt2.frame import (
    FrameStart,
    Heads,
    code_ids,
    depth_steps,
    temporal_step,
)
from soundstage.stages.magenta_rt2.model import LayerCache, MagentaRt2
from soundstage.stages.magenta_rt2.numbers import MASKED, STRENGTHS, strength_bins
from soundstage.stages.magenta_rt2.steps import BY_MODULES, FrameSteps


class Past(NamedTuple):
    """What earlier frames leave to the next ones, beside their conditionings.

    Attributes:
        context: int32 [row, past, level], the codes of the last frames, -1 = nothing yet.
        frame: int64 [row], frames made so far.
    """

    context: np.ndarray
    frame: np.ndarray


class Rows(NamedTuple):
    """What the compiled program reads, for every row.

    Attributes:
        context: int32 [row, past, level].
        embeddings: float32 [row, past - 1 + frames, E]; of the steps that read the past's frames,
            then of the new ones. Zeros = unknown.
        place: int32 [row] twice; the places in both rings of the step that reads the past's last
            frame.
        first: int32 [row]; the index in the past of the frame that the stream's first step reads.
        seed: uint32 [row, 2], its high and its low word.
        number: uint32 [frames, row, 2]; the numbers of the new frames, high and low words.
    """

    context: jax.Array
    embeddings: jax.Array
    place: tuple[jax.Array, jax.Array]
    first: jax.Array
    seed: jax.Array
    number: jax.Array


class _Carry(NamedTuple):
    ids: jax.Array
    caches: tuple[LayerCache, ...]
    codes: jax.Array


def frame_noise(seed: jax.Array, number: jax.Array, levels: int, codes: int) -> jax.Array:
    """Draws the noise of a frame, which depends on (seed, frame, level) alone.

    Args:
        seed: uint32 [row, 2].
        number: uint32 [row, 2], the frame's.
        levels: number of levels.
        codes: number of codes of a level.

    Returns:
        float32 [level, row, codes], standard Gumbel.
    """

    def drawn(seed: jax.Array, number: jax.Array, level: jax.Array) -> jax.Array:
        key = jax.random.wrap_key_data(seed, impl="threefry2x32")
        for word in (number[0], number[1], level):
            key = jax.random.fold_in(key, word)
        return jax.random.gumbel(key, (codes,), jnp.float32)

    rows = jax.vmap(drawn, (0, 0, None))
    return jax.vmap(rows, (None, None, 0))(seed, number, jnp.arange(levels))


def run_frames(
    model: MagentaRt2,
    heads: Heads,
    unconditioned: jax.Array,
    rows: Rows,
    caches: tuple[LayerCache, ...],
    sampling: FrameSampling,
    start: jax.Array,
    end: jax.Array,
    steps: FrameSteps = BY_MODULES,
) -> tuple[jax.Array, tuple[LayerCache, ...]]:
    """Runs steps: those before the past's last frame are forced, the others choose new frames.

    One loop serves both, so that caches which are rebuilt equal those of the first time, bit for
    bit.

    Args:
        model: the network.
        heads: its head by level.
        unconditioned: [E], the embedding in place of an unknown one.
        rows: of all streams.
        caches: of the frames before `start`.
        sampling: the settings of every row.
        start: int32 scalar, the first step: the index in the past of the frame that it reads.
        end: int32 scalar, one more than the last step.
        steps: how the layers make a step.

    Returns:
        The new codes, int32 [row, frame, level], and the caches with all steps.
    """
    count, past, _ = rows.context.shape
    frames, levels, codes = len(rows.number), model.config.levels, model.config.codes

    def step(index: jax.Array, carry: _Carry) -> _Carry:
        known = jax.lax.dynamic_index_in_dim(
            rows.context, jnp.minimum(index, past - 1), axis=1, keepdims=False
        )
        ids = jnp.where(index < past, code_ids(model, known), carry.ids)
        given = jax.lax.dynamic_index_in_dim(rows.embeddings, index, axis=1, keepdims=False)
        unknown = jnp.all(given == 0, axis=1, keepdims=True)
        embedding = jnp.where(unknown, unconditioned[None], given).astype(model.dtype)
        shift = index - (past - 1)
        begin = FrameStart(
            ids,
            embedding,
            (rows.place[0] + shift, rows.place[1] + shift),
            index - rows.first,
        )
        x, caches = temporal_step(model, begin, carry.caches, steps)

        def new() -> jax.Array:
            number = jax.lax.dynamic_index_in_dim(rows.number, shift, keepdims=False)
            noise = frame_noise(rows.seed, number, levels, codes)
            return depth_steps(model, heads, x, FrameChoice(sampling), noise, steps).codes

        chosen = jax.lax.cond(shift >= 0, new, lambda: jnp.zeros((count, levels), jnp.int32))
        place = (0, jnp.maximum(shift, 0), 0)
        codes_so_far = jax.lax.dynamic_update_slice(carry.codes, chosen[:, None], place)
        return _Carry(code_ids(model, chosen), caches, codes_so_far)

    nothing = jnp.zeros((count, levels), jnp.int32)
    empty = jnp.zeros((count, frames, levels), jnp.int32)
    done = jax.lax.fori_loop(start, end, step, _Carry(nothing, caches, empty))
    return done.codes, done.caches


@partial(jax.jit, static_argnames=("graph", "steps"), donate_argnames="caches")
def _run(
    graph: nnx.GraphDef,
    steps: FrameSteps,
    state: nnx.State,
    heads: Heads,
    unconditioned: jax.Array,
    rows: Rows,
    caches: tuple[LayerCache, ...],
    sampling: FrameSampling,
    start: jax.Array,
    end: jax.Array,
) -> tuple[jax.Array, tuple[LayerCache, ...]]:
    model = nnx.merge(graph, state)
    return run_frames(model, heads, unconditioned, rows, caches, sampling, start, end, steps)


def _steps(config: MagentaRt2Config, device: jax.Device, fused: bool) -> FrameSteps:
    on_gpu = device.platform == "gpu"
    if not fused:
        return FrameSteps(unrolled=on_gpu)
    from soundstage.stages.magenta_rt2.fused_steps import FusedFrameSteps, check_widths  # Pallas

    check_widths(config)
    return FusedFrameSteps(unrolled=on_gpu, interpret=not on_gpu)


def lower_frames(
    model: MagentaRt2, rows: int, frames: int, device: jax.Device, fused: bool = False
) -> jax.stages.Lowered:
    """Traces what `FrameSampler` runs, with top k, to be compiled for an absent device.

    Args:
        model: the shapes of the network's weights, as `abstract_magenta_rt2` returns them.
        rows: number of streams.
        frames: new frames a call.
        device: the device, which need not be there.
        fused: see `FrameSampler`.
    """
    config = model.config
    graph, state = nnx.split(model)
    past = Past(
        np.zeros((rows, config.reach + 1, config.levels), np.int32),
        np.zeros(rows, np.int64),
    )
    embeddings = np.zeros((rows, config.reach + frames, config.encoder_dim), np.float32)
    heads = jax.eval_shape(lambda state: Heads(*nnx.merge(graph, state).level_heads()), state)
    arrays = (
        heads,
        np.zeros(config.encoder_dim, np.float32),
        Rows(*_host_rows(config, past, embeddings, np.zeros(rows, np.int64))),
        jax.eval_shape(lambda: model.empty_caches(rows)),
        FrameSampling(jnp.zeros(rows, jnp.float32), jnp.zeros(rows, jnp.int32)),
        np.int32(0),
        np.int32(0),
    )
    steps = _steps(config, device, fused)
    return _run.lower(graph, steps, state, *shapes_on(device, arrays))


class FrameSampler:
    """`run_frames` compiled, from NumPy to NumPy; compiles once for each number of rows.

    For a given number of rows, a row's codes depend on that row's arguments alone.

    Args:
        model: the network; the sampler runs on the device of its weights.
        frames: new frames a call.
        fused: whether steps are made of few kernels, for GPUs; see `fused_steps`.

    Raises:
        ValueError: fused kernels cannot divide a width of the network.
    """

    def __init__(self, model: MagentaRt2, frames: int, fused: bool = False) -> None:
        self._model, self._frames = model, frames
        graph, self._state = nnx.split(model)
        self._device = next(iter(jax.tree.leaves(self._state)[0].devices()))
        self._heads = Heads(*model.level_heads())
        self._unconditioned = unconditioned(model)
        self._program = partial(_run, graph, _steps(model.config, self._device, fused))

    def rebuild(self, past: Past, embeddings: np.ndarray) -> dict[str, jax.Array]:
        """Returns the caches that earlier frames left, as new arrays by name.

        Args:
            past: what the frames before left.
            embeddings: float32 [row, past - 1, E], the embedded conditionings of the past's frames
                but for the first, zeros = unknown.
        """
        rows = len(past.frame)
        still = np.zeros(rows, np.float32), np.zeros(rows, np.int32)
        steps = step_embeddings(past, embeddings, self._frames, 0)
        given = self._rows(past, steps, np.zeros(rows, np.int64))
        start = int(given.first.min())
        empty = jax.device_put(self._model.empty_caches(rows), self._device)
        last = past.context.shape[1] - 1
        return self._run(
            given, empty, FrameSampling(*jax.device_put(still, self._device)), start, last
        )[1]

    def __call__(
        self,
        past: Past,
        embeddings: np.ndarray,
        seed: np.ndarray,
        sampling: FrameSampling,
        memo: Mapping[str, jax.Array],
    ) -> tuple[np.ndarray, dict[str, jax.Array]]:
        """Makes the next frames of every row.

        Args:
            past: what the frames before left.
            embeddings: float32 [row, frame, E], the embedded conditionings of the new frames.
            seed: int64 [row], >= 0.
            sampling: the settings of every row.
            memo: as `rebuild` or the call before returns it; may be overwritten.

        Returns:
            int32 [row, frame, level], and the caches behind the new frames.
        """
        caches = _from_memo(memo, self._model.config.temporal.layers)
        last = past.context.shape[1] - 1
        given = self._rows(past, step_embeddings(past, embeddings, self._frames, last), seed)
        return self._run(given, caches, sampling, last, last + self._frames)

    def _run(
        self,
        rows: Rows,
        caches: tuple[LayerCache, ...],
        sampling: FrameSampling,
        start: int,
        end: int,
    ) -> tuple[np.ndarray, dict[str, jax.Array]]:
        bounds = jax.device_put((np.int32(start), np.int32(end)), self._device)
        codes, caches = self._program(
            self._state, self._heads, self._unconditioned, rows, caches, sampling, *bounds
        )
        return np.asarray(codes), _to_memo(caches)

    def _rows(self, past: Past, embeddings: np.ndarray, seed: np.ndarray) -> Rows:
        rows = _host_rows(self._model.config, past, embeddings, seed)
        return Rows(*jax.device_put(rows, self._device))


def _host_rows(
    config: MagentaRt2Config, past: Past, embeddings: np.ndarray, seed: np.ndarray
) -> tuple:
    """Returns the values of `Rows` for the next frames, on the host."""
    windows = (config.window_self, config.window_cross)
    frames = embeddings.shape[1] - past.context.shape[1] + 1
    return (
        past.context,
        embeddings,
        tuple((past.frame % window).astype(np.int32) for window in windows),
        first_steps(past),
        *frame_words(past, seed, frames),
    )


def first_steps(past: Past) -> np.ndarray:
    """Returns the index in the past of the frame that each row's first step reads: int32 [row]."""
    known = np.count_nonzero(past.context[:, :, 0] >= 0, axis=1)
    return np.maximum(past.context.shape[1] - 1 - known, 0).astype(np.int32)


def step_embeddings(past: Past, embeddings: np.ndarray, frames: int, first: int) -> np.ndarray:
    """Returns the embedded conditionings of all steps: zeros but for steps from the first on.

    Args:
        past: what the frames before left.
        embeddings: float32 [row, any, E], of the steps that run.
        frames: new frames of a call.
        first: the step of the first of them.

    Returns:
        float32 [row, past - 1 + frames, E].
    """
    rows, count, width = embeddings.shape
    steps = np.zeros((rows, past.context.shape[1] - 1 + frames, width), np.float32)
    steps[:, first : first + count] = embeddings
    return steps


def frame_words(past: Past, seed: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns `Rows.seed` and `Rows.number` of the next frames."""
    numbers = past.frame[None] + np.arange(frames)[:, None]
    return words(seed), words(numbers.reshape(-1)).reshape(*numbers.shape, 2)


def unconditioned(model: MagentaRt2) -> jax.Array:
    """Returns the embedding of a frame for which nothing is asked: float32 [E]."""
    config = model.config
    masked = np.full(config.numbers - len(STRENGTHS), MASKED)
    bins = strength_bins(np.array([STRENGTHS]), config.scale_bins)[0]
    numbers = np.concatenate([masked, bins]).astype(np.int32)[None]
    graph, state = nnx.split(model.encoder)

    def embedded(state: nnx.State) -> jax.Array:
        return nnx.merge(graph, state)(jnp.asarray(numbers))[0].astype(jnp.float32)

    return jax.jit(embedded)(state)  # operation by operation, the compiler would run 40 times


def _to_memo(caches: tuple[LayerCache, ...]) -> dict[str, jax.Array]:
    return {
        f"{layer}_{kind}_{part}": getattr(getattr(cache, kind), part)
        for layer, cache in enumerate(caches)
        for kind, part in _PARTS
    }


def _from_memo(memo: Mapping[str, jax.Array], layers: int) -> tuple[LayerCache, ...]:
    def pair(layer: int, kind: str) -> KeysValues:
        return KeysValues(memo[f"{layer}_{kind}_keys"], memo[f"{layer}_{kind}_values"])

    return tuple(LayerCache(pair(i, "own"), pair(i, "conditioning")) for i in range(layers))


_PARTS = [(kind, part) for kind in ("own", "conditioning") for part in ("keys", "values")]
