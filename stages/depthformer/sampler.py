"""Sampling of a chunk's tokens: frame by frame, and inside a frame level by level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from soundstage.kernels.programs import Program, shapes_on
from soundstage.stages.attention import KeysValues
from soundstage.stages.depthformer.choice import Addressed, Alphabet, Chooser, OwnLevel, Sampling
from soundstage.stages.depthformer.conditions import Conditions
from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.depthformer.past import read_prompts
from soundstage.stages.depthformer.steps import (
    BY_MODULES,
    DecoderSteps,
    LevelChoice,
    LevelInput,
)
from soundstage.stages.weights.networks import Network

if TYPE_CHECKING:
    from soundstage.stages.depthformer.model import Depthformer


class ChunkConstants(NamedTuple):
    """The values that stay the same during a chunk.

    Attributes:
        sampling: the settings of every row.
        heads: the alphabet's head.
        prompt: keys and values of the encoded prompts, one entry a layer, of 2 * row rows.
        prompt_bias: [2 * row, 1, 1, S], hides padding.
        frame_bias: [1 or 2 * row, H, T, past + T], relative bias of the temporal decoder.
        level_bias: [1, H, 1, L] for each level, relative bias of the depth decoder.
        conditions: float32 [2 * row, T, D], which the temporal decoder adds to its input; None =
            it reads none.
        unrolled: whether the levels of a frame are compiled one after the other, without a loop.
        steps: how the decoders make a step.
    """

    sampling: Sampling
    heads: jax.Array
    prompt: list[KeysValues]
    prompt_bias: jax.Array
    frame_bias: jax.Array
    level_bias: jax.Array | list[jax.Array]
    conditions: jax.Array | None
    unrolled: bool
    steps: DecoderSteps


class FrameCarry(NamedTuple):
    """The values that one frame passes to the next.

    Attributes:
        x: float32 [2 * row, 1, D], the mean embedding of the frame before; between levels, the
            input of the next, which may have more rows (see `DecoderSteps`).
        caches: keys and values of the frames before, one entry a temporal layer.
        keys: one random key a row.
        ended: bool [row], whether the row has chosen the end.
        chosen: float32 [level, row, choices], how often the chunk has chosen each; None = not
            counted.
    """

    x: jax.Array
    caches: list[KeysValues]
    keys: jax.Array
    ended: jax.Array
    chosen: jax.Array | None = None


# Of the levels before in the same frame: what they pass on, and the sum of their embeddings.
LevelCarry = tuple[FrameCarry, jax.Array]


def sample_chunk(
    model: Depthformer,
    prompt: jax.Array,
    unprompted: jax.Array,
    sampling: Sampling,
    frames: int,
    alphabet: Alphabet,
    chooser: Chooser,
    prompts_at_once: int | None,
    conditions: Conditions | None = None,
    unrolled: bool = False,
    steps: DecoderSteps = BY_MODULES,
) -> jax.Array:
    """Samples one chunk. Source: the Depthformer spec, "Sampling".

    Args:
        model: the network.
        prompt: int32 [row, S].
        unprompted: int32 [row, S]; the prompts that guidance steers away from.
        sampling: the settings of every row.
        frames: length of the chunk.
        alphabet: the ids that a step may choose from.
        chooser: turns logits into choices.
        prompts_at_once: the number of prompts to encode at once. Each row has two, so it divides
            twice the number of rows. None = all.
        conditions: of the past and of the chunk, for the rows of `prompt`, then for those of
            `unprompted`; for a network that reads the past in its decoder.
        unrolled: whether the levels of a frame are compiled one after the other: a program that
            takes longer to compile, and that a GPU launches once a frame instead of once a level.
        steps: how the decoders make a step.

    Returns:
        int32 [row, frames, level], the choices from the alphabet; PAD after a choice that ends
        its row (see `Alphabet.ends`).
    """
    rows, config = prompt.shape[0], model.config
    tokens = jnp.concatenate([prompt, unprompted])
    seen = read_prompts(model, tokens, conditions, frames, prompts_at_once or len(tokens))
    level_bias = model.decoder.depth_decoder.relpos_bias_depth(config.num_levels)
    level_bias = level_bias.transpose(2, 0, 1, 3)[:, :, :, None]  # [L, 1, H, 1, L]
    chunk = ChunkConstants(
        sampling,
        alphabet.heads(model),
        seen.prompt,
        seen.prompt_bias,
        seen.frame_bias,
        list(level_bias) if unrolled else level_bias,
        seen.conditions,
        unrolled,
        steps,
    )
    counts = (config.num_levels, rows, alphabet.choices(model))
    start = FrameCarry(
        seen.x,
        seen.caches,
        chooser.start(sampling),
        jnp.zeros(rows, bool),
        None if sampling.repetition is None else jnp.zeros(counts, jnp.float32),
    )
    step = partial(_sample_frame, model, chunk, alphabet, chooser)
    _, choices = jax.lax.scan(step, start, jnp.arange(frames))
    return choices.transpose(2, 0, 1)  # [row, frame, level]


def _sample_frame(
    model: Depthformer,
    chunk: ChunkConstants,
    alphabet: Alphabet,
    chooser: Chooser,
    progress: FrameCarry,
    frame: jax.Array,
) -> tuple[FrameCarry, jax.Array]:
    bias = jax.lax.dynamic_slice_in_dim(chunk.frame_bias, frame, 1, axis=2)
    past = chunk.frame_bias.shape[3] - chunk.frame_bias.shape[2]
    x = progress.x
    if chunk.conditions is not None:
        x = x + jax.lax.dynamic_slice_in_dim(chunk.conditions, frame, 1, axis=1)
    decoder, seen = model.decoder.temporal_decoder, (chunk.prompt, chunk.prompt_bias)
    x, caches = chunk.steps.decode_frame(decoder, x, progress.caches, past + frame, bias, *seen)
    config, levels = model.config, model.config.num_levels
    empty = chunk.steps.empty_levels(config, len(progress.x))
    noise, keys = chooser.noise(progress.keys, frame, levels, alphabet.choices(model))
    how = LevelChoice(model, alphabet, chunk.heads, chooser, chunk.sampling, noise)
    step = partial(_sample_level, how, chunk.steps)
    start = (FrameCarry(x, empty, keys, progress.ended), jnp.zeros_like(progress.x))
    # choices: [level, row]
    (last, total), choices = _each_level(step, start, chunk, noise, progress.chosen)
    chosen = progress.chosen
    if chosen is not None:
        chosen = chosen + jax.nn.one_hot(choices, chosen.shape[-1], dtype=jnp.float32)
    return FrameCarry(total / config.temporal_levels, caches, keys, last.ended, chosen), choices


def _each_level(
    step: Callable[[LevelCarry, LevelInput], tuple[LevelCarry, jax.Array]],
    carry: LevelCarry,
    chunk: ChunkConstants,
    noise: jax.Array,
    chosen: jax.Array | None,
) -> tuple[LevelCarry, jax.Array]:
    """Steps through the levels of a frame. Returns the choices, [level, row]."""
    levels = len(noise)
    if not chunk.unrolled:
        steps = LevelInput(jnp.arange(levels), jnp.asarray(chunk.level_bias), noise, chosen)
        return jax.lax.scan(step, carry, steps)
    choices = []
    for level in range(levels):
        counts = None if chosen is None else chosen[level]
        # The level is a constant here; a GPU computes that of a scan in a kernel of its own.
        given = LevelInput(
            jnp.asarray(level, jnp.int32), chunk.level_bias[level], noise[level], counts
        )
        carry, choice = step(carry, given)
        choices.append(choice)
    return carry, jnp.stack(choices)


@jax.named_scope("level_step")
def _sample_level(
    how: LevelChoice, steps: DecoderSteps, carry: LevelCarry, given: LevelInput
) -> tuple[LevelCarry, jax.Array]:
    progress, total = carry
    x, caches = steps.decode_level(
        how.model.decoder.depth_decoder, progress.x, progress.caches, given.level, given.bias
    )
    choice, ended, x = steps.choose(how, x, progress.ended, given)
    config, embedded = how.model.config, x[: len(total)]
    if config.past_levels:
        # The temporal decoder reads the mean of the first levels alone.
        read = jnp.where(given.level < config.temporal_levels, total + embedded, total)
    else:
        read = total + embedded
    return (FrameCarry(x, caches, progress.keys, ended), read), choice


class ChunkSampler:
    """`sample_chunk` compiled, from NumPy to NumPy; compiles once for each number of rows.

    For a given number of rows, a row's tokens depend on that row's arguments alone. Safe to call
    from several threads.

    Args:
        network: the network; the sampler runs on the device of its weights. With the shapes of
            weights alone (`abstract_depthformer`) it can only be lowered.
        frames: length of a chunk.
        alphabet: the ids that a step may choose from; None = `OwnLevel`.
        chooser: turns logits into choices; None = `Addressed`.
        unrolled: see `sample_chunk`; None = on GPUs.
        fused: whether steps are made of few kernels, for GPUs; see `fused_steps`.

    Raises:
        ValueError: fused kernels cannot divide a width of the network.
    """

    def __init__(
        self,
        network: Network[Depthformer],
        frames: int,
        alphabet: Alphabet | None = None,
        chooser: Chooser | None = None,
        unrolled: bool | None = None,
        fused: bool = False,
    ) -> None:
        self._network = network
        self._device = network.device
        self._frames = frames
        self._alphabet, self._chooser = alphabet or OwnLevel(), chooser or Addressed()
        # The scores of two prompts fit into a processor's cache, those of many do not.
        self._prompts_at_once = 2 if self._device.platform == "cpu" else None
        on_gpu = self._device.platform == "gpu"
        self._unrolled = on_gpu if unrolled is None else unrolled
        self._steps = _fused_steps(network.config, not on_gpu) if fused else BY_MODULES
        setting = (
            network.config,
            frames,
            self._alphabet,
            self._chooser,
            self._prompts_at_once,
            self._unrolled,
            self._steps,
        )
        self._run = Program(self._sample, setting)

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
        """Samples one chunk of every row.

        Args:
            prompt: int32 [row, S].
            unprompted: int32 [row, S].
            temperature: float32 [row], >= 0; up to `GREEDY`, the most likely token is chosen.
            top_k: int32 [row], >= 0; 0 = no cut.
            guidance: float32 [row], >= 0; 0 = off.
            seed: int64 [row], >= 0.
            chunk: int64 [row], >= 0.
            conditions: of the past and of the chunk, with the prompt and without it; for a network
                that reads the past in its decoder.
            top_p: float32 [row], in [0, 1]; None = no cut, as 1.
            min_p: float32 [row], in [0, 1]; None = no cut, as 0.
            repetition: float32 [row]; None = off, as 0.

        Returns:
            int32 [row, frame, level], the alphabet's choices.
        """
        arguments = _arguments(
            prompt,
            unprompted,
            temperature,
            top_k,
            guidance,
            seed,
            chunk,
            conditions,
            top_p,
            min_p,
            repetition,
        )
        prompts, unprompted_ones, settings, both = jax.device_put(arguments, self._device)
        sampling = Sampling(*settings)
        return np.asarray(self._run(self._network.arrays, prompts, unprompted_ones, sampling, both))

    def lower(self, arguments: Mapping[str, Any]) -> jax.stages.Lowered:
        """Traces what a call with these arguments runs, to be compiled for an absent device."""
        shapes = shapes_on(self._device, _arguments(**arguments))
        prompts, unprompted, settings, both = shapes
        return self._run.lower(self._network.arrays, prompts, unprompted, Sampling(*settings), both)

    def _sample(
        self,
        arrays: Mapping[str, jax.Array],
        prompt: jax.Array,
        unprompted: jax.Array,
        sampling: Sampling,
        conditions: Conditions | None,
    ) -> jax.Array:
        return sample_chunk(
            self._network.around(arrays),
            prompt,
            unprompted,
            sampling,
            self._frames,
            self._alphabet,
            self._chooser,
            self._prompts_at_once,
            conditions,
            self._unrolled,
            self._steps,
        )


def _fused_steps(config: DepthformerConfig, interpret: bool) -> DecoderSteps:
    from soundstage.stages.depthformer.fused_steps import FusedSteps, check_widths  # Pallas: late

    check_widths(config)
    return FusedSteps(interpret)


def _arguments(
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
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray | None, ...], Conditions | None]:
    """Returns prompts, the values of `Sampling`, and the conditions of all prompts."""
    settings = (
        np.asarray(temperature, np.float32),
        np.asarray(top_k, np.int32),
        np.asarray(guidance, np.float32),
        words(seed),
        words(chunk),
        *(
            None if values is None else np.asarray(values, np.float32)
            for values in (top_p, min_p, repetition)
        ),
    )
    both = None if conditions is None else _stacked(*conditions)
    return np.asarray(prompt, np.int32), np.asarray(unprompted, np.int32), settings, both


def _stacked(first: Conditions, second: Conditions) -> Conditions:
    beats = np.concatenate([first.beats, second.beats])
    return Conditions(beats, np.concatenate([first.sound, second.sound]))


def words(numbers: np.ndarray) -> np.ndarray:
    """Splits integers in [0, 2^63) into high and low words: int64 [row] -> uint32 [row, 2].

    JAX has 64-bit integers only if they are enabled for the whole process.
    """
    numbers = np.asarray(numbers).astype(np.uint64)
    return np.stack([numbers >> np.uint64(32), numbers & np.uint64(0xFFFFFFFF)], 1).astype(
        np.uint32
    )
