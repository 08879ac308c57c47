"""The floating-point type that a network computes with in training."""

from typing import Literal

import jax
import jax.numpy as jnp

Precision = Literal["auto", "float32", "bfloat16"]


def compute_dtype(choice: Precision, device: jax.Device | None = None) -> jnp.dtype:
    """Returns the type of activations; weights, optimizer and losses stay float32.

    Args:
        choice: "auto" = bfloat16 on an accelerator, where it is fast, and float32 on a CPU, where
            bfloat16 is slow.
        device: where training runs; None = JAX's default device.

    Raises:
        ValueError: the choice is not a `Precision`.
    """
    if choice not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"dtype must be auto, float32 or bfloat16, got {choice!r}")
    platform = device.platform if device is not None else jax.default_backend()
    if choice == "auto":
        choice = "float32" if platform == "cpu" else "bfloat16"
    return jnp.dtype(choice)
