"""The published names of the frame model's arrays.

Source: the Magenta RealTime 2 spec, section 9.
"""

import re
from collections.abc import Iterable

# All arrays of the frame model, and one of them.
PREFIX = "depthformer/"
TABLE = f"{PREFIX}decoder/decoder_embedding/embedding/embedding"
_STYLE = "encoder/body/layers_1/branched_mulan_embedder/mulan_embedder"
_NAMES = (
    ("encoder/styles", f"{_STYLE}/mulan_dequantizer"),
    ("encoder/style_adapter", f"{_STYLE}/depth_input_adapter"),
    ("encoder/places", "encoder/body/layers_1/branched_regular_embedder/regular_embedder"),
    ("encoder/norm", "encoder/body/encoder_ln"),
    ("decoder_embedding", "decoder/decoder_embedding/embedding"),
    ("temporal_body", "decoder/temporal_body"),
    ("depth_body", "decoder/depth_body"),
)
_FLOAT32 = re.compile(r"/per_dim_scale$|_ln/(scale|bias)$")


def published_name(path: str) -> str:
    """Returns the published name of a parameter.

    Args:
        path: attribute names and list indices, joined by slashes.
    """
    name = re.sub(r"_body/layers/(\d+)", r"_body/transformer/x_layers_\1", path)
    for ours, theirs in _NAMES:
        name = re.sub(rf"^{ours}/", f"{theirs}/", name)
    return f"{PREFIX}{name}"


def kept_in_float32(names: Iterable[str]) -> tuple[str, ...]:
    """Returns the arrays that the network uses in float32 whatever the type of its activations."""
    return tuple(name for name in names if _FLOAT32.search(name))
