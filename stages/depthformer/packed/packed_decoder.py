"""Both decoders, step by step, with packed weights; compiled by Numba for CPUs.

Rows 2 n and 2 n + 1 are stream n as asked and without its style. The threads of a team run the same
program, each on its part of every layer; they meet where one reads what others wrote.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from soundstage.kernels.choice import Settings, choose_code
from soundstage.kernels.compiled import compiled
from soundstage.kernels.layers import attend, gate, rms
from soundstage.kernels.products import Matrix, multiply, panel_share
from soundstage.kernels.team import meet, share
from soundstage.kernels.vectors import PANEL
from soundstage.stages.depthformer.vocabulary import CODEC_OFFSET


class AttentionWeights(NamedTuple):
    """The attention of N layers.

    Attributes:
        inputs: of N matrices [D, 3 * H * K], queries, keys and values; or [D, H * K], queries.
        out: of N matrices [H * K, D].
        norms: float32 [N, D].
    """

    inputs: Matrix
    out: Matrix
    norms: np.ndarray


class MlpWeights(NamedTuple):
    """The MLPs of N layers.

    Attributes:
        gate: of N matrices [D, F], whose product goes through gelu.
        up: of N matrices [D, F].
        down: of N matrices [F, D].
        norms: float32 [N, D].
    """

    gate: Matrix
    up: Matrix
    down: Matrix
    norms: np.ndarray


class DecoderWeights(NamedTuple):
    """All weights of both decoders.

    Attributes:
        table: float32 [V, D], embeddings.
        own: self-attention of the temporal decoder.
        cross: its attention to the encoder's output.
        mlp: its MLPs.
        level_own: self-attention of the depth decoder.
        level_mlp: its MLPs.
        norm: float32 [D], the last norm's scale.
        heads: of L matrices [D, codes].
        level_bias: float32 [H, L, L], relative bias of the depth decoder.
        read_levels: int64 [1], levels whose mean embedding the next frame reads.
    """

    table: np.ndarray
    own: AttentionWeights
    cross: AttentionWeights
    mlp: MlpWeights
    level_own: AttentionWeights
    level_mlp: MlpWeights
    norm: np.ndarray
    heads: Matrix
    level_bias: np.ndarray
    read_levels: np.ndarray


class Seen(NamedTuple):
    """Keys and values, float32 [B, N, H, time, K] each."""

    keys: np.ndarray
    values: np.ndarray


class ChunkInputs(NamedTuple):
    """What is known before the first frame of a chunk.

    Attributes:
        mean: float32 [B, D], the mean embedding of the frame before; overwritten.
        own: of the past, with space for the chunk; overwritten.
        prompt: of the encoder's output.
        prompt_bias: float32 [B, S], hides padding.
        frame_bias: float32 [B, H, T, past + T], relative bias of the chunk's frames.
        conditions: float32 [B, T, D], added to the input of the chunk's frames.
    """

    mean: np.ndarray
    own: Seen
    prompt: Seen
    prompt_bias: np.ndarray
    frame_bias: np.ndarray
    conditions: np.ndarray


class Choosing(NamedTuple):
    """How codes are chosen.

    Attributes:
        settings: of every row.
        guidance: float32 [row], >= 0.
        repetition: float32 [row], 0 = off.
        noise: float32 [row, T, L, codes], standard Gumbel.
    """

    settings: Settings
    guidance: np.ndarray
    repetition: np.ndarray
    noise: np.ndarray


class Work(NamedTuple):
    """What the threads write for each other.

    Attributes:
        x: float32 [B, D], the residual stream.
        inputs: float32 [B, 3 * H * K].
        mixed: float32 [B, H * K].
        gate: float32 [B, F].
        up: float32 [B, F].
        logits: float32 [B, codes].
        levels: keys and values of the frame's levels.
        total: float32 [B, D], the sum of the frame's embeddings.
        chosen: float32 [row, L, codes], how often the chunk has chosen each.
    """

    x: np.ndarray
    inputs: np.ndarray
    mixed: np.ndarray
    gate: np.ndarray
    up: np.ndarray
    logits: np.ndarray
    levels: Seen
    total: np.ndarray
    chosen: np.ndarray


@compiled
def run_chunk(member: Any, weights: Any, start: Any, choosing: Any, work: Any, tokens: Any) -> None:
    """Samples a chunk: writes tokens, int64 [row, T, L]."""
    normed = np.empty_like(work.x)
    for frame in range(tokens.shape[1]):
        begin_frame(member, start, work, frame)
        at = start.own.keys.shape[3] - tokens.shape[1] + frame
        bias = start.frame_bias[:, :, frame]
        for layer in range(weights.own.norms.shape[0]):
            attend_to_own(member, weights.own, layer, work, start.own, bias, at, normed)
            attend_to_prompt(member, weights.cross, layer, work, start, normed)
            run_mlp(member, weights.mlp, layer, work, normed)
        for level in range(tokens.shape[2]):
            bias = np.expand_dims(weights.level_bias[:, level], 0)
            for layer in range(weights.level_own.norms.shape[0]):
                blocks = weights.level_own
                attend_to_own(member, blocks, layer, work, work.levels, bias, level, normed)
                run_mlp(member, weights.level_mlp, layer, work, normed)
            choose_level(member, weights, start, choosing, work, tokens, frame, level, normed)


@compiled
def begin_frame(member: Any, start: Any, work: Any, frame: int) -> None:
    """Writes the temporal decoder's input to x."""
    first, last = share(member, work.chosen.shape[0])
    for row in range(2 * first, 2 * last):
        for index in range(work.x.shape[1]):
            added = start.conditions[row, frame, index]
            work.x[row, index] = start.mean[row, index] + added
            work.total[row, index] = np.float32(0)
    meet(member)


@compiled
def attend_to_own(
    member: Any, blocks: Any, layer: int, work: Any, seen: Any, bias: Any, at: int, normed: Any
) -> None:
    """Adds a layer's self-attention to x; `bias` is [B or 1, H, at least at + 1]."""
    rows, heads, width = work.x.shape[0], seen.keys.shape[2], seen.keys.shape[4]
    inner = heads * width
    rms(work.x, blocks.norms[layer], normed)
    multiply(member, blocks.inputs, layer, normed, work.inputs, False)
    meet(member)
    first, last = share(member, rows * heads)
    for part in range(first, last):
        row, head = part // heads, part % heads
        columns = slice(head * width, (head + 1) * width)
        keys, values = seen.keys[row, layer, head], seen.values[row, layer, head]
        for index in range(width):
            keys[at, index] = work.inputs[row, inner + head * width + index]
            values[at, index] = work.inputs[row, 2 * inner + head * width + index]
        own_bias = bias[row if bias.shape[0] > 1 else 0, head, : at + 1]
        attend(work.inputs[row, columns], keys, values, own_bias, work.mixed[row, columns])
    meet(member)
    multiply(member, blocks.out, layer, work.mixed, work.x, True)
    meet(member)


@compiled
def attend_to_prompt(
    member: Any, blocks: Any, layer: int, work: Any, start: Any, normed: Any
) -> None:
    """Adds a layer's attention to the encoder's output to x."""
    seen, rows = start.prompt, work.x.shape[0]
    heads, width = seen.keys.shape[2], seen.keys.shape[4]
    rms(work.x, blocks.norms[layer], normed)
    multiply(member, blocks.inputs, layer, normed, work.inputs, False)
    meet(member)
    first, last = share(member, rows * heads)
    for part in range(first, last):
        row, head = part // heads, part % heads
        columns = slice(head * width, (head + 1) * width)
        keys, values = seen.keys[row, layer, head], seen.values[row, layer, head]
        bias, mixed = start.prompt_bias[row], work.mixed[row, columns]
        attend(work.inputs[row, columns], keys, values, bias, mixed)
    meet(member)
    multiply(member, blocks.out, layer, work.mixed, work.x, True)
    meet(member)


@compiled
def run_mlp(member: Any, blocks: Any, layer: int, work: Any, normed: Any) -> None:
    """Adds a layer's MLP to x."""
    rms(work.x, blocks.norms[layer], normed)
    multiply(member, blocks.gate, layer, normed, work.gate, False)
    multiply(member, blocks.up, layer, normed, work.up, False)
    first, last = panel_share(member, blocks.gate)
    end = min(last * PANEL, work.gate.shape[1])
    for row in range(work.gate.shape[0]):
        columns = slice(first * PANEL, end)
        gate(work.gate[row, columns], work.up[row, columns])
    meet(member)
    multiply(member, blocks.down, layer, work.gate, work.x, True)
    meet(member)


@compiled
def choose_level(
    member: Any,
    weights: Any,
    start: Any,
    choosing: Any,
    work: Any,
    tokens: Any,
    frame: int,
    level: int,
    normed: Any,
) -> None:
    """Chooses the codes of a level, and writes their embeddings to x."""
    rms(work.x, weights.norm, normed)
    multiply(member, weights.heads, level, normed, work.logits, False)
    meet(member)
    codes, levels = work.logits.shape[1], weights.read_levels[0]
    guided, settings = np.empty(codes, np.float32), choosing.settings
    first, last = share(member, tokens.shape[0])
    for row in range(first, last):
        weight, repetition = choosing.guidance[row], choosing.repetition[row]
        for code in range(codes):
            asked, without = work.logits[2 * row, code], work.logits[2 * row + 1, code]
            logit = (np.float32(1) + weight) * asked - weight * without
            guided[code] = logit - repetition * work.chosen[row, level, code]
        code = choose_code(
            guided,
            choosing.noise[row, frame, level],
            settings.temperature[row],
            settings.top_k[row],
            settings.top_p[row],
            settings.min_p[row],
        )
        tokens[row, frame, level] = code
        work.chosen[row, level, code] += np.float32(1)
        identity = CODEC_OFFSET + level * codes + code
        take_in(weights.table, identity, work, start.mean, 2 * row, level, levels)
        take_in(weights.table, identity, work, start.mean, 2 * row + 1, level, levels)
    meet(member)


@compiled
def take_in(
    table: Any, identity: int, work: Any, mean: Any, row: int, level: int, levels: int
) -> None:
    """Writes an embedding to a row of x, and adds it to what the next frame reads."""
    for index in range(work.x.shape[1]):
        work.x[row, index] = table[identity, index]
    if level < levels:
        for index in range(work.x.shape[1]):
            work.total[row, index] += table[identity, index]
            mean[row, index] = work.total[row, index] / np.float32(levels)
