"""Everything the codec learns, in closed form but for k-means."""

from collections.abc import Callable

import numpy as np

from soundstage.stages.bandcodec.codec import BandCodecWeights
from soundstage.stages.bandcodec.measures import Measures
from soundstage.training.bandcodec.codebooks import fit_codebooks, nearest

# What keeps the rendering's least squares solvable, as a share of the mean variance.
RIDGE = 1e-4


def fit(
    features: np.ndarray,
    measures: Measures,
    seed: int = 0,
    on_level: Callable[[int], None] = lambda level: None,
) -> dict[str, np.ndarray]:
    """Fits the codec to what frames of music sound like.

    The analysis is a principal component analysis, the codebooks are k-means, and the rendering is
    the linear map from quantized embeddings around a frame to the frame that errs least.

    Args:
        features: float32 [piece, frame, feature], as `BandCodec.features` gives them.
        measures: what the codec is made for.
        seed: of the codebooks.
        on_level: told of each codebook that is done.

    Returns:
        The arrays of `BandCodecWeights` by their names, float32.
    """
    flat = features.reshape(-1, features.shape[2])
    mean = flat.mean(axis=0, dtype=np.float64).astype(np.float32)
    analysis = _principal(flat - mean, measures.width)
    embeddings = (flat - mean) @ analysis
    books = fit_codebooks(embeddings, measures.levels, measures.codes, seed=seed, on_level=on_level)
    # What a file keeps, so that the rendering is fitted to what it will be given.
    books = books.astype(np.float16).astype(np.float32)
    quantized = _quantized(embeddings, books).reshape(*features.shape[:2], -1)
    synthesis = _rendering(quantized, features - mean, measures.taps)
    return dict(zip(BandCodecWeights.names(), (mean, analysis, books, synthesis), strict=True))


def _principal(centred: np.ndarray, width: int) -> np.ndarray:
    covariance = np.zeros((centred.shape[1],) * 2)
    for block in np.array_split(centred, max(len(centred) // 100_000, 1)):
        covariance += (block.T @ block).astype(np.float64)
    vectors = np.linalg.eigh(covariance)[1][:, ::-1][:, :width]
    # Eigenvectors may point either way: their largest part is made positive.
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return vectors.astype(np.float32)


def _quantized(embeddings: np.ndarray, books: np.ndarray) -> np.ndarray:
    left = embeddings.copy()
    for book in books:
        left -= book[nearest(left, book)]
    return embeddings - left


def _rendering(quantized: np.ndarray, wanted: np.ndarray, taps: int) -> np.ndarray:
    """Least squares from the quantized frames around a frame; float32 [tap, width, feature]."""
    width, features = quantized.shape[2], wanted.shape[2]
    products = np.zeros((taps * width, taps * width))
    targets = np.zeros((taps * width, features))
    margin = taps // 2
    for piece, target in zip(quantized, wanted, strict=True):
        count = len(piece) - taps + 1
        around = np.concatenate([piece[tap : tap + count] for tap in range(taps)], axis=1)
        products += (around.T @ around).astype(np.float64)
        targets += (around.T @ target[margin : margin + count]).astype(np.float64)
    ridge = RIDGE * np.trace(products) / len(products)
    solved = np.linalg.solve(products + ridge * np.eye(len(products)), targets)
    return solved.reshape(taps, width, features).astype(np.float32)
