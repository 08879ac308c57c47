"""The sampler of frames with packed weights, for CPUs; see `packed_layers`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import jax
import numpy as np
from flax import nnx

from soundstage.kernels.choice import Settings, settings
from soundstage.kernels.products import Matrix, Pack, WeightType, packed
from soundstage.kernels.team import Team
from soundstage.stages.magenta_rt2.choice import FrameSampling
from soundstage.stages.magenta_rt2.config import RESERVED, StackConfig
from soundstage.stages.magenta_rt2.layers import SOFTPLUS_UNIT, AttentionBlock, FeedForward, Kernel
from soundstage.stages.magenta_rt2.model import MagentaRt2
from soundstage.stages.magenta_rt2.packed_frames import FrameArrays, run_steps
from soundstage.stages.magenta_rt2.packed_layers import (
    AttentionArrays,
    FeedForwardArrays,
    KeyValueRing,
    SharedArrays,
)
from soundstage.stages.magenta_rt2.sampler import (
    Past,
    first_steps,
    frame_noise,
    frame_words,
    unconditioned,
)
from soundstage.stages.row_groups import live_threads


class PackedFrameSampler:
    """Makes frames as `FrameSampler` does, with packed weights.

    Activations, keys and values, norms and choices are float32; the noise is the same. Rounding
    weights to 8 bits or to bfloat16 changes codes. The codes do not depend on the number of
    threads. Safe to call from several threads; calls run one after another.

    Args:
        model: the network, on the CPU, in float32.
        frames: new frames a call.
        dtype: in which numbers matrices are packed.
        threads: of the team; None = as many as `live_threads` returns.
    """

    def __init__(
        self, model: MagentaRt2, frames: int, dtype: WeightType, threads: int | None = None
    ) -> None:
        self._team = Team(threads or live_threads())
        self._config, self._frames = model.config, frames
        self._arrays = frame_arrays(model, dtype)
        self._unconditioned = np.asarray(unconditioned(model))
        noise = partial(frame_noise, levels=model.config.levels, codes=model.config.codes)
        self._noise = jax.jit(jax.vmap(noise, (None, 0)))

    def rebuild(self, past: Past, embeddings: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the keys and values that earlier frames left, by name; see `FrameSampler`."""
        rows, config = len(past.frame), self._config
        heads, width = config.temporal.heads, config.temporal.head
        memo = {
            f"{kind}_{part}": np.zeros((rows, config.temporal.layers, heads, window, width), "f4")
            for kind, window in (("own", config.window_self), ("seen", config.window_cross))
            for part in ("keys", "values")
        }
        start, last = int(first_steps(past).min()), past.context.shape[1] - 1
        shape = (self._frames, config.levels, rows, config.codes)
        still = Settings(*(np.zeros(rows, dtype) for dtype in ("f4", "i8", "f4", "f4")))
        self._run(
            past, embeddings[:, start:], np.zeros(shape, np.float32), still, memo, start, last
        )
        return memo

    def __call__(
        self,
        past: Past,
        embeddings: np.ndarray,
        seed: np.ndarray,
        sampling: FrameSampling,
        memo: Mapping[str, np.ndarray],
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Makes the next frames of every row; see `FrameSampler`. Overwrites the memo."""
        seeds, numbers = frame_words(past, seed, self._frames)
        noise = np.array(self._noise(seeds, numbers), np.float32)
        cuts = (
            None if part is None else np.asarray(part) for part in (sampling.top_p, sampling.min_p)
        )
        temperature, top_k = np.asarray(sampling.temperature), np.asarray(sampling.top_k)
        choosing = settings(self._config.codes, temperature, top_k, *cuts)
        memo = {name: np.require(array, requirements=["W", "C"]) for name, array in memo.items()}
        last = past.context.shape[1] - 1
        made = self._run(past, embeddings, noise, choosing, memo, last, last + self._frames)
        return made, memo

    def _run(
        self,
        past: Past,
        embeddings: np.ndarray,
        noise: np.ndarray,
        choosing: Settings,
        memo: Mapping[str, np.ndarray],
        start: int,
        end: int,
    ) -> np.ndarray:
        config = self._config
        starts = RESERVED + config.codes * np.arange(config.levels)
        known = np.where(past.context < 0, 0, past.context + starts).swapaxes(0, 1)
        ids = np.concatenate([known, np.zeros((self._frames, *known.shape[1:]), np.int64)])
        ids = np.ascontiguousarray(ids, np.int64)
        unknown = ~embeddings.any(axis=2, keepdims=True)
        given = np.where(unknown, self._unconditioned, embeddings).swapaxes(0, 1)
        windows = np.array([config.window_self, config.window_cross])
        arguments = (
            self._shared(len(past.frame)),
            self._arrays,
            ids,
            np.ascontiguousarray(given, np.float32),
            np.ascontiguousarray(past.frame % windows[:, None], np.int64),
            first_steps(past).astype(np.int64),
            KeyValueRing(memo["own_keys"], memo["own_values"]),
            KeyValueRing(memo["seen_keys"], memo["seen_values"]),
            choosing,
            noise,
            start,
            end,
        )
        self._team(lambda member: run_steps(member, *arguments))
        return (ids[len(known) :] - starts).swapaxes(0, 1).astype(np.int32)

    def _shared(self, rows: int) -> tuple[SharedArrays, SharedArrays]:
        """Returns what the team writes, for the layers over frames and those over levels."""
        config = self._config
        return _shared(config.temporal, rows, 0), _shared(config.depth, rows, config.codes)


def _shared(stack: StackConfig, rows: int, codes: int) -> SharedArrays:
    query, key, value = np.empty((3, rows, stack.heads * stack.head), np.float32)
    inner, out = (np.empty((rows, width), np.float32) for width in (stack.ffn, stack.dim))
    return SharedArrays(query, key, value, inner, out, np.empty((rows, codes), np.float32))


def frame_arrays(model: MagentaRt2, dtype: WeightType) -> FrameArrays:
    """Packs the weights of a float32 network on the CPU."""
    config, frames, levels = model.config, model.temporal_body.layers, model.depth_body
    pack = partial(packed, dtype=dtype)
    kernel, bias = (np.asarray(part) for part in model.level_heads())
    adapter = np.zeros((1, 1), np.float32)
    if levels.depth_input_adapter is not None:
        adapter = _float32(levels.depth_input_adapter.kernel)
    return FrameArrays(
        _float32(model.decoder_embedding.embedding) * np.float32(math.sqrt(config.temporal.dim)),
        _attention([layer.self_attention for layer in frames], pack),
        _attention([layer.cross_attention for layer in frames], pack),
        _ffn([layer.ffn for layer in frames], pack),
        pack([adapter]),
        _attention([layer.self_attention for layer in levels.layers], pack),
        _ffn([layer.ffn for layer in levels.layers], pack),
        np.stack([_float32(levels.final_ln.scale), _float32(levels.final_ln.bias)]),
        pack(kernel),
        bias.astype(np.float32),
        np.array([config.logit_cap], np.float32),
    )


def _float32(parameter: nnx.Param) -> np.ndarray:
    return np.asarray(parameter[...], np.float32)


def _norms(blocks: Sequence[AttentionBlock] | Sequence[FeedForward]) -> np.ndarray:
    pairs = [(block.pre_norm.scale, block.post_norm.scale) for block in blocks]
    return np.stack([np.stack([_float32(scale) for scale in pair]) for pair in pairs])


def _attention(blocks: Sequence[AttentionBlock], pack: Pack) -> AttentionArrays:
    parts = [block.attention for block in blocks]

    def matrix(kernels: Iterable[Kernel]) -> Matrix:
        return pack(_float32(kernel.kernel) for kernel in kernels)

    # [D, H, K] -> [H * K, D]: the sum runs over heads and their widths.
    outs = [_float32(block.output_projection.kernel) for block in blocks]
    gains = [np.logaddexp(0, _float32(part.per_dim_scale)) for part in parts]
    heads, width = outs[0].shape[1:]
    sinks = [
        np.stack([_float32(part.sink_key_embeddings), _float32(part.sink_value_embeddings)])
        if part.sinks
        else np.zeros((2, 0, heads, width), np.float32)
        for part in parts
    ]
    return AttentionArrays(
        matrix(part.query_projection for part in parts),
        matrix(part.key_projection for part in parts),
        matrix(part.value_projection for part in parts),
        pack(out.reshape(len(out), -1).T for out in outs),
        _norms(blocks),
        (np.stack(gains) * SOFTPLUS_UNIT / math.sqrt(width)).astype(np.float32),
        np.stack(sinks),
    )


def _ffn(blocks: Sequence[FeedForward], pack: Pack) -> FeedForwardArrays:
    def biases(kernels: Iterable[Kernel]) -> np.ndarray:
        return np.stack([_float32(k.bias) for k in kernels if k.bias is not None])

    return FeedForwardArrays(
        pack(_float32(block.ffn_layer1.kernel) for block in blocks),
        biases(block.ffn_layer1 for block in blocks),
        pack(_float32(block.ffn_layer2.kernel) for block in blocks),
        biases(block.ffn_layer2 for block in blocks),
        _norms(blocks),
    )
