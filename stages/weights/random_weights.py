"""Random weights, for tests and measurements; a network with them makes noise."""

import hashlib
import math
from collections.abc import Callable

import numpy as np

from soundstage.stages.weights.array_source import WeightsError

# Returns an array's values from standard normal numbers: (name, shape, z) -> values.
Initial = Callable[[str, tuple[int, ...], np.ndarray], np.ndarray]


def default_initial(name: str, shape: tuple[int, ...], z: np.ndarray) -> np.ndarray:
    """Scales standard normal numbers so that activations keep their size through the network.

    Args:
        name: bare published name; its last part decides.
        shape: the array's shape.
        z: standard normal, float32, of `shape`; may be overwritten.

    Returns:
        `kernel`: z / sqrt(fan in); `scale`: ones; `bias`: 0.1 z; `embedding` with a leading level
        axis: 0.8 * 0.93^level z; any other `*embedding`: z.

    Raises:
        WeightsError: the last part of the name is none of these.
    """
    kind = name.rsplit("/", 1)[-1]
    if kind == "kernel":
        z *= np.float32(1.0 / math.sqrt(math.prod(shape[:-1])))
        return z
    if kind == "scale":
        return np.ones(shape, np.float32)
    if kind == "bias":
        z *= np.float32(0.1)
        return z
    if kind.endswith("embedding"):
        if len(shape) == 3:
            levels = 0.8 * 0.93 ** np.arange(shape[0])
            z *= levels.astype(np.float32)[:, None, None]
        return z
    raise WeightsError(f"random weights: no rule for an array called {name}")


class RandomSource:
    """Random arrays made on demand; each depends only on (seed, name, shape).

    Args:
        seed: >= 0.
        initial: scaling of the standard normal numbers.
    """

    def __init__(self, seed: int, initial: Initial = default_initial) -> None:
        if seed < 0:
            raise WeightsError(f"random weights need a seed >= 0, got {seed}")
        self.seed = seed
        self.initial = initial
        self.note = f"random weights, seed {seed}: for tests"

    def names(self) -> None:
        """Returns None: an array of any name can be made."""
        return None

    def read(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Makes one float32 array of `shape`, the same on every call."""
        digest = hashlib.sha256(name.encode()).digest()
        entropy = [self.seed, *np.frombuffer(digest, "<u4").tolist(), *shape]
        # SFC64 is the fastest of NumPy's generators that pass the usual test batteries.
        generator = np.random.Generator(np.random.SFC64(np.random.SeedSequence(entropy)))
        z = generator.standard_normal(shape, dtype=np.float32)
        return np.asarray(self.initial(name, shape, z), np.float32)

    def close(self) -> None:
        """Does nothing: no file is open."""
