"""Magenta RealTime 2's frame model as functions from recorded inputs to the outputs to compare."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from soundstage.stages.magenta_rt2.choice import FrameSampling, choose
from soundstage.stages.magenta_rt2.config import RESERVED, MagentaRt2Config
from soundstage.stages.magenta_rt2.frame import (
    FrameStart,
    Heads,
    code_ids,
    depth_steps,
    frame_input,
    temporal_step,
)
from soundstage.stages.magenta_rt2.loading import load_magenta_rt2
from soundstage.stages.magenta_rt2.model import LayerCache, MagentaRt2
from soundstage.stages.weights.array_source import ArraySource


class RunSettings(NamedTuple):
    """The settings of a recorded run.

    Attributes:
        temperature: [row]; 0 = the largest logit.
        top_k: [row]; 0 = no cut.
        noise: float32 [frame, level, row, codes]; None = none.
        guidance: float32 [2, row]; None = off.
        forced: int32 [frame, row, level], the codes to choose; None = they are chosen.
    """

    temperature: np.ndarray
    top_k: np.ndarray
    noise: np.ndarray | None = None
    guidance: np.ndarray | None = None
    forced: np.ndarray | None = None


@dataclass
class Run:
    """The results of a run, one entry a frame.

    Attributes:
        ids: int32 [row, level].
        logits: float32 [level, rows of the model, codes].
        inputs: float32 [rows of the model, D]; what the layers over frames read.
        outputs: float32 [rows of the model, D].
        normed: [level, rows of the model, d]; the inputs of the head.
        caches: behind each frame, one entry a layer.
    """

    ids: list[np.ndarray] = field(default_factory=list)
    logits: list[np.ndarray] = field(default_factory=list)
    inputs: list[np.ndarray] = field(default_factory=list)
    outputs: list[np.ndarray] = field(default_factory=list)
    normed: list[np.ndarray] = field(default_factory=list)
    caches: list[tuple[LayerCache, ...]] = field(default_factory=list)


class RecordedMagentaRt2:
    """A loaded frame model whose methods take and return NumPy arrays.

    Args:
        config: the sizes.
        source: the weights.

    Raises:
        WeightsError: the weights do not fit the config.
    """

    def __init__(self, config: MagentaRt2Config, source: ArraySource) -> None:
        self.config = config
        self.model = load_magenta_rt2(config, source, None)[0]
        self._graph, self._state = nnx.split(self.model)
        self._heads = Heads(*self.model.level_heads())
        self._step = jax.jit(self._one_step)
        self._encode = jax.jit(lambda state, numbers: self._at(state).encoder(numbers))

    def encode(self, numbers: np.ndarray) -> np.ndarray:
        """Embeds raw conditionings, int32 [..., numbers] -> float32 [..., E]."""
        flat = numbers.reshape(-1, numbers.shape[-1]).astype(np.int32)
        encoded = np.asarray(self._encode(self._state, flat)).astype(np.float32)
        return encoded.reshape(*numbers.shape[:-1], -1)

    def raw_logits(self, normed: np.ndarray) -> np.ndarray:
        """Computes logits of all columns before the soft cap: [..., d] -> float32 [..., ids]."""
        head = self.model.depth_body.to_logits
        flat = head(jnp.asarray(normed.reshape(-1, normed.shape[-1])))
        return np.asarray(flat).astype(np.float32).reshape(*normed.shape[:-1], -1)

    def run(self, numbers: np.ndarray, draw: RunSettings, given: np.ndarray | None = None) -> Run:
        """Runs the model, frame by frame.

        Args:
            numbers: int32 [frame, rows of the model, numbers], raw; a guided run has three times
                as many rows as streams.
            draw: the settings.
            given: int32 [step, row, level], ids that the first steps read instead of what was
                chosen; None = the first step reads zeros.
        """
        config, model_rows = self.config, numbers.shape[1]
        rows = len(draw.temperature)
        embedded = self.encode(numbers).astype(self.model.dtype)
        sampling = _sampling(draw)
        noise, quiet = draw.noise, np.zeros((config.levels, rows, config.codes), np.float32)
        ids = np.zeros((rows, config.levels), np.int32)
        caches, run = self.model.empty_caches(model_rows), Run()
        for frame in range(len(numbers)):
            ids = ids if given is None or frame >= len(given) else given[frame]
            start = self._start(np.tile(ids, (model_rows // rows, 1)), embedded[frame], frame)
            forced = None if draw.forced is None else draw.forced[frame].T.astype(np.int32)
            added = quiet if noise is None else noise[frame]
            x, caches, results = self._step(
                self._state, self._heads, start, caches, sampling, added, forced
            )
            ids = np.asarray(results[0])[:rows]
            for kept, result in zip(
                (run.inputs, run.outputs, run.logits, run.normed), (*x, *results[1:]), strict=True
            ):
                kept.append(np.asarray(result).astype(np.float32))
            run.ids.append(ids)
            run.caches.append(caches)
        return run

    def cache(self, run: Run, frame: int, layer: int, kind: str, part: str) -> np.ndarray:
        """Returns a cache behind a frame as recorded: oldest first, [W, H, K]; empty places zero.

        Args:
            run: of one row.
            frame: behind which.
            layer: index.
            kind: "self" or "cross".
            part: "keys", "values" or "valid", which is bool [W].
        """
        cache = run.caches[frame][layer]
        window = self.config.window_self if kind == "self" else self.config.window_cross
        order = (frame + 1 + np.arange(window)) % window
        valid = np.arange(window) >= window - (frame + 1)
        if part == "valid":
            return valid
        ring = getattr(cache.own if kind == "self" else cache.conditioning, part)
        values = np.asarray(ring).astype(np.float32)[0][:, order].transpose(1, 0, 2)
        return np.where(valid[:, None, None], values, 0)

    def _at(self, state: nnx.State) -> MagentaRt2:
        return nnx.merge(self._graph, state)

    def _start(self, ids: np.ndarray, embedding: np.ndarray, frame: int) -> FrameStart:
        place = np.full(len(ids), frame, np.int32)
        return FrameStart(*jax.device_put((ids, embedding, (place, place), place)))

    def _one_step(
        self,
        state: nnx.State,
        heads: Heads,
        start: FrameStart,
        caches: tuple[LayerCache, ...],
        sampling: FrameSampling,
        noise: jax.Array,
        forced: jax.Array | None,
    ) -> tuple:
        model = self._at(state)
        x, caches = temporal_step(model, start, caches)
        if forced is None:
            levels = depth_steps(model, heads, x, partial(choose, sampling=sampling), noise)
        else:
            levels = depth_steps(model, heads, x, lambda logits, code: code, forced)
        ids = code_ids(model, levels.codes)
        inputs = frame_input(model, start.ids)
        return (inputs, x), caches, (ids, levels.logits, levels.normed)


def _sampling(draw: RunSettings) -> FrameSampling:
    guidance = None if draw.guidance is None else draw.guidance.astype(np.float32)
    numbers = draw.temperature.astype(np.float32), draw.top_k.astype(np.int32)
    temperature, top_k, guidance = jax.device_put((*numbers, guidance))
    return FrameSampling(temperature, top_k, guidance=guidance)


def id_codes(ids: np.ndarray, codes: int) -> np.ndarray:
    """Turns ids, [..., L], into codes."""
    return (ids - RESERVED) % codes
