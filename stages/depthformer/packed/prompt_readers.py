"""Who reads the prompts of a chunk on a CPU: XLA in float32, or packed weights of 8 bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from soundstage.kernels.attention_blocks import empty_panels
from soundstage.kernels.programs import Program
from soundstage.kernels.team import Member, Team, alone
from soundstage.stages.depthformer.conditions import Conditions
from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.depthformer.packed.packed_decoder import (
    ChunkInputs,
    DecoderWeights,
    Seen,
)
from soundstage.stages.depthformer.packed.packed_reading import (
    PromptArrays,
    ReadingWork,
    read_prompt,
)
from soundstage.stages.depthformer.packed.packed_weights import reading_weights
from soundstage.stages.depthformer.past import read_prompts, unread
from soundstage.stages.weights.networks import Network

if TYPE_CHECKING:
    from soundstage.stages.depthformer.model import Depthformer

# Of a row: int32 [2, S], its prompts as asked and without the style, and their conditions.
Given: TypeAlias = tuple[np.ndarray, Conditions | None]


class PromptReader(Protocol):
    """Reads prompts."""

    def __call__(self, given: Sequence[Given], threads: ThreadPoolExecutor) -> ChunkInputs:
        """Reads the prompts of all rows, on some threads."""
        ...


class XlaReader:
    """Reads a row at a time with a compiled program, in float32.

    Args:
        network: the network, on the CPU, in float32.
        frames: length of a chunk.
    """

    def __init__(self, network: Network[Depthformer], frames: int) -> None:
        self._network, self._frames = network, frames
        self._device = network.device
        self._run = Program(self._read_row, (network.config, frames))

    def __call__(self, given: Sequence[Given], threads: ThreadPoolExecutor) -> ChunkInputs:
        """Reads the prompts of all rows; see `PromptReader`."""

        def read(row: Given) -> list[np.ndarray]:
            placed = jax.device_put(row, self._device)
            return [np.asarray(part) for part in self._run(self._network.arrays, *placed)]

        mean, own_keys, own_values, keys, values, prompt_bias, frame_bias, added = (
            _joined(part) for part in zip(*threads.map(read, given), strict=True)
        )
        own, prompt = Seen(own_keys, own_values), Seen(keys, values)
        return ChunkInputs(mean, own, prompt, prompt_bias, frame_bias, added)

    def _read_row(
        self, arrays: Mapping[str, jax.Array], tokens: jax.Array, conditions: Conditions | None
    ) -> tuple[jax.Array, ...]:
        """Reads the two prompts of a row, int32 [2, S]."""
        model, frames = self._network.around(arrays), self._frames
        seen = read_prompts(model, tokens, conditions, frames, len(tokens))
        bias = jnp.broadcast_to(seen.frame_bias, (2, *seen.frame_bias.shape[1:]))
        added = seen.conditions
        if added is None:
            added = jnp.zeros((2, frames, model.config.embed_dim), jnp.float32)
        stacks = [
            jnp.stack([getattr(layer, part) for layer in layers], axis=1)
            for layers in (seen.caches, seen.prompt)
            for part in ("keys", "values")
        ]
        return (seen.x[:, 0], *stacks, seen.prompt_bias[:, 0, 0], bias, added)


class EightBitReader:
    """Reads prompts with packed weights of 8 bits; XLA embeds them.

    Args:
        network: the network, on the CPU, in float32.
        frames: length of a chunk.
        decoders: the weights of its decoders.
        count: threads that read: a prompt each, or each prompt together if there are fewer.
    """

    def __init__(
        self, network: Network[Depthformer], frames: int, decoders: DecoderWeights, count: int
    ) -> None:
        self._network, self._frames, self._config = network, frames, network.config
        self._device, self._decoders = network.device, decoders
        self._weights = reading_weights(network.module)
        self._count, self._team = count, Team(count)
        self._prepare = Program(self._prepare_row, (network.config, frames))
        self._relative_bias: dict[int, np.ndarray] = {}

    def __call__(self, given: Sequence[Given], threads: ThreadPoolExecutor) -> ChunkInputs:
        """Reads the prompts of all rows; see `PromptReader`."""

        def prepare(row: Given) -> list[np.ndarray]:
            placed = jax.device_put(row, self._device)
            return [np.asarray(part) for part in self._prepare(self._network.arrays, *placed)]

        encoder_inputs, prompt_bias, mean, inputs, hidden, added = (
            _joined(part) for part in zip(*threads.map(prepare, given), strict=True)
        )
        config, tokens, past = self._config, prompt_bias.shape[1], inputs.shape[1]
        bias, most_keys = self._bias(past + self._frames), max(tokens, past)
        own, prompt = (_zeros(config, len(mean), time) for time in (past + self._frames, tokens))

        def reading(index: int) -> Callable[[Member], None]:
            arrays = PromptArrays(
                _work(config, encoder_inputs[index], most_keys),
                _work(config, inputs[index], most_keys),
                Seen(*np.zeros((2, *prompt.keys.shape[2:]), np.float32)),
                Seen(own.keys[index], own.values[index]),
                Seen(prompt.keys[index], prompt.values[index]),
                prompt_bias[index],
                bias,
                hidden[index],
            )
            return lambda member: read_prompt(member, self._weights, self._decoders, arrays)

        if len(mean) < self._count:
            for index in range(len(mean)):
                self._team(reading(index))
        else:
            list(threads.map(lambda index: reading(index)(alone()), range(len(mean))))
        hides = np.pad(hidden, ((0, 0), (0, self._frames)))[:, None, None]
        frame_bias = bias[None, :, past:] + hides
        return ChunkInputs(mean, own, prompt, prompt_bias, frame_bias, added)

    def _bias(self, total: int) -> np.ndarray:
        """Returns the temporal decoder's relative bias: float32 [H, total, total]."""
        if total not in self._relative_bias:
            decoder = self._network.module.decoder.temporal_decoder
            self._relative_bias[total] = np.array(decoder.relpos_bias(total)[0], np.float32)
        return self._relative_bias[total]

    def _prepare_row(
        self, arrays: Mapping[str, jax.Array], tokens: jax.Array, conditions: Conditions | None
    ) -> tuple[jax.Array, ...]:
        """Embeds the two prompts of a row, int32 [2, S].

        Returns:
            The encoder's inputs, [2, S, D]; what hides padding, [2, S]; and for the temporal
            decoder the mean embedding of the frame before the chunk, [2, D], the inputs of the
            past, [2, past, D], what hides frames, [2, past], and the chunk's conditions, [2, T, D].
        """
        model = self._network.around(arrays)
        given = unread(model, tokens, conditions, self._frames)
        inputs, past, added = given.inputs, given.past, given.conditions
        if added is None:
            added = jnp.zeros((2, self._frames, model.config.embed_dim), jnp.float32)
        return (
            model.encoder.at_positions(model.token_embedder(given.tokens)),
            given.prompt_bias[:, 0, 0],
            inputs[:, past],
            inputs[:, :past] + added[:, :past],
            given.hidden[:, 0, 0],
            added[:, past:],
        )


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Joins the rows' parts, [2, ...] each, as a new array."""
    return np.concatenate(parts) if len(parts) > 1 else np.array(parts[0])


def _zeros(config: DepthformerConfig, prompts: int, time: int) -> Seen:
    layers, heads, width = config.num_temporal_layers, config.num_heads, config.head_dim
    shape = (prompts, layers, heads, time, width)
    return Seen(np.zeros(shape, np.float32), np.zeros(shape, np.float32))


def _work(config: DepthformerConfig, x: np.ndarray, most_keys: int) -> ReadingWork:
    """Returns arrays for the positions of x [T, D]."""
    inner = config.num_heads * config.head_dim

    def empty(width: int) -> np.ndarray:
        return np.empty((len(x), width), np.float32)

    return ReadingWork(
        x,
        empty(config.embed_dim),
        empty(3 * inner),
        empty(inner),
        empty(config.mlp_dim),
        empty(config.mlp_dim),
        empty_panels(config.num_heads, config.head_dim, most_keys),
    )
