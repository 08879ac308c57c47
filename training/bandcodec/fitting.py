"""Fits all weights of the band codec: principal components, k-means and least squares."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from soundstage.stages.bandcodec.measures import Measures
from soundstage.stages.bandcodec.weights import BandCodecWeights
from soundstage.training.bandcodec.codebooks import BLOCK, fit_codebooks, principal_axes
from soundstage.training.bandcodec.network import new_network
from soundstage.training.residual_codebooks import encode

# Penalty that keeps the rendering's least squares solvable, as a share of the mean variance.
RIDGE = 1e-4
# Share of the mean variance below which a dimension counts less in what the network takes.
SMALL = 0.1


def fit(
    features: np.ndarray,
    measures: Measures,
    seed: int = 0,
    on_level: Callable[[int], None] = lambda level: None,
) -> BandCodecWeights:
    """Fits the codec to the features of music.

    The analysis is a principal component analysis, and the codebooks are fitted by k-means. The
    rendering is the linear map of least squared error from the quantized embeddings around a frame
    to the frame.

    Args:
        features: float32 [piece, frame, feature], as `BandCodec.features` returns them.
        measures: the codec's sizes.
        seed: the seed of the codebooks.
        on_level: called with the number of each codebook that is fitted.

    Returns:
        The weights, float32; the network changes nothing until it is trained.
    """
    flat = features.reshape(-1, features.shape[2])
    mean = flat.mean(axis=0, dtype=np.float64).astype(np.float32)
    analysis = principal_axes(flat - mean)[0][:, : measures.width]
    embeddings = (flat - mean) @ analysis
    books = fit_codebooks(embeddings, measures.levels, measures.codes, seed=seed, on_level=on_level)
    # Rounded as in the exported file, so that the rendering is fitted to the exported codebooks.
    books = books.astype(np.float16).astype(np.float32)
    quantized = embeddings - encode(embeddings, books, BLOCK)[1]
    spread = quantized.std(axis=0)
    scale = 1 / np.sqrt(np.square(spread) + SMALL * np.square(spread).mean())
    quantized = quantized.reshape(*features.shape[:2], -1)
    synthesis = _rendering(quantized, features - mean, measures)
    network = new_network(measures, seed)
    return BandCodecWeights(
        jnp.asarray(mean),
        jnp.asarray(analysis),
        jnp.asarray(books),
        jnp.asarray(synthesis),
        jnp.asarray(scale),
        network,
    )


def _rendering(quantized: np.ndarray, centred: np.ndarray, measures: Measures) -> np.ndarray:
    """Least squares from the quantized frames around a frame; float32 [tap, width, feature]."""
    taps, margin = measures.taps, measures.past_taps
    width, features = quantized.shape[2], centred.shape[2]
    products = np.zeros((taps * width, taps * width))
    targets = np.zeros((taps * width, features))
    for piece, target in zip(quantized, centred, strict=True):
        count = len(piece) - taps + 1
        around = np.concatenate([piece[tap : tap + count] for tap in range(taps)], axis=1)
        products += (around.T @ around).astype(np.float64)
        targets += (around.T @ target[margin : margin + count]).astype(np.float64)
    ridge = RIDGE * np.trace(products) / len(products)
    solved = np.linalg.solve(products + ridge * np.eye(len(products)), targets)
    return solved.reshape(taps, width, features).astype(np.float32)
