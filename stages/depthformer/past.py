"""Reading of prompts before a chunk is sampled: by the encoder, and by the temporal decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from soundstage.stages.attention import KeysValues, hide_padding
from soundstage.stages.depthformer.conditions import Conditions
from soundstage.stages.depthformer.vocabulary import PAD

if TYPE_CHECKING:
    from soundstage.stages.depthformer.model import Depthformer


class ReadPrompts(NamedTuple):
    """What the temporal decoder knows before the first frame of a chunk.

    Attributes:
        x: float32 [B, 1, D]; the mean embedding of the frame before the chunk.
        caches: keys and values of the past, with space for the chunk, one entry a layer.
        prompt: keys and values of the encoder's output, one entry a layer.
        prompt_bias: [B, 1, 1, S], hides padding.
        frame_bias: [1 or B, H, T, past + T], relative bias of the chunk's frames.
        conditions: float32 [B, T, D], added to the input of the chunk's frames; None = nothing.
    """

    x: jax.Array
    caches: list[KeysValues]
    prompt: list[KeysValues]
    prompt_bias: jax.Array
    frame_bias: jax.Array
    conditions: jax.Array | None


class Unread(NamedTuple):
    """What there is before the layers read prompts.

    Attributes:
        tokens: int32 [B, S], what the encoder reads.
        prompt_bias: [B, 1, 1, S], hides padding.
        inputs: float32 [B, past + 1, D], the temporal decoder's inputs without conditions, up to
            the chunk's first frame; [B, 1, D] for a network whose encoder reads the past.
        relative_bias: [1, H, past + T, past + T] of the temporal decoder, hides the future.
        hidden: [B, 1, 1, past], hides frames that do not exist.
        conditions: float32 [B, past + T, D]; None for a network whose encoder reads the past.
    """

    tokens: jax.Array
    prompt_bias: jax.Array
    inputs: jax.Array
    relative_bias: jax.Array
    hidden: jax.Array
    conditions: jax.Array | None

    @property
    def past(self) -> int:
        """The number of earlier frames that the temporal decoder reads."""
        return self.inputs.shape[1] - 1

    def bias(self, frames: int) -> jax.Array:
        """Returns the temporal decoder's bias: [1 or B, H, past + frames, past + frames]."""
        if not self.past:
            return self.relative_bias
        return self.relative_bias + jnp.pad(self.hidden, ((0, 0), (0, 0), (0, 0), (0, frames)))


def unread(
    model: Depthformer, tokens: jax.Array, conditions: Conditions | None, frames: int
) -> Unread:
    """Prepares the reading of prompts; the arguments are those of `read_prompts`."""
    config, B = model.config, len(tokens)
    decoder, dtype = model.decoder.temporal_decoder, jnp.dtype(config.activation_dtype)
    if conditions is None:
        hidden = jnp.zeros((B, 1, 1, 0), dtype)
        start, bias = model.first_frame(B), decoder.relpos_bias(frames)
        return Unread(tokens, hide_padding(tokens, dtype), start, bias, hidden, None)
    total = conditions.beats.shape[1]
    past = total - frames
    style = tokens[:, past * config.past_levels :]
    ids = tokens[:, : past * config.past_levels].reshape(B, past, config.past_levels)
    return Unread(
        style,
        hide_padding(style, dtype),
        model.behind(jnp.pad(ids, ((0, 0), (0, 1), (0, 0)))),
        decoder.relpos_bias(total),
        model.hide_frames(ids, PAD, dtype),
        decoder.embed_conditions(conditions),
    )


def read_prompts(
    model: Depthformer,
    tokens: jax.Array,
    conditions: Conditions | None,
    frames: int,
    at_once: int,
) -> ReadPrompts:
    """Reads prompts.

    Args:
        model: the network.
        tokens: int32 [B, S], prompts.
        conditions: of the past and of the chunk, [B, past + frames]; None for a network whose
            encoder reads the past.
        frames: length of the chunk.
        at_once: the number of prompts to encode at once; divides B.
    """
    given = unread(model, tokens, conditions, frames)
    prompt, bias, added = (
        _look_at(model, given.tokens, at_once),
        given.bias(frames),
        given.conditions,
    )
    config, past = model.config, given.past
    caches = config.empty_caches(len(tokens), config.num_temporal_layers, past + frames)
    if added is None:
        return ReadPrompts(given.inputs, caches, prompt, given.prompt_bias, bias, None)
    _, caches = model.decoder.temporal_decoder(
        given.inputs[:, :past] + added[:, :past],
        caches,
        0,
        bias[:, :, :past],
        prompt,
        given.prompt_bias,
    )
    return ReadPrompts(
        given.inputs[:, past:],
        caches,
        prompt,
        given.prompt_bias,
        bias[:, :, past:],
        added[:, past:],
    )


def _look_at(model: Depthformer, tokens: jax.Array, at_once: int) -> list[KeysValues]:
    def group(tokens: jax.Array) -> list[KeysValues]:
        return model.decoder.temporal_decoder.look_at(model.encode(tokens))

    grouped = jax.lax.map(group, tokens.reshape(-1, at_once, tokens.shape[1]))
    return jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:]), grouped)
