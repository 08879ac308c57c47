"""Programs are traced from shapes alone, for a device that need not be there."""

from dataclasses import replace

import jax
import numpy as np
from accelerators.programs import TRACES
from depthformer_chunk import decoder_bytes, decoder_operations, encoder_operations
from flax import nnx

from soundstage.graph.format import Format
from soundstage.stages.depthformer.config import BASE, TINY
from soundstage.stages.depthformer.loading import abstract_depthformer, load_depthformer
from soundstage.stages.depthformer.sampler import ChunkSampler
from soundstage.stages.weights.sources import open_source

DEVICE = jax.devices("cpu")[0]
SMALL = replace(TINY, num_levels=3, codebook_size=32, vocab_size=128, temporal_buckets=8)


def test_program_from_shapes_samples_what_the_sampler_samples():
    model = load_depthformer(SMALL, open_source("random:3"), DEVICE)[0]
    prompt = np.arange(1, 7, dtype=np.int32).reshape(1, 6)
    named = {"temperature": 1.0, "top_k": 5, "guidance": 2.0, "seed": 7, "chunk": 1}
    arguments = {name: np.full(1, value) for name, value in named.items()}
    arguments |= {"prompt": prompt, "unprompted": prompt}
    lowered = ChunkSampler(abstract_depthformer(SMALL, DEVICE), 4).lower(arguments)
    assert lowered.as_text() == ChunkSampler(model, 4).lower(arguments).as_text()


def test_weights_in_bfloat16_keep_their_head_in_float32():
    model = abstract_depthformer(replace(SMALL, activation_dtype="bfloat16"), DEVICE)
    dtypes = {leaf.get_value().dtype.name for _, leaf in nnx.to_flat_state(nnx.state(model.module))}
    assert dtypes == {"bfloat16", "float32"}
    assert model.module.decoder.logits_dense.kernel.get_value().dtype == np.float32


def test_work_of_a_chunk_agrees_with_the_floor_of_the_benchmark():
    form = Format()
    traced = TRACES["sample"]("base", 2, "float32", DEVICE)
    encoder, frame, step = traced.parts
    chunk = BASE, 4, form.dims["prompt_token"], form.dims["frame"]
    read = 50 * frame.bytes_read + 800 * step.bytes_read
    done = 50 * frame.operations + 800 * step.operations
    # The benchmark leaves out norms, whose weights are few.
    assert abs(read / decoder_bytes(*chunk) - 1) < 0.002
    assert abs(done / decoder_operations(*chunk) - 1) < 0.002
    assert abs(encoder.operations / encoder_operations(*chunk[:3]) - 1) < 0.002
    assert traced.music_s == 4.0


def test_codec_programs_are_traced_with_their_work():
    for name, seconds in (("decode", 2.0), ("encode", 10.0)):
        traced = TRACES[name]("tiny", 1, "float32", DEVICE)
        (part,) = traced.parts
        assert traced.music_s == seconds
        assert part.bytes_read > 1e6
        assert part.operations > 1e8
        assert "func.func public @main" in traced.lowered.as_text()
