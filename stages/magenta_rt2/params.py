"""Settings of the stage of the frame model, and how it fits a music format."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from soundstage.graph.format import Format
from soundstage.stages.magenta_rt2.config import MagentaRt2Config, Size, config_of_size
from soundstage.stages.precision import (
    Precision,
    Products,
    activation_type,
    check_device,
    check_precision,
)
from soundstage.stages.settings_checks import check_weights_setting

if TYPE_CHECKING:
    import jax


@dataclass(frozen=True)
class FrameModelParams:
    """Settings of `Step`.

    Attributes:
        weights: `random:SEED`, a path, or the name of a model; see
            `stages.weights.sources.open_source`.
        size: "tiny" (for tests), "small" or "base".
        dtype: type of the activations; "auto" is bfloat16 on accelerators, float32 elsewhere.
            "int8", for CPUs: weights are rounded to 8 bits with a scale an output, and what they
            multiply to 16 bits with a scale a row; it needs the extra `cpu`. "bfloat16" with packed
            products: the weights alone are rounded.
        products: who multiplies: "xla", "packed", or "fused". "packed", for CPUs:
            kernels that read packed weights once for all rows, from the extra `cpu`. "fused", for
            GPUs: half as many kernels, each of which reads its weights once. "auto" is "packed"
            with int8, else "xla". They round differently.

    Raises:
        ValueError: a value is not one of these.
    """

    weights: str
    size: Size = "small"
    dtype: Precision = "auto"
    products: Products = "auto"

    def __post_init__(self) -> None:
        config_of_size(self.size)
        check_precision(self.dtype, self.products)
        check_weights_setting(self.weights)


def fitted(params: FrameModelParams, format: Format, device: jax.Device) -> MagentaRt2Config:
    """Returns the sizes that params name, with the type of the activations on a device.

    Raises:
        ValueError: the model does not fit the music format; lists every size that differs.
    """
    config = config_of_size(params.size)
    sizes = (
        ("codec_levels", format.codec_levels, config.levels),
        ("codebook_size", format.codebook_size, config.codes),
        ("style_levels", format.style_levels, config.style_levels),
    )
    problems = [
        f"{name} is {value} in [format], but the model of size {params.size!r} has {needed}"
        for name, value, needed in sizes
        if value != needed
    ]
    past, needed = format.dims["context_frame"], config.reach + 1
    if past < needed:
        problems.append(
            f"context_s is {format.context_s:g} in [format], which is {past} frames, but the "
            f"model of size {params.size!r} reads {needed}: set context_s to at least "
            f"{needed / format.frame_rate_hz:g}"
        )
    if problems:
        raise ValueError("; ".join(problems))
    check_device(params.dtype, params.products, device.platform)
    return replace(
        config, activation_dtype=activation_type(params.dtype, params.products, device.platform)
    )
