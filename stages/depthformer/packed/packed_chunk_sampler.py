"""Sampling of a chunk's tokens with packed weights, for CPUs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from soundstage.kernels.choice import or_constant, settings
from soundstage.kernels.products import WeightType
from soundstage.kernels.programs import Program
from soundstage.kernels.team import Team, alone
from soundstage.stages.depthformer.choice import Addressed, Sampling
from soundstage.stages.depthformer.conditions import Conditions
from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.depthformer.packed.packed_decoder import (
    Choosing,
    Seen,
    Work,
    run_chunk,
)
from soundstage.stages.depthformer.packed.packed_weights import packed_weights
from soundstage.stages.depthformer.packed.prompt_readers import (
    EightBitReader,
    PromptReader,
    XlaReader,
)
from soundstage.stages.depthformer.sampler import words
from soundstage.stages.row_groups import cores
from soundstage.stages.weights.networks import Network

if TYPE_CHECKING:
    from soundstage.stages.depthformer.model import Depthformer

# From so many rows a thread on, arithmetic takes longer than reading the weights: then threads need
# not share that, and do not wait for each other.
GROUP_ROWS = 4


class PackedChunkSampler:
    """Samples chunks as `ChunkSampler` does, with decoders that read packed weights.

    A `PromptReader` reads the prompts, then threads of a team run the decoders. The noise is that
    of `ChunkSampler`. A row's tokens depend on that row's arguments alone, whatever the number of
    rows and of threads. Safe to call from several threads.

    Args:
        network: the network, on the CPU, in float32.
        frames: length of a chunk.
        dtype: in which numbers the matrices of the decoders are packed.
        threads: of the team; None = one a core.
    """

    def __init__(
        self,
        network: Network[Depthformer],
        frames: int,
        dtype: WeightType,
        threads: int | None = None,
    ) -> None:
        self._network = network
        self._device = network.device
        self._config, self._frames = network.config, frames
        self._weights = packed_weights(network.module, dtype)
        self._count = threads or cores()
        self._team, self._threads = Team(self._count), ThreadPoolExecutor(self._count, "packed")
        self._noise = Program(self._draw_row, (network.config, frames))
        self._read: PromptReader = XlaReader(network, frames)
        if dtype == "int8":
            self._read = EightBitReader(network, frames, self._weights, self._count)

    def __call__(
        self,
        prompt: np.ndarray,
        unprompted: np.ndarray,
        temperature: np.ndarray,
        top_k: np.ndarray,
        guidance: np.ndarray,
        seed: np.ndarray,
        chunk: np.ndarray,
        conditions: tuple[Conditions, Conditions] | None = None,
        top_p: np.ndarray | None = None,
        min_p: np.ndarray | None = None,
        repetition: np.ndarray | None = None,
    ) -> np.ndarray:
        """Samples one chunk of every row; see `ChunkSampler`."""
        rows, config = len(prompt), self._config
        tokens = np.stack([prompt, unprompted], 1).astype(np.int32)  # [row, 2, S]
        addresses = words(seed), words(chunk)
        codes = np.zeros((rows, self._frames, config.num_levels), np.int64)
        noise = np.empty((*codes.shape, config.codebook_size), np.float32)

        def draw(row: int) -> None:
            address = jax.device_put([part[row : row + 1] for part in addresses], self._device)
            noise[row] = np.asarray(self._noise(*address))[:, :, 0]

        drawn = self._threads.map(draw, range(rows))
        given = [(tokens[row], _of_row(conditions, row)) for row in range(rows)]
        start = self._read(given, self._threads)
        list(drawn)
        choosing = Choosing(
            settings(config.codebook_size, temperature, top_k, top_p, min_p),
            np.array(guidance, np.float32),
            or_constant(repetition, 0.0, rows),
            noise,
        )
        self._run(start, choosing, _work(config, rows), codes)
        return codes.astype(np.int32)

    def _run(self, *arrays: Any) -> None:
        """Runs the decoders: all threads on all rows or, if these are many, each on its own."""
        rows = len(arrays[-1])
        if rows < GROUP_ROWS * self._count:
            self._team(lambda member: run_chunk(member, self._weights, *arrays))
            return

        def run(group: int) -> None:
            first, last = (rows * end // self._count for end in (group, group + 1))
            own = jax.tree.map(lambda a: a[first * len(a) // rows : last * len(a) // rows], arrays)
            run_chunk(alone(), self._weights, *own)

        list(self._threads.map(run, range(self._count)))

    def _draw_row(self, seed: jax.Array, chunk: jax.Array) -> jax.Array:
        """Draws the noise of a chunk: uint32 [1, 2] twice -> float32 [T, L, 1, codes]."""
        chooser, config = Addressed(), self._config
        nothing = jnp.zeros(1, jnp.float32)
        keys = chooser.start(Sampling(nothing, nothing, nothing, seed, chunk))

        def drawn(frame: jax.Array) -> jax.Array:
            return chooser.noise(keys, frame, config.num_levels, config.codebook_size)[0]

        return jax.vmap(drawn)(jnp.arange(self._frames))


def _of_row(conditions: tuple[Conditions, Conditions] | None, row: int) -> Conditions | None:
    if conditions is None:
        return None
    asked, free = conditions
    beats, sound = (asked.beats[row], free.beats[row]), (asked.sound[row], free.sound[row])
    return Conditions(np.stack(beats), np.stack(sound))


def _work(config: DepthformerConfig, rows: int) -> Work:
    both, inner = 2 * rows, config.num_heads * config.head_dim

    def empty(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    cache: Any = both, config.num_depth_layers, config.num_heads, config.num_levels, config.head_dim
    return Work(
        empty(both, config.embed_dim),
        empty(both, 3 * inner),
        empty(both, inner),
        empty(both, config.mlp_dim),
        empty(both, config.mlp_dim),
        empty(both, config.codebook_size),
        Seen(empty(*cache), empty(*cache)),
        empty(both, config.embed_dim),
        empty(rows, config.num_levels, config.codebook_size),
    )
