"""The weights of the codec, and their names and shapes in a file."""

from typing import Any, NamedTuple

import jax
import numpy as np

from soundstage.stages.bandcodec.measures import Measures
from soundstage.stages.weights.array_source import ArraySource, arrays_digest, check_finite


class Dense(NamedTuple):
    """A layer: `x @ kernel + bias`.

    Attributes:
        kernel: float32 [input, output].
        bias: float32 [output].
    """

    kernel: jax.Array
    bias: jax.Array

    def __call__(self, x: jax.Array) -> jax.Array:
        """Applies the layer: float32 [vector, input] to float32 [vector, output]."""
        return x @ self.kernel + self.bias[None]


class NetworkWeights(NamedTuple):
    """The network that refines the linear rendering; see `stages.bandcodec.rendering`.

    Attributes:
        around: from the scaled embeddings around a frame to a hidden frame.
        frame: from a hidden frame to its change.
        hops: from a hidden frame to its hidden spectra, one after the other.
        hop: from a hidden spectrum to its change.
        bins: from a hidden spectrum to the change of each bin's loudness, in nepers.
        sides: from a hidden spectrum to the change of each bin's loudness in the right channel
            relative to the left one, in nepers.
    """

    around: Dense
    frame: Dense
    hops: Dense
    hop: Dense
    bins: Dense
    sides: Dense


class BandCodecWeights(NamedTuple):
    """The weights of the codec.

    Attributes:
        mean: float32 [feature]; the mean frame.
        analysis: float32 [feature, width]; orthonormal columns.
        codebooks: float32 [level, code, width].
        synthesis: float32 [tap, width, feature]; from the embeddings around a frame to the frame.
        scale: float32 [width]; brings embeddings to the size that the network takes.
        network: refines what `synthesis` renders.
    """

    mean: jax.Array
    analysis: jax.Array
    codebooks: jax.Array
    synthesis: jax.Array
    scale: jax.Array
    network: NetworkWeights


def weight_names() -> tuple[str, ...]:
    """Returns the arrays' names in a file, in the order of the leaves of the weights."""
    linear = ("analysis/bias", "analysis/kernel", "quantizer/embedding", "synthesis/kernel")
    network = [
        f"network/{layer}/{part}" for layer in NetworkWeights._fields for part in Dense._fields
    ]
    return (*linear, "network/scale", *network)


def weight_shapes(measures: Measures) -> Any:
    """Returns the shapes of the weights: `BandCodecWeights` with a shape in place of each array."""
    m = measures
    books = (m.levels, m.codes, m.width)

    def dense(inputs: int, outputs: int) -> Any:
        shapes: Any = ((inputs, outputs), (outputs,))
        return Dense(*shapes)

    network = NetworkWeights(
        around=dense(m.taps * m.width, m.hidden),
        frame=dense(m.hidden, m.hidden),
        hops=dense(m.hidden, m.hops * m.hop_hidden),
        hop=dense(m.hop_hidden, m.hop_hidden),
        bins=dense(m.hop_hidden, m.bins),
        sides=dense(m.hop_hidden, m.bins),
    )
    analysis, synthesis = (m.features, m.width), (m.taps, m.width, m.features)
    shapes: Any = ((m.features,), analysis, books, synthesis, (m.width,), network)
    return BandCodecWeights(*shapes)


def read_weights(measures: Measures, source: ArraySource) -> tuple[BandCodecWeights, str]:
    """Reads the weights.

    Args:
        measures: the codec's sizes.
        source: has the arrays of `weight_names()`.

    Returns:
        The weights, and the SHA-256 of the arrays as hex digits.

    Raises:
        WeightsError: an array is missing, has another shape, or is not finite.
    """
    shapes, structure = jax.tree.flatten(weight_shapes(measures), is_leaf=_is_shape)
    arrays = {
        name: source.read(name, shape) for name, shape in zip(weight_names(), shapes, strict=True)
    }
    for name, array in arrays.items():
        check_finite(source.note, name, array)
    weights = jax.tree.unflatten(structure, [jax.device_put(array) for array in arrays.values()])
    return weights, arrays_digest(arrays)


def named_arrays(weights: BandCodecWeights) -> dict[str, np.ndarray]:
    """Returns the arrays by name, as NumPy arrays."""
    leaves = jax.tree.leaves(weights)
    return {name: np.asarray(leaf) for name, leaf in zip(weight_names(), leaves, strict=True)}


def _is_shape(node: object) -> bool:
    return isinstance(node, tuple) and all(isinstance(part, int) for part in node)
