"""Transposed convolutions whose gradients are cheap on a CPU.

A transposed convolution is the adjoint of a strided one, so its gradients are a strided
convolution and the kernel gradient of that convolution. XLA does not recognise this: its gradient
of `upsample_by_phases` takes up to 80 times as long.
"""

from functools import partial

import jax
import jax.numpy as jnp

from soundstage.stages.spectrostream.blocks import convolve, upsample_by_phases

Stride = tuple[int, int]


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def upsample(x: jax.Array, kernel: jax.Array, stride: Stride) -> jax.Array:
    """Computes what `upsample_by_phases` computes, by the same operations.

    Args:
        x: float32 [row, time, bin, in].
        kernel: float32 [time tap, bin tap, in, out].
        stride: output steps per input step, along time and along bins.

    Returns:
        float32 [row, time * stride, bin * stride, out].
    """
    return upsample_by_phases(x, kernel, stride)


def _forward(
    x: jax.Array, kernel: jax.Array, stride: Stride
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return upsample_by_phases(x, kernel, stride), (x, kernel)


def _backward(
    stride: Stride, saved: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    padding = _padding(kernel.shape, stride)
    of_x, pull = jax.vjp(
        lambda strided: convolve(gradient, strided, stride, padding), _adjoint(kernel)
    )
    return of_x, _adjoint(pull(x)[0])


upsample.defvjp(_forward, _backward)


def _adjoint(kernel: jax.Array) -> jax.Array:
    """The kernel of the strided convolution: taps reversed, inputs and outputs swapped."""
    return jnp.flip(kernel, (0, 1)).swapaxes(2, 3)


def _padding(shape: tuple[int, ...], stride: Stride) -> tuple[tuple[int, int], tuple[int, int]]:
    """Zeros around the strided convolution's input; causal along time, centred along bins."""
    around = shape[1] + stride[1] - 2
    cut = shape[1] - 1 - -(-around // 2)  # outputs cut off before the first bin
    return (0, shape[0] - stride[0]), (cut, shape[1] - stride[1] - cut)
