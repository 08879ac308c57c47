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
    config = model.config
    decoder = model.decoder.temporal_decoder
    if conditions is None:
        prompt = _look_at(model, tokens, at_once)
        return ReadPrompts(
            model.first_frame(len(tokens)),
            config.empty_caches(len(tokens), config.num_temporal_layers, frames),
            prompt,
            hide_padding(tokens, prompt[0].keys.dtype),
            decoder.relpos_bias(frames),
            None,
        )
    B, total = conditions.beats.shape
    past = total - frames
    style = tokens[:, past * config.past_levels :]
    ids = tokens[:, : past * config.past_levels].reshape(B, past, config.past_levels)
    prompt = _look_at(model, style, at_once)
    prompt_bias = hide_padding(style, prompt[0].keys.dtype)
    added = decoder.embed_conditions(conditions)
    hidden = model.hide_frames(ids, PAD, prompt_bias.dtype)
    bias = decoder.relpos_bias(total) + jnp.pad(hidden, ((0, 0), (0, 0), (0, 0), (0, frames)))
    inputs = model.behind(jnp.pad(ids, ((0, 0), (0, 1), (0, 0))))  # [B, past + 1, D]
    caches = config.empty_caches(B, config.num_temporal_layers, total)
    _, caches = decoder(
        inputs[:, :past] + added[:, :past], caches, 0, bias[:, :, :past], prompt, prompt_bias
    )
    return ReadPrompts(
        inputs[:, past:], caches, prompt, prompt_bias, bias[:, :, past:], added[:, past:]
    )


def _look_at(model: Depthformer, tokens: jax.Array, at_once: int) -> list[KeysValues]:
    def group(tokens: jax.Array) -> list[KeysValues]:
        return model.decoder.temporal_decoder.look_at(model.encode(tokens))

    grouped = jax.lax.map(group, tokens.reshape(-1, at_once, tokens.shape[1]))
    return jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:]), grouped)
