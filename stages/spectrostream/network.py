"""The codec as one tree of weights, and the names of its arrays in published files."""

import re
from collections.abc import Callable

from flax import nnx

from soundstage.stages.spectrostream.blocks import Upsample, unit_taps, upsample_by_phases
from soundstage.stages.spectrostream.config import SpectroStreamConfig
from soundstage.stages.spectrostream.decoder import Decoder
from soundstage.stages.spectrostream.encoder import Encoder

PARTS = ("encoder", "decoder", "quantizer")


class Quantizer(nnx.Module):
    """The codebooks, [level, code, feature]; see `stages.rvq`."""

    def __init__(self, config: SpectroStreamConfig, *, rngs: nnx.Rngs) -> None:
        shape = (config.levels, config.codes, config.features)
        self.embedding = nnx.Param(nnx.initializers.normal(1.0)(rngs.params(), shape))


class SpectroStream(nnx.Module):
    """The weights of a codec, or of some of its parts.

    Args:
        config: the sizes.
        parts: which of `PARTS` to build; the others are None.
        upsample: computes transposed convolutions.
        rngs: random numbers for the initial weights.
    """

    def __init__(
        self,
        config: SpectroStreamConfig,
        parts: tuple[str, ...] = PARTS,
        *,
        upsample: Upsample = upsample_by_phases,
        rngs: nnx.Rngs,
    ) -> None:
        with_decoder = "decoder" in parts
        self.encoder = Encoder(config, rngs=rngs) if "encoder" in parts else None
        self.decoder = Decoder(config, upsample=upsample, rngs=rngs) if with_decoder else None
        self.quantizer = Quantizer(config, rngs=rngs) if "quantizer" in parts else None


def published_name(config: SpectroStreamConfig) -> Callable[[str], str]:
    """Returns the function from parameter paths to published names.

    Args:
        config: the sizes; published names contain taps, which follow from the strides.

    Returns:
        A function that maps, for instance, "encoder/units/0/second/kernel" to
        "encoder/encoder_0/conv2d_3x4_a/conv/kernel".

    Source: the SpectroStream spec, sections 4, 9 and 11.
    """

    def name(path: str) -> str:
        path = re.sub(r"^(\w+)/units/(\d+)/", lambda m: f"{m[1]}/{m[1]}_{m[2]}/", path)
        path = path.replace("decoder/base_conv_last", "decoder/output_layer/base_conv_last")
        path = re.sub(r"(conv1x1_b[12])", r"shortcut_layer/\1", path)
        path = path.replace("/shortcut/", "/shortcut_layer/conv1x1/")
        path = _with_conv_names(config, path)
        return re.sub(r"/(kernel|bias)$", r"/conv/\1", path)

    return name


def _with_conv_names(config: SpectroStreamConfig, path: str) -> str:
    match = re.fullmatch(r"(encoder|decoder)/(\w+)/(first|second)/(\w+)", path)
    if not match:
        return path
    part, block, conv, leaf = match.groups()
    index = re.fullmatch(part + r"_(\d+)", block)
    ratios = config.ratios if part == "encoder" else config.ratios[::-1]
    stride = ratios[int(index[1])] if index else (1, 1)
    time_taps, bin_taps = unit_taps(stride)
    strides_with = "second" if part == "encoder" else "first"
    if conv != strides_with:
        conv_name = "conv2d_3x3"
    elif part == "encoder" or stride == (1, 1):
        conv_name = f"conv2d_{time_taps}x{bin_taps}_a"
    else:
        conv_name = f"conv2dtranspose_{time_taps}x{bin_taps}"
    return f"{part}/{block}/{conv_name}/{leaf}"
