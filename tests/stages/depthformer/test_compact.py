"""The compact form of a weights file gives the same network as the whole form."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from flax import nnx

from soundstage.graph.format import Format
from soundstage.stages.depthformer import Sample
from soundstage.stages.depthformer.compact import (
    EMBEDDING,
    HEAD,
    USED_EMBEDDING,
    USED_HEAD,
    compacted,
)
from soundstage.stages.depthformer.config import DEMO, TINY
from soundstage.stages.depthformer.loading import (
    depthformer_maker,
    load_depthformer,
    published_name,
)
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.stages.weights.array_source import WeightsError
from soundstage.stages.weights.modules import parameter_arrays, structure
from soundstage.stages.weights.safetensors_files import write_safetensors
from soundstage.stages.weights.sources import open_source

FORMAT = Format(chunk_s=0.16, context_s=0.4, codec_levels=4, style_levels=3, prompt_style_levels=2)
CONFIG = TINY.fitted(FORMAT)
VOCABULARY = Vocabulary.of(FORMAT)


@pytest.fixture(scope="module")
def whole():
    network, _, _ = load_depthformer(CONFIG, open_source("random:5"), None)
    return parameter_arrays(network.module, published_name)


@pytest.fixture
def compact_file(tmp_path, whole):
    path = tmp_path / "compact.safetensors"
    write_safetensors(compacted(whole, VOCABULARY), path, {})
    return path


def test_compact_file_is_read_with_zeros_in_unused_rows(whole, compact_file):
    network, _, note = load_depthformer(CONFIG, open_source(str(compact_file)), None)
    unfolded = parameter_arrays(network.module, published_name)
    assert note == "compact.safetensors"
    prompt = VOCABULARY.pack(np.full((1024, 1, 4), -1), np.tile(np.arange(1024)[:, None], 3))
    every_code = np.tile(np.arange(1024)[:, None], 4)
    read = {0, 1, *VOCABULARY.codec_ids(every_code).flat, *prompt.flat}
    rest = sorted(set(range(VOCABULARY.padded_size)) - read)
    rows = sorted(read)
    np.testing.assert_array_equal(unfolded[EMBEDDING][rows], whole[EMBEDDING][rows])
    assert not unfolded[EMBEDDING][rest].any()
    columns = sorted(VOCABULARY.codec_ids(every_code).flat)
    np.testing.assert_array_equal(unfolded[HEAD][:, columns], whole[HEAD][:, columns])
    for name in unfolded.keys() - {EMBEDDING, HEAD}:
        np.testing.assert_array_equal(unfolded[name], whole[name])


def test_stage_makes_the_same_tokens_from_either_form(tmp_path, whole, compact_file):
    path = tmp_path / "whole.safetensors"
    write_safetensors(whole, path, {})
    context = np.random.default_rng(0).integers(-1, 1024, (2, 10, 4))
    prompt = VOCABULARY.pack(context, np.array([[1, 2, 3], [1023, 0, 9]]))
    tokens = [
        Sample(Sample.Params(str(file), "tiny"), FORMAT, jax.devices()[0])(
            prompt,
            VOCABULARY.unprompted(prompt),
            temperature=np.full(2, 1, np.float32),
            top_k=np.full(2, 40, np.int32),
            guidance=np.full(2, 2, np.float32),
            seed=np.zeros(2, np.int64),
            chunk=np.zeros(2, np.int64),
        )["tokens"]
        for file in (path, compact_file)
    ]
    np.testing.assert_array_equal(*tokens)


def test_compact_file_for_another_size_or_format_is_refused(whole, compact_file, tmp_path):
    source = open_source(str(compact_file))
    with pytest.raises(WeightsError, match="has shape"):
        load_depthformer(replace(CONFIG, embed_dim=64), source, None)
    more_levels = replace(CONFIG, num_levels=8, vocab_size=CONFIG.vocab_size + 4 * 1024)
    with pytest.raises(WeightsError, match=r"used/(embedding|kernel) has shape"):
        load_depthformer(more_levels, source, None)
    arrays = compacted(whole, VOCABULARY)
    for removed in (USED_EMBEDDING, USED_HEAD):
        path = tmp_path / "part.safetensors"
        write_safetensors({k: v for k, v in arrays.items() if k != removed}, path, {})
        with pytest.raises(WeightsError, match=removed):
            load_depthformer(CONFIG, open_source(str(path)), None)


def test_demo_in_float16_takes_less_than_26_megabytes():
    vocabulary = Vocabulary.of(Format())
    _, state = structure(depthformer_maker(DEMO.fitted(Format())))
    arrays = {
        published_name("/".join(map(str, path))): np.broadcast_to(np.float16(0), leaf.shape)
        for path, leaf in nnx.to_flat_state(state)
    }
    assert sum(array.nbytes for array in compacted(arrays, vocabulary).values()) < 26e6
