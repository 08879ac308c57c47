"""Both readings of a prompt, by the encoder and by the temporal decoder, with packed weights.

Compiled by Numba for CPUs. All positions go through a layer together; the threads of a team share
the positions, and meet before they look at each other's keys.

Letters in shapes: T positions, S prompt tokens, D width, H heads, K head width, N layers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from soundstage.kernels.attention_blocks import Panels, attend_blocks, own_queries, split_heads
from soundstage.kernels.compiled import compiled
from soundstage.kernels.layers import gate, rms
from soundstage.kernels.products import Matrix, multiply
from soundstage.kernels.team import Member, alone, meet
from soundstage.stages.depthformer.packed.packed_decoder import (
    AttentionWeights,
    DecoderWeights,
    MlpWeights,
    Seen,
)


class ReadingWeights(NamedTuple):
    """The weights that read prompts, beside those of the temporal decoder.

    Attributes:
        own: self-attention of the encoder.
        mlp: its MLPs.
        norm: float32 [D], its last norm's scale.
        prompt: of N matrices [D, 2 * H * K], keys and values that the temporal decoder makes of its
            output.
    """

    own: AttentionWeights
    mlp: MlpWeights
    norm: np.ndarray
    prompt: Matrix


class ReadingWork(NamedTuple):
    """What the threads write for each other.

    Attributes:
        x: float32 [T, D], the residual stream.
        normed: float32 [T, D].
        inputs: float32 [T, 3 * H * K].
        mixed: float32 [T, H * K].
        gate: float32 [T, F].
        up: float32 [T, F].
        panels: keys and values of a layer.
    """

    x: np.ndarray
    normed: np.ndarray
    inputs: np.ndarray
    mixed: np.ndarray
    gate: np.ndarray
    up: np.ndarray
    panels: Panels


class PromptArrays(NamedTuple):
    """What a prompt is read from and what is made of it.

    Attributes:
        of_prompt: with the encoder's inputs as x.
        of_past: with those of the temporal decoder; no positions if the encoder reads the past.
        scratch: keys and values [H, S, K] for the encoder; overwritten.
        own: keys and values [N, H, at least T, K] of the past; what is written.
        prompt: keys and values [N, H, S, K] of the encoder's output; what is written.
        prompt_bias: float32 [S], hides padding.
        relative_bias: float32 [H, at least T, at least T], which hides later frames.
        hidden: float32 [T], hides frames that do not exist.
    """

    of_prompt: ReadingWork
    of_past: ReadingWork
    scratch: Seen
    own: Seen
    prompt: Seen
    prompt_bias: np.ndarray
    relative_bias: np.ndarray
    hidden: np.ndarray


def read_prompt(
    member: Member, weights: ReadingWeights, decoders: DecoderWeights, arrays: PromptArrays
) -> None:
    """Encodes a prompt, then the temporal decoder looks at that and reads the past.

    It is not compiled: a compiler would go through all that it calls once more.
    """
    of_prompt, of_past, scratch, own, prompt, prompt_bias, relative_bias, hidden = arrays
    encode(member, weights, of_prompt, prompt_bias, scratch.keys, scratch.values)
    look_at(member, weights, of_prompt, prompt.keys, prompt.values)
    if len(hidden):
        read_past(member, decoders, of_past, own, prompt, relative_bias, hidden, prompt_bias)


@compiled
def encode(member: Any, weights: Any, work: Any, hidden: Any, keys: Any, values: Any) -> None:
    """Encodes a prompt: replaces x by what the encoder makes of it, and normed by its output.

    Args:
        member: this thread.
        weights: `ReadingWeights`.
        work: `ReadingWork`.
        hidden: float32 [S], hides padding, whose output is zero.
        keys: float32 [H, S, K]; overwritten.
        values: float32 [H, S, K]; overwritten.
    """
    everywhere = np.empty((0, 0, 0), np.float32)
    for layer in range(weights.own.norms.shape[0]):
        make_keys(member, weights.own, layer, work, keys, values)
        add_attention(member, weights.own, layer, work, keys, values, everywhere, hidden)
        add_mlp(member, weights.mlp, layer, work)
    first, last = own_queries(member, work.x.shape[0])
    rms(work.x[first:last], weights.norm, work.normed[first:last])
    for row in range(first, last):
        if hidden[row] < 0:
            for index in range(work.normed.shape[1]):
                work.normed[row, index] = np.float32(0)


@compiled
def look_at(member: Any, weights: Any, work: Any, keys: Any, values: Any) -> None:
    """Writes keys and values of the encoder's output, which is `normed`: [N, H, S, K] each."""
    first, last = own_queries(member, work.x.shape[0])
    given, made = work.normed[first:last], work.inputs[first:last]
    for layer in range(keys.shape[0]):
        multiply(alone(), weights.prompt, layer, given, made, False)
        split_heads(work.inputs, 0, first, last, keys[layer])
        split_heads(work.inputs, 1, first, last, values[layer])


@compiled
def read_past(
    member: Any,
    weights: Any,
    work: Any,
    own: Any,
    prompt: Any,
    relative_bias: Any,
    hidden: Any,
    prompt_bias: Any,
) -> None:
    """Reads the past with the temporal decoder, whose inputs are x.

    Args:
        member: this thread.
        weights: `DecoderWeights`.
        work: `ReadingWork`.
        own: `Seen` of a prompt, [N, H, at least T, K]; what is written.
        prompt: `Seen` of it, of the encoder's output.
        relative_bias: float32 [H, at least T, at least T].
        hidden: float32 [T], hides frames that do not exist.
        prompt_bias: float32 [S], hides padding.
    """
    layers, everywhere = own.keys.shape[0], np.empty((0, 0, 0), np.float32)
    for layer in range(layers):
        keys, values = own.keys[layer], own.values[layer]
        make_keys(member, weights.own, layer, work, keys, values)
        if layer == layers - 1:
            return  # nothing reads the last layer's output
        add_attention(member, weights.own, layer, work, keys, values, relative_bias, hidden)
        meet(member)  # before others' panels are overwritten
        first, last = own_queries(member, work.x.shape[0])
        rms(work.x[first:last], weights.cross.norms[layer], work.normed[first:last])
        given, made = work.normed[first:last], work.inputs[first:last]
        multiply(alone(), weights.cross.inputs, layer, given, made, False)
        keys, values = prompt.keys[layer], prompt.values[layer]
        add_attention(member, weights.cross, layer, work, keys, values, everywhere, prompt_bias)
        add_mlp(member, weights.mlp, layer, work)


@compiled
def make_keys(member: Any, blocks: Any, layer: int, work: Any, keys: Any, values: Any) -> None:
    """Writes a layer's queries to `inputs`, and its keys and values, [H, at least T, K]."""
    first, last = own_queries(member, work.x.shape[0])
    given, made = work.normed[first:last], work.inputs[first:last]
    rms(work.x[first:last], blocks.norms[layer], given)
    multiply(alone(), blocks.inputs, layer, given, made, False)
    split_heads(work.inputs, 1, first, last, keys)
    split_heads(work.inputs, 2, first, last, values)
    meet(member)


@compiled
def add_attention(
    member: Any,
    blocks: Any,
    layer: int,
    work: Any,
    keys: Any,
    values: Any,
    relative_bias: Any,
    key_bias: Any,
) -> None:
    """Adds attention from the queries in `inputs` to x; see `attend_blocks`."""
    query, panels = work.inputs, work.panels
    attend_blocks(member, query, keys, values, relative_bias, key_bias, panels, work.mixed)
    first, last = own_queries(member, work.x.shape[0])
    given, made = work.mixed[first:last], work.x[first:last]
    multiply(alone(), blocks.out, layer, given, made, True)


@compiled
def add_mlp(member: Any, blocks: Any, layer: int, work: Any) -> None:
    """Adds a layer's MLP to x."""
    one, (first, last) = alone(), own_queries(member, work.x.shape[0])
    given, wide = work.normed[first:last], work.gate[first:last]
    rms(work.x[first:last], blocks.norms[layer], given)
    multiply(one, blocks.gate, layer, given, wide, False)
    multiply(one, blocks.up, layer, given, work.up[first:last], False)
    for row in range(first, last):
        gate(work.gate[row], work.up[row])
    multiply(one, blocks.down, layer, wide, work.x[first:last], True)
