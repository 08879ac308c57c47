"""The sampler of frames with weights of 8 bits, for CPUs; see `int8_kernels`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from flax import nnx

from soundstage.stages.magenta_rt2.choice import FrameSampling
from soundstage.stages.magenta_rt2.config import RESERVED
from soundstage.stages.magenta_rt2.int8_frames import Int8Arrays, Settings, run_steps
from soundstage.stages.magenta_rt2.int8_kernels import (
    AttentionArrays,
    FeedForwardArrays,
    KeyValueRing,
    Matrix,
)
from soundstage.stages.magenta_rt2.layers import SOFTPLUS_UNIT, AttentionBlock, FeedForward, Kernel
from soundstage.stages.magenta_rt2.model import MagentaRt2
from soundstage.stages.magenta_rt2.sampler import (
    Past,
    first_steps,
    frame_noise,
    frame_words,
    step_embeddings,
    unconditioned,
)

LARGEST = 127


class Int8Sampler:
    """Makes frames as `FrameSampler` does, with weights rounded to 8 bits, an output at a time.

    Activations, keys and values, norms and choices stay float32. The rounding changes codes, as
    bfloat16 does; the noise and the memo's form are the same. One core computes; calls from
    several threads run side by side.

    Args:
        model: the network, on the CPU, in float32.
        frames: new frames a call.
    """

    def __init__(self, model: MagentaRt2, frames: int) -> None:
        self._config, self._frames = model.config, frames
        self._arrays = int8_arrays(model)
        self._unconditioned = np.asarray(unconditioned(model))
        noise = partial(frame_noise, levels=model.config.levels, codes=model.config.codes)
        self._noise = jax.jit(jax.vmap(noise, (None, 0)))

    def rebuild(self, past: Past) -> dict[str, np.ndarray]:
        """Returns the keys and values that earlier frames left, by name."""
        rows, config = len(past.frame), self._config
        heads, width = config.temporal.heads, config.temporal.head
        memo = {
            f"{kind}_{part}": np.zeros((rows, config.temporal.layers, heads, window, width), "f4")
            for kind, window in (("own", config.window_self), ("seen", config.window_cross))
            for part in ("keys", "values")
        }
        silent = np.zeros((rows, self._frames, config.encoder_dim), np.float32)
        start, last = int(first_steps(past).min()), past.context.shape[1] - 1
        shape = (self._frames, config.levels, rows, config.codes)
        still = Settings(*(np.zeros(rows, dtype) for dtype in ("f4", "i8", "f4", "f4")))
        self._run(past, silent, np.zeros(shape, np.float32), still, memo, start, last)
        return memo

    def __call__(
        self,
        past: Past,
        embedding: np.ndarray,
        seed: np.ndarray,
        sampling: FrameSampling,
        memo: Mapping[str, np.ndarray],
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Makes the next frames of every row; see `FrameSampler`. Overwrites the memo."""
        rows, codes = len(seed), self._config.codes
        seeds, numbers = frame_words(past, seed, self._frames)
        noise = _own(self._noise(seeds, numbers), np.float32)
        top_k = np.asarray(sampling.top_k, np.int64)
        settings = Settings(
            _own(sampling.temperature, np.float32),
            np.where(top_k == 0, codes, np.minimum(top_k, codes)),
            _or_constant(sampling.top_p, 1.0, rows),
            _or_constant(sampling.min_p, 0.0, rows),
        )
        memo = {name: np.require(array, requirements=["W", "C"]) for name, array in memo.items()}
        last = past.context.shape[1] - 1
        made = self._run(past, embedding, noise, settings, memo, last, last + self._frames)
        return made, memo

    def _run(
        self,
        past: Past,
        embedding: np.ndarray,
        noise: np.ndarray,
        settings: Settings,
        memo: Mapping[str, np.ndarray],
        start: int,
        end: int,
    ) -> np.ndarray:
        config = self._config
        starts = RESERVED + config.codes * np.arange(config.levels)
        known = np.where(past.context < 0, 0, past.context + starts).swapaxes(0, 1)
        ids = np.concatenate([known, np.zeros((self._frames, *known.shape[1:]), np.int64)])
        ids = np.ascontiguousarray(ids, np.int64)
        embeddings = step_embeddings(past, embedding)
        unknown = ~embeddings.any(axis=2, keepdims=True)
        asked = np.where(unknown, self._unconditioned, embeddings)
        windows = np.array([config.window_self, config.window_cross])
        run_steps(
            self._arrays,
            ids,
            np.ascontiguousarray(asked.swapaxes(0, 1), np.float32),
            np.ascontiguousarray(past.frame % windows[:, None], np.int64),
            first_steps(past).astype(np.int64),
            KeyValueRing(memo["own_keys"], memo["own_values"]),
            KeyValueRing(memo["seen_keys"], memo["seen_values"]),
            settings,
            noise,
            start,
            end,
        )
        return (ids[len(known) :] - starts).swapaxes(0, 1).astype(np.int32)


def _or_constant(values: Any, otherwise: float, rows: int) -> np.ndarray:
    if values is None:
        return np.full(rows, otherwise, np.float32)
    return _own(values, np.float32)


def _own(values: Any, dtype: type) -> np.ndarray:
    """Returns an array that may be written to: Numba compiles for read-only ones apart."""
    return np.array(values, dtype, order="C")


def int8_arrays(model: MagentaRt2) -> Int8Arrays:
    """Rounds the weights of a float32 network on the CPU to 8 bits."""
    config, frames, levels = model.config, model.temporal_body.layers, model.depth_body
    kernel, bias = (np.asarray(part) for part in model.level_heads())
    adapter = [] if levels.depth_input_adapter is None else [levels.depth_input_adapter]
    empty = np.zeros((1, config.temporal.dim, config.depth.dim), np.float32)
    return Int8Arrays(
        _float32(model.decoder_embedding.embedding) * np.float32(math.sqrt(config.temporal.dim)),
        _attention([layer.self_attention for layer in frames]),
        _attention([layer.cross_attention for layer in frames]),
        _ffn([layer.ffn for layer in frames]),
        rounded([_float32(kernel.kernel) for kernel in adapter] or empty[:0]),
        _attention([layer.self_attention for layer in levels.layers]),
        _ffn([layer.ffn for layer in levels.layers]),
        np.stack([_float32(levels.final_ln.scale), _float32(levels.final_ln.bias)]),
        rounded(kernel),
        bias.astype(np.float32),
        np.array([config.logit_cap], np.float32),
    )


def _float32(parameter: nnx.Param) -> np.ndarray:
    return np.asarray(parameter[...], np.float32)


def rounded(kernels: Iterable[np.ndarray]) -> Matrix:
    """Rounds float32 matrices [in, ...] to 8 bits, an output at a time."""
    weights, scales = [], []
    for kernel in kernels:
        flat = kernel.reshape(kernel.shape[0], -1).T
        scale = np.maximum(np.abs(flat).max(axis=1) / LARGEST, np.finfo(np.float32).tiny)
        weights.append(np.ascontiguousarray(np.round(flat / scale[:, None]), np.int8))
        scales.append(scale.astype(np.float32))
    if not weights:
        return Matrix(np.zeros((0, 1, 1), np.int8), np.zeros((0, 1), np.float32))
    return Matrix(np.stack(weights), np.stack(scales))


def _norms(blocks: Sequence[AttentionBlock] | Sequence[FeedForward]) -> np.ndarray:
    pairs = [(block.pre_norm.scale, block.post_norm.scale) for block in blocks]
    return np.stack([np.stack([_float32(scale) for scale in pair]) for pair in pairs])


def _attention(blocks: Sequence[AttentionBlock]) -> AttentionArrays:
    parts = [block.attention for block in blocks]

    def matrix(kernels: Iterable[Kernel]) -> Matrix:
        return rounded(_float32(kernel.kernel) for kernel in kernels)

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
        rounded(out.reshape(len(out), -1).T for out in outs),
        _norms(blocks),
        (np.stack(gains) * SOFTPLUS_UNIT / math.sqrt(width)).astype(np.float32),
        np.stack(sinks),
    )


def _ffn(blocks: Sequence[FeedForward]) -> FeedForwardArrays:
    def biases(kernels: Iterable[Kernel]) -> np.ndarray:
        return np.stack([_float32(k.bias) for k in kernels if k.bias is not None])

    return FeedForwardArrays(
        rounded(_float32(block.ffn_layer1.kernel) for block in blocks),
        biases(block.ffn_layer1 for block in blocks),
        rounded(_float32(block.ffn_layer2.kernel) for block in blocks),
        biases(block.ffn_layer2 for block in blocks),
        _norms(blocks),
    )
