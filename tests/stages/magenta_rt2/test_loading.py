"""Checkpoints of other models and sizes, and damaged ones, are refused with a clear line."""

import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

from soundstage.stages.magenta_rt2.config import config_of_size
from soundstage.stages.magenta_rt2.loading import load_magenta_rt2
from soundstage.stages.magenta_rt2.model import MagentaRt2
from soundstage.stages.magenta_rt2.names import published_name
from soundstage.stages.weights.array_source import WeightsError
from soundstage.stages.weights.modules import parameter_arrays
from soundstage.stages.weights.sources import open_source

TABLE = "params/depthformer/decoder/decoder_embedding/embedding/embedding"
LAYER = "params/depthformer/decoder/temporal_body/transformer/x_layers_{}/ffn/pre_norm/scale"


@pytest.fixture(scope="module")
def tiny():
    """The arrays of a model of size tiny."""
    model = MagentaRt2(config_of_size("tiny"))
    return parameter_arrays(nnx.merge(*nnx.split(model)), published_name)


def refused(folder, arrays, size="tiny"):
    """The message with which a file of these arrays is refused."""
    path = folder / "file.safetensors"
    save_file(arrays, path)
    with pytest.raises(WeightsError) as error:
        load_magenta_rt2(config_of_size(size), open_source(str(path)), None)
    return str(error.value)


def test_published_names_load(tiny, tmp_path):
    path = tmp_path / "file.safetensors"
    codec = {"params/soundstream/quantizer/embedding": np.zeros((1, 1, 1), np.float32)}
    save_file({f"params/{name}": array for name, array in tiny.items()} | codec, path)
    load_magenta_rt2(config_of_size("tiny"), open_source(str(path)), None)


def test_file_of_another_size_is_named(tmp_path):
    arrays = {LAYER.format(layer): np.zeros(1024, np.float32) for layer in range(12)}
    message = refused(tmp_path, arrays | {TABLE: np.zeros((12294, 1024), np.float16)})
    assert "holds the frame model of size 'small'" in message
    assert 'size = "small"' in message


def test_file_of_v1_is_named(tmp_path):
    message = refused(tmp_path, {"target/token_embedder/embedding": np.zeros((2, 2), np.float32)})
    assert "Magenta RealTime v1's Depthformer" in message


def test_file_of_the_codec_is_named(tmp_path):
    message = refused(tmp_path, {"quantizer/embedding": np.zeros((2, 2), np.float32)})
    assert "a codec" in message


def test_file_without_some_arrays_lists_them(tiny, tmp_path):
    kept = {name: array for name, array in tiny.items() if "x_layers_1/ffn" not in name}
    assert "lacks 6 arrays" in refused(tmp_path, kept)


def test_truncated_file_is_refused(tiny, tmp_path):
    path = tmp_path / "file.safetensors"
    save_file(tiny, path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match="not a complete safetensors file"):
        open_source(str(path))
