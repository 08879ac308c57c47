"""How a chunk is sampled: the steps of the decoders, and the choice of a level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from soundstage.stages.attention import KeysValues
from soundstage.stages.depthformer.choice import Alphabet, Chooser, Sampling, guided
from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.depthformer.vocabulary import PAD

if TYPE_CHECKING:
    from soundstage.stages.depthformer.decoder import DepthDecoder, TemporalDecoder
    from soundstage.stages.depthformer.model import Depthformer


class LevelInput(NamedTuple):
    """What a level reads beside the level before.

    Attributes:
        level: int32 [].
        bias: [1, H, 1, L], the level's relative bias in the depth decoder.
        noise: [row, ...], the level's part of `LevelChoice.noise`.
        chosen: float32 [row, choices], how often the chunk has chosen each; None = not counted.
    """

    level: jax.Array
    bias: jax.Array
    noise: jax.Array
    chosen: jax.Array | None


@dataclass(frozen=True)
class LevelChoice:
    """How the levels of a frame choose.

    Attributes:
        model: the network.
        alphabet: the ids that a step may choose from.
        heads: the alphabet's head.
        chooser: turns logits into choices.
        sampling: the settings of every row.
        noise: [level, row, ...], of the chooser, of the whole frame.
    """

    model: Depthformer
    alphabet: Alphabet
    heads: jax.Array
    chooser: Chooser
    sampling: Sampling
    noise: jax.Array

    def __call__(
        self, x: jax.Array, ended: jax.Array, given: LevelInput
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Chooses the codes of a level.

        Args:
            x: float32 [2 * row, 1, D], the output of the depth decoder.
            ended: bool [row], whether the row has chosen the end.
            given: of the level.

        Returns:
            The choices, int32 [row]; whether the rows have ended now, bool [row]; and the input of
            the next level, float32 [2 * row, 1, D], the embedding of what was chosen.
        """
        normed = self.model.decoder.decoder_norm(x)[:, 0].astype(jnp.float32)  # [2 * row, D]
        logits = self.alphabet.logits(self.heads, normed, given.level)
        logits = guided(logits, self.sampling.guidance)
        penalty = self.penalty(given)
        if penalty is not None:
            logits = logits - penalty
        choice = self.chooser.choose(logits, self.sampling, given.noise)
        choice = jnp.where(ended, PAD, choice)
        ended = ended | self.alphabet.ends(choice)
        ids = self.alphabet.ids(self.model, choice, given.level)
        embedded = self.model.embed(ids)[:, None]  # [row, 1, D]
        return choice, ended, jnp.concatenate([embedded, embedded])

    def penalty(self, given: LevelInput) -> jax.Array | None:
        """Returns what repetition takes from the guided logits, float32 [row, choices]."""
        if given.chosen is None or self.sampling.repetition is None:
            return None
        return self.sampling.repetition[:, None] * given.chosen


@dataclass(frozen=True)
class DecoderSteps:
    """The modules' own steps, as XLA compiles them; subclasses compute the same in other ways."""

    def empty_levels(self, config: DepthformerConfig, rows: int) -> list[KeysValues]:
        """Returns caches for the levels of one frame, one entry a layer of the `DepthDecoder`."""
        return config.empty_caches(rows, config.num_depth_layers, config.num_levels)

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
        """Computes one frame; arguments and results are those of `TemporalDecoder`'s call.

        Steps may append rows to the result that hold anything, and take them back.
        """
        return decoder(x, caches, position, bias, prompt, prompt_bias)

    def decode_level(
        self,
        decoder: DepthDecoder,
        x: jax.Array,
        caches: list[KeysValues],
        position: jax.Array,
        bias: jax.Array,
    ) -> tuple[jax.Array, list[KeysValues]]:
        """Computes one level; arguments and results are those of `DepthDecoder`'s call.

        Steps may append rows to the result, as those of `decode_frame`.
        """
        return decoder(x, caches, position, bias)

    def choose(
        self, how: LevelChoice, x: jax.Array, ended: jax.Array, given: LevelInput
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Chooses the codes of a level; arguments and results are those of `LevelChoice`'s call.

        Steps may append rows to the result, as those of `decode_frame`.
        """
        return how(x, ended, given)


BY_MODULES = DecoderSteps()
