"""How the stacks of layers make a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeAlias

import jax

from soundstage.stages.attention import KeysValues
from soundstage.stages.magenta_rt2.config import RESERVED
from soundstage.stages.magenta_rt2.model import LayerCache, MagentaRt2

# Chooses the code of a level: (logits float32 [B, codes], this level's part of the noise) ->
# int32 [B].
Choose: TypeAlias = Callable[[jax.Array, jax.Array], jax.Array]


class LevelHead(NamedTuple):
    """What a level reads beside the level before.

    Attributes:
        level: int32 [].
        kernel: [d, codes], the level's columns of the head.
        bias: [codes].
        noise: the level's part of the noise.
    """

    level: jax.Array
    kernel: jax.Array
    bias: jax.Array
    noise: jax.Array


@dataclass(frozen=True)
class FrameSteps:
    """The modules' own steps, as XLA compiles them; subclasses compute the same in other ways.

    Attributes:
        unrolled: whether the levels are compiled one after the other, without a loop, which a GPU
            launches at once.
        constant_levels: whether the levels are unrolled with the level as a constant; then a level
            may append rows to the input of the next that hold anything.
    """

    unrolled: bool = False
    constant_levels: ClassVar[bool] = False

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

    def empty_levels(self, model: MagentaRt2, rows: int) -> list[KeysValues]:
        """Returns the caches of the layers over levels, at the start of a frame."""
        return model.empty_levels(rows)

    def depth(
        self, model: MagentaRt2, x: jax.Array, caches: list[KeysValues], level: jax.Array
    ) -> tuple[jax.Array, list[KeysValues]]:
        """Runs the layers over levels; arguments and results are those of `MagentaRt2.depth`."""
        return model.depth(x, caches, level)

    def choose(
        self, model: MagentaRt2, y: jax.Array, head: LevelHead, choose: Choose, noise: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Chooses the code of a level.

        Args:
            model: the network.
            y: [B, d], the input of the head.
            head: of the level.
            choose: chooses the code.
            noise: [L, ...], of all levels.

        Returns:
            The logits, float32 [B, codes]; the codes, int32 [B]; and the input of the next level,
            [B, D].
        """
        logits = model.level_logits(y, head.kernel, head.bias)
        code = choose(logits, head.noise)
        return logits, code, model.embed(RESERVED + head.level * model.config.codes + code)


BY_MODULES = FrameSteps()
