"""Converted weights hold the same numbers, rounded only on request, and are written by array."""

import io
import math
import tracemalloc

import numpy as np
import pytest
import safetensors
from safetensors.numpy import load_file, save_file

from soundstage.stages.depthformer.compact import EMBEDDING, HEAD
from soundstage.stages.weights.array_source import WeightsError
from soundstage.stages.weights.conversion import plan_conversion
from soundstage.stages.weights.sources import open_source

DEPTHFORMER = {EMBEDDING: (12, 4), HEAD: (4, 12), "encoder/layers_0/mlp/wi_0/kernel": (4, 6)}
CODEC = {"quantizer/embedding": (2, 8, 4), "decoder/base_conv_first/conv/kernel": (3, 3, 4, 4)}


def saved(path, shapes, scale=1.0):
    numbers = np.random.default_rng(0)
    arrays = {
        name: (scale * numbers.standard_normal(shape)).astype(np.float32)
        for name, shape in shapes.items()
    }
    save_file(arrays, path)
    return arrays


def converted(source, path, dtype="float32"):
    plan = plan_conversion(source, dtype)
    with path.open("wb") as stream:
        plan.write(source, stream, lambda done: None)
    assert path.stat().st_size == plan.file_bytes
    return plan


@pytest.mark.parametrize("shapes", [DEPTHFORMER, CODEC], ids=["depthformer", "codec"])
def test_converted_file_holds_the_same_numbers(tmp_path, shapes):
    arrays = saved(tmp_path / "a.safetensors", shapes)
    converted(open_source(str(tmp_path / "a.safetensors")), tmp_path / "b.safetensors")
    loaded = load_file(tmp_path / "b.safetensors")
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array, strict=True)


def test_conversion_to_bfloat16_rounds_all_arrays_but_the_head(tmp_path):
    arrays = saved(tmp_path / "a.safetensors", DEPTHFORMER)
    plan = converted(
        open_source(str(tmp_path / "a.safetensors")), tmp_path / "b.safetensors", "bfloat16"
    )
    rest = sum(math.prod(shape) for name, shape in DEPTHFORMER.items() if name != HEAD)
    assert plan.data_bytes == 2 * rest + 4 * math.prod(DEPTHFORMER[HEAD])
    again = open_source(str(tmp_path / "b.safetensors"))
    for name, array in arrays.items():
        error = np.abs(again.read(name, array.shape) - array)
        assert (error <= (0 if name == HEAD else np.abs(array) / 256)).all()
        assert name == HEAD or error.max() > 0


def test_conversion_leaves_out_arrays_of_other_networks(tmp_path):
    saved(tmp_path / "a.safetensors", CODEC | {"depthformer/x/kernel": (2, 2)})
    plan = plan_conversion(open_source(str(tmp_path / "a.safetensors")), "float32")
    assert (plan.network, plan.shapes) == ("spectrostream", dict(sorted(CODEC.items())))


@pytest.mark.parametrize(
    ("text", "shapes", "dtype", "reason"),
    [
        ("random:0", None, "float32", "random weights have no file to convert"),
        (None, {"other/kernel": (2, 2)}, "float32", "neither a Depthformer, nor a frame"),
        (None, CODEC, "bfloat16", "computes in float32"),
    ],
    ids=["random", "stranger", "codec-in-bfloat16"],
)
def test_unknown_networks_and_types_are_not_converted(tmp_path, text, shapes, dtype, reason):
    if shapes:
        saved(tmp_path / "a.safetensors", shapes)
    with pytest.raises(WeightsError, match=reason):
        plan_conversion(open_source(text or str(tmp_path / "a.safetensors")), dtype)


def test_conversion_refuses_infinite_numbers(tmp_path):
    saved(tmp_path / "a.safetensors", CODEC, scale=np.inf)
    source = open_source(str(tmp_path / "a.safetensors"))
    with pytest.raises(WeightsError, match="NaN or infinity"):
        plan_conversion(source, "float32").write(source, io.BytesIO(), lambda done: None)


def test_truncated_converted_file_cannot_be_loaded(tmp_path):
    saved(tmp_path / "a.safetensors", CODEC)
    converted(open_source(str(tmp_path / "a.safetensors")), tmp_path / "b.safetensors")
    whole = (tmp_path / "b.safetensors").read_bytes()
    (tmp_path / "b.safetensors").write_bytes(whole[:-1])
    with pytest.raises(safetensors.SafetensorError):
        load_file(tmp_path / "b.safetensors")


def test_conversion_holds_no_copy_of_the_weights_in_memory(tmp_path):
    layers = {f"encoder/layers_{i}/mlp/wi_0/kernel": (256, 1024) for i in range(24)}
    saved(tmp_path / "a.safetensors", layers | {EMBEDDING: (512, 256), HEAD: (256, 512)})
    source = open_source(str(tmp_path / "a.safetensors"))
    tracemalloc.start()
    plan = converted(source, tmp_path / "b.safetensors", "bfloat16")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.3 * plan.data_bytes


def test_frame_model_is_converted_without_the_codec_beside_it(tmp_path):
    shapes = {
        "params/depthformer/decoder/decoder_embedding/embedding/embedding": (8, 4),
        "params/depthformer/encoder/body/encoder_ln/scale": (4,),
        "params/soundstream/quantizer/embedding": (1, 2, 3),
    }
    saved(tmp_path / "a.safetensors", shapes)
    plan = plan_conversion(open_source(str(tmp_path / "a.safetensors")), "bfloat16")
    assert plan.network == "magenta-rt-2"
    assert {name.rsplit("/", 1)[1]: dtype for name, dtype in plan.dtypes.items()} == {
        "embedding": "bfloat16",
        "scale": "float32",
    }
