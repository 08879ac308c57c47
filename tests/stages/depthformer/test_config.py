"""The sizes of a Depthformer: as published, and impossible ones refused."""

import math
from dataclasses import asdict

import jax
import pytest
from flax import nnx

from soundstage.graph.format import Format
from soundstage.stages.depthformer import Sample
from soundstage.stages.depthformer.config import (
    BASE,
    LARGE,
    TINY,
    DepthformerConfig,
    config_of_size,
)
from soundstage.stages.depthformer.loading import depthformer_maker, published_name
from soundstage.stages.weights.modules import structure


def shapes(config):
    _, state = structure(depthformer_maker(config))
    return {
        published_name("/".join(map(str, path))): leaf.shape
        for path, leaf in nnx.to_flat_state(state)
    }


def test_base_has_the_published_arrays():
    base = shapes(BASE)
    assert len(base) == 430
    assert sum(map(math.prod, base.values())) == pytest.approx(347.9e6, rel=1e-4)


def test_large_has_about_the_published_parameter_count():
    assert sum(map(math.prod, shapes(LARGE).values())) == pytest.approx(760e6, rel=0.01)


def test_parameter_names_are_the_published_ones():
    names = shapes(TINY)
    layer = "decoder/decoder/temporal_decoder/layers_1/"
    for name, shape in {
        "token_embedder/embedding": (29824, 32),
        "encoder/layers_0/attention/query/kernel": (32, 32),
        "encoder/encoder_norm/scale": (32,),
        layer + "encoder_decoder_attention/out/kernel": (32, 32),
        layer + "pre_cross_attention_layer_norm/scale": (32,),
        "decoder/decoder/temporal_decoder/relpos_bias/rel_embedding": (2, 128),
        "decoder/decoder/depth_decoder/depth_layers_0/mlp/wi_1/kernel": (32, 64),
        "decoder/decoder/depth_decoder/relpos_bias_depth/rel_embedding": (2, 16),
        "decoder/decoder_norm/scale": (32,),
        "decoder/logits_dense/kernel": (32, 29824),
    }.items():
        assert names[name] == shape


def test_config_of_a_recording_is_read():
    assert DepthformerConfig.from_json({"model": "depthformer", **asdict(TINY)}) == TINY


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_layers": 3}, "unknown key 'num_layers'"),
        ({"model": "spectrostream"}, "model is 'spectrostream', but must be"),
        ({"embed_dim": 0}, "embed_dim must be a whole number >= 1, got 0"),
        ({"num_heads": 2.5}, "num_heads must be a whole number >= 1, got 2.5"),
        ({"num_heads": True}, "num_heads must be a whole number >= 1, got True"),
        ({"activation_dtype": "float16"}, "float16"),
        ({"vocab_size": 1000}, "vocab_size = 1000 cannot hold 16 levels"),
    ],
)
def test_bad_config_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        DepthformerConfig.from_json({**asdict(TINY), **change})


def test_missing_size_is_named():
    with pytest.raises(ValueError, match="lacks mlp_dim"):
        DepthformerConfig.from_json({k: v for k, v in asdict(TINY).items() if k != "mlp_dim"})


def test_unknown_size_is_refused():
    with pytest.raises(ValueError, match="tiny, demo, base, large, got 'huge'"):
        config_of_size("huge")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"weights": "random:0", "size": "huge"}, "size must be one of"),
        ({"weights": "random:0", "dtype": "float64"}, "dtype must be one of"),
        ({"weights": ""}, "weights must be"),
    ],
)
def test_bad_stage_parameters_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        Sample.Params(**params)


def test_missing_weights_are_refused():
    params = Sample.Params(weights="./no-such.safetensors", size="tiny")
    with pytest.raises(ValueError, match="no such file"):
        Sample(params, Format(), jax.devices()[0])
