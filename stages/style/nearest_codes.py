"""Residual vector quantization of a few vectors, with NumPy: a process may do it without JAX."""

import numpy as np


class NearestCodes:
    """Picks, level by level, the code nearest to the residual of the levels before.

    Does what `stages.rvq.encode` does, up to rounding. Each vector is quantized by itself: its
    codes do not depend on the others.

    Attributes:
        codebooks: float32 [level, code, dim].
    """

    def __init__(self, codebooks: np.ndarray) -> None:
        self.codebooks = codebooks
        # A level at a time, which stays in the processor's cache.
        squares = [np.square(codebook).sum(axis=-1) for codebook in codebooks]
        self._squares = np.stack(squares)  # [level, code]

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Quantizes vectors.

        Args:
            vectors: float32 [vector, dim].

        Returns:
            int32 [vector, level], in [0, code). Among equally near codes, the lowest is picked.

        Source: "Quantisation in numpy" in the MusicCoCa spec.
        """
        codes = np.empty((len(vectors), len(self.codebooks)), np.int32)
        residuals = list(vectors)
        # A codebook has some megabytes: all vectors use it while it is in the processor's cache.
        for level, (codebook, squares) in enumerate(
            zip(self.codebooks, self._squares, strict=True)
        ):
            for index, residual in enumerate(residuals):
                # |residual|^2 is the same for every code, so it is left out of the distance.
                code = np.argmin(squares - 2 * (codebook @ residual))
                codes[index, level] = code
                residuals[index] = residual - codebook[code]
        return codes
