"""The programs of the stages, traced for a device that need not be there, and their work."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from spectrostream_codec import decoder_operations, encoder_operations

from soundstage.graph.format import Format
from soundstage.stages.depthformer.conditions import FREE, SOUNDS, Conditions
from soundstage.stages.depthformer.config import DepthformerConfig, Size, config_of_size
from soundstage.stages.depthformer.loading import abstract_depthformer
from soundstage.stages.depthformer.model import Depthformer
from soundstage.stages.depthformer.sampler import ChunkSampler
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.stages.magenta_rt2 import config as sizes
from soundstage.stages.magenta_rt2.loading import abstract_magenta_rt2
from soundstage.stages.magenta_rt2.sampler import lower_frames
from soundstage.stages.spectrostream.codec import abstract_codec
from soundstage.stages.spectrostream.config import DEMO, FULL, TINY

# Seconds of a frame of Magenta RealTime 2.
FRAME_S = 0.04
CODECS = {"tiny": TINY, "small": FULL, "demo": DEMO, "base": FULL, "large": FULL}


@dataclass(frozen=True)
class Part:
    """A part of a program's work: what memory and matrix products must do at least.

    Attributes:
        name: such as "a frame".
        runs: how often it runs.
        bytes_read: by one run: weights, and keys and values of prompts.
        operations: floating-point operations of one run.
    """

    name: str
    runs: int
    bytes_read: float
    operations: float


@dataclass(frozen=True)
class TracedProgram:
    """A program that can be compiled.

    Attributes:
        lowered: the traced program.
        parts: its work.
        dtype: the type of the activations.
        music_s: seconds of music that a run makes or reads, of all rows.
    """

    lowered: jax.stages.Lowered
    parts: list[Part]
    dtype: str
    music_s: float


def trace_sample(
    size: Size, rows: int, dtype: str, device: jax.Device, fused: bool = False
) -> TracedProgram:
    """Traces `sample`: one chunk, guided, with top k; `fused` for steps of few kernels."""
    form = Format()
    config = replace(config_of_size(size), activation_dtype=dtype)
    network = abstract_depthformer(config, device)
    draw, dims = np.random.default_rng(0), form.dims
    past = (rows, dims["context_frame"], form.codec_levels)
    style = draw.integers(0, form.codebook_size, (rows, form.style_levels))
    vocabulary = Vocabulary.of(form)
    prompt = vocabulary.pack(draw.integers(0, form.codebook_size, past), style)
    same = {"temperature": 1.1, "top_k": 40, "guidance": 5.0, "seed": 7, "chunk": 0}
    arguments: dict[str, Any] = {name: np.full(rows, value) for name, value in same.items()}
    arguments |= {"prompt": prompt, "unprompted": vocabulary.unprompted(prompt)}
    if config.past_levels:
        arguments["conditions"] = (_free(rows, form), _free(rows, form))
    sampler = ChunkSampler(network, dims["frame"], fused=fused)
    lowered = sampler.lower(arguments)
    parts = _sample_parts(config, network.module, 2 * rows, form)
    return TracedProgram(lowered, parts, dtype, rows * form.chunk_s)


def _free(rows: int, form: Format) -> Conditions:
    shape = (rows, form.dims["window_frame"])
    return Conditions(np.full(shape, FREE, np.float32), np.full((*shape, SOUNDS), FREE, np.float32))


def _sample_parts(
    config: DepthformerConfig, model: Depthformer, batch: int, form: Format
) -> list[Part]:
    # An encoder that does not read the past reads the style alone.
    read = form.style_levels if config.past_levels else form.dims["prompt_token"]
    frames, inner = form.dims["frame"], config.num_heads * config.head_dim
    arrays = Arrays.of(model)
    crossed = r"encoder_decoder_attention/(key|value)/"
    encoder = arrays.named(rf"^encoder/|{crossed}")
    temporal = arrays.named(rf"temporal_decoder/layers/(?!.*{crossed})")
    depth = arrays.named(r"depth_layers/|decoder_norm/")
    head = config.embed_dim * config.codebook_size  # in float32
    # The keys and values of the prompts.
    seen = 2 * batch * read * inner * config.num_temporal_layers
    attended = 2 * read * inner * config.num_encoder_layers
    return [
        Part("encoder", 1, encoder.bytes, 2 * batch * read * (encoder.numbers + attended)),
        Part(
            "a frame",
            frames,
            temporal.bytes + seen * jnp.dtype(config.activation_dtype).itemsize,
            2 * (batch * temporal.numbers + seen),
        ),
        Part(
            "a level step",
            frames * config.num_levels,
            depth.bytes + 4 * head,
            2 * batch * (depth.numbers + head),
        ),
    ]


@dataclass(frozen=True)
class Arrays:
    """Shapes and dtypes of a network's weights by name."""

    shapes: Mapping[str, jax.ShapeDtypeStruct]

    @classmethod
    def of(cls, model: nnx.Module) -> Arrays:
        """Returns the weights of a network by the path of attributes and indices."""
        state = nnx.to_flat_state(nnx.state(model))
        return cls({"/".join(map(str, path)): leaf.get_value() for path, leaf in state})

    def named(self, pattern: str) -> Arrays:
        """Returns those in whose names a regular expression occurs."""
        return Arrays({name: x for name, x in self.shapes.items() if re.search(pattern, name)})

    @property
    def numbers(self) -> int:
        """How many numbers they are."""
        return sum(math.prod(x.shape) for x in self.shapes.values())

    @property
    def bytes(self) -> int:
        """How many bytes they are."""
        return sum(math.prod(x.shape) * x.dtype.itemsize for x in self.shapes.values())


def trace_step(
    size: str, rows: int, dtype: str, device: jax.Device, fused: bool = False
) -> TracedProgram:
    """Traces `step` of Magenta RealTime 2: one frame, with top k; `fused` for few kernels."""
    config = replace(sizes.config_of_size(size), activation_dtype=dtype)
    model = abstract_magenta_rt2(config, device)
    arrays = Arrays.of(model)
    layers, levels = arrays.named("temporal_body/"), arrays.named("depth_body/(?!to_logits)")
    head = config.depth.dim * config.codes
    # Keys and values of earlier frames.
    temporal = config.temporal
    places = temporal.layers * temporal.heads * temporal.head
    seen = 2 * rows * places * (config.window_self + config.window_cross)
    item = jnp.dtype(dtype).itemsize
    parts = [
        Part(
            "the layers over frames",
            1,
            layers.bytes + item * seen,
            2 * (rows * layers.numbers + seen),
        ),
        Part(
            "a level step",
            config.levels,
            levels.bytes + item * head,
            2 * rows * (levels.numbers + head),
        ),
    ]
    lowered = lower_frames(model, rows, 1, device, fused)
    return TracedProgram(lowered, parts, dtype, rows * FRAME_S)


def trace_decode(size: Size, rows: int, dtype: str, device: jax.Device) -> TracedProgram:
    """Traces `decode` of SpectroStream, always float32: a chunk and the frame before it."""
    form, config = Format(), CODECS[size]
    frames = form.dims["frame"] + form.fade_frames
    codes = np.zeros((rows, frames, min(form.codec_levels, config.levels)), np.int32)
    operations = decoder_operations(config, frames + config.decoder_lookahead)
    lowered = abstract_codec(config, device).lower_decode(codes)
    part = Part("a chunk", 1, _argument_bytes(lowered), rows * operations)
    return TracedProgram(lowered, [part], "float32", rows * form.chunk_s)


def trace_encode(size: Size, rows: int, dtype: str, device: jax.Device) -> TracedProgram:
    """Traces `encode` of SpectroStream, always float32: audio as long as the context."""
    form, config = Format(), CODECS[size]
    samples = round(form.context_s * config.sample_rate_hz)
    audio = np.zeros((rows, samples, config.channels), np.float32)
    levels = min(form.codec_levels, config.levels)
    operations = encoder_operations(config, math.ceil(samples / config.hop_samples))
    lowered = abstract_codec(config, device).lower_encode(audio, levels)
    part = Part(f"{form.context_s:g} s", 1, _argument_bytes(lowered), rows * operations)
    return TracedProgram(lowered, [part], "float32", rows * form.context_s)


def _argument_bytes(lowered: jax.stages.Lowered) -> int:
    arguments = jax.tree.leaves(lowered.args_info)
    return sum(math.prod(each.shape) * np.dtype(each.dtype).itemsize for each in arguments)


TRACES = {
    "sample": trace_sample,
    "step": trace_step,
    "decode": trace_decode,
    "encode": trace_encode,
}
