"""How the stacks of layers make a step."""

from __future__ import annotations

from dataclasses import dataclass

import jax

from soundstage.stages.depthformer.layers import KeysValues
from soundstage.stages.magenta_rt2.model import LayerCache, MagentaRt2


@dataclass(frozen=True)
class FrameSteps:
    """The modules' own steps, as XLA compiles them; subclasses compute the same in other ways.

    Attributes:
        unrolled: whether the levels are compiled one after the other, without a loop, which a GPU
            launches at once.
    """

    unrolled: bool = False

    def temporal(
        self,
        model: MagentaRt2,
        x: jax.Array,
        embedding: jax.Array,
        caches: tuple[LayerCache, ...],
        places: tuple[jax.Array, jax.Array],
        earlier: jax.Array,
    ) -> tuple[jax.Array, tuple[LayerCache, ...]]:
        """Runs the layers over frames; arguments and results are those of `MagentaRt2.temporal`."""
        return model.temporal(x, embedding, caches, places, earlier)

    def depth(
        self, model: MagentaRt2, x: jax.Array, caches: list[KeysValues], level: jax.Array
    ) -> tuple[jax.Array, list[KeysValues]]:
        """Runs the layers over levels; arguments and results are those of `MagentaRt2.depth`."""
        return model.depth(x, caches, level)


BY_MODULES = FrameSteps()
