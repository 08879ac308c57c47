"""How the decoders make a step while a chunk is sampled."""

from __future__ import annotations

from dataclasses import dataclass

import jax

from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.depthformer.decoder import DepthDecoder, TemporalDecoder
from soundstage.stages.depthformer.layers import KeysValues, empty_cache


@dataclass(frozen=True)
class DecoderSteps:
    """The modules' own steps, as XLA compiles them; subclasses compute the same in other ways."""

    def empty_levels(self, config: DepthformerConfig, rows: int) -> list[KeysValues]:
        """Returns caches for the levels of one frame, one entry a layer of the `DepthDecoder`."""
        return empty_cache(config, rows, config.num_depth_layers, config.num_levels)

    def decode_frame(
        self,
        decoder: TemporalDecoder,
        x: jax.Array,
        caches: list[KeysValues],
        position: jax.Array,
        bias: jax.Array,
        prompt: list[KeysValues],
        prompt_bias: jax.Array,
    ) -> tuple[jax.Array, list[KeysValues]]:
        """Computes one frame; arguments and results are those of `TemporalDecoder`'s call."""
        return decoder(x, caches, position, bias, prompt, prompt_bias)

    def decode_level(
        self,
        decoder: DepthDecoder,
        x: jax.Array,
        caches: list[KeysValues],
        position: jax.Array,
        bias: jax.Array,
    ) -> tuple[jax.Array, list[KeysValues]]:
        """Computes one level; arguments and results are those of `DepthDecoder`'s call."""
        return decoder(x, caches, position, bias)


BY_MODULES = DecoderSteps()
