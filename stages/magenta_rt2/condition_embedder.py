"""Embeds the conditionings of frames, those of the past as those of new frames, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import numpy as np
from flax import nnx

from soundstage.stages.magenta_rt2.condition_bytes import ConditionBytes
from soundstage.stages.magenta_rt2.model import MagentaRt2


class ConditionEmbedder:
    """Embeds packed conditionings, each distinct one once.

    Args:
        model: the network; its encoder runs on the device of its weights.
    """

    def __init__(self, model: MagentaRt2) -> None:
        self._width = model.config.encoder_dim
        self.bytes = ConditionBytes(model.config)
        graph, self._state = nnx.split(model.encoder)
        self._device = next(iter(jax.tree.leaves(self._state)[0].devices()))
        self._embed = jax.jit(
            lambda state, numbers: nnx.merge(graph, state)(numbers)[0].astype(np.float32)
        )

    def __call__(self, packed: np.ndarray, known: Mapping[bytes, np.ndarray]) -> np.ndarray:
        """Embeds conditionings.

        Args:
            packed: uint8 [row, frame, bytes]; 0 = unknown.
            known: by their bytes, the embeddings of some conditionings, which are not made again.

        Returns:
            float32 [row, frame, E], 0 = unknown.
        """
        rows, frames, size = packed.shape
        keys = [one.tobytes() for one in packed.reshape(-1, size)]
        embeddings = {bytes(size): np.zeros(self._width, np.float32), **known}
        new = [key for key in dict.fromkeys(keys) if key not in embeddings]
        if new:
            numbers = self.bytes.unpack(np.frombuffer(b"".join(new), np.uint8).reshape(-1, size))
            # One by one: the numbers of several at once differ in their last bits, and with them
            # the states of equal streams.
            given = jax.device_put(list(numbers[:, None]), self._device)
            made = [self._embed(self._state, one) for one in given]
            embeddings |= zip(new, map(np.asarray, made), strict=True)
        return np.stack([embeddings[key] for key in keys]).reshape(rows, frames, self._width)
