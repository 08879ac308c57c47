"""In which numbers a language model of music computes, and by which products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from soundstage.stages.weights.array_source import WeightsError

if TYPE_CHECKING:
    from soundstage.kernels.products import WeightType

Precision = Literal["auto", "float32", "bfloat16", "int8"]
Products = Literal["auto", "xla", "packed", "fused"]


def check_precision(dtype: Precision, products: Products) -> None:
    """Refuses settings that are unknown or exclude each other.

    Raises:
        ValueError: names the setting, its value, and what to write instead.
    """
    for name, value, known in (("dtype", dtype, Precision), ("products", products, Products)):
        if value not in get_args(known):
            raise ValueError(f"{name} must be one of {', '.join(get_args(known))}, got {value!r}")
    if dtype == "int8" and products in ("xla", "fused"):
        raise ValueError('dtype "int8" needs packed products: write products = "auto"')


def uses_packed(dtype: Precision, products: Products) -> bool:
    """Whether products are those of `kernels`, from packed weights."""
    return dtype == "int8" or products == "packed"


def check_device(dtype: Precision, products: Products, platform: str) -> None:
    """Refuses packed products on an accelerator, and fused ones on anything but a GPU.

    Raises:
        ValueError: names the setting and what to write instead.
    """
    if platform != "gpu" and products == "fused":
        raise ValueError(f'products "fused" are for GPUs, not {platform}: write products = "auto"')
    if platform != "cpu" and uses_packed(dtype, products):
        setting = 'dtype "int8" is' if dtype == "int8" else 'products "packed" are'
        name = "dtype" if dtype == "int8" else "products"
        raise ValueError(f'{setting} for CPUs, not {platform}: write {name} = "auto"')


def packed_type(dtype: Precision) -> WeightType:
    """Returns in which numbers weights are packed; activations are float32 with all of them."""
    return "float32" if dtype == "auto" else dtype


def activation_type(dtype: Precision, products: Products, platform: str) -> str:
    """Returns the type of the activations: "float32" or "bfloat16"."""
    if uses_packed(dtype, products):
        return "float32"
    if dtype != "auto":
        return dtype
    return "float32" if platform == "cpu" else "bfloat16"


def form_note(dtype: Precision, products: Products) -> str:
    """Returns what a note on weights says of their form; "" for XLA's products."""
    if products == "fused":
        return ", fused products"
    if not uses_packed(dtype, products):
        return ""
    rounded = {"int8": ", rounded to 8 bits", "bfloat16": ", rounded to bfloat16"}
    return rounded.get(dtype, "") + ", packed"


def without_numba(
    error: ModuleNotFoundError,
    what: str = "packed products",
    settings: str = 'dtype = "int8" and products = "packed"',
) -> WeightsError:
    """Returns the error of kernels whose compiler is not installed.

    Args:
        error: names the missing module.
        what: what needs it.
        settings: that ask for it.
    """
    return WeightsError(
        f"{what} need {error.name}, which is not installed: in soundstage's source folder, run pip "
        f"install '.[cpu]', or leave out {settings}"
    )
