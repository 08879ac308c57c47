"""A band codec without quantization loss for one piece of audio, and a chord."""

import jax
import numpy as np

from soundstage.stages.bandcodec.codec import BandCodec
from soundstage.stages.bandcodec.measures import MEASURES
from soundstage.stages.bandcodec.weights import BandCodecWeights, weight_shapes

RATE_HZ = MEASURES.sample_rate_hz


def lossless(audio: np.ndarray) -> BandCodec:
    """A codec whose first level has a code for each frame; float32 [sample, channel]."""
    frames = BandCodec(MEASURES, blank()).features(audio[None])[0]
    mean = frames.mean(axis=0)
    _, _, vectors = np.linalg.svd(frames - mean, full_matrices=False)
    vectors = vectors[: MEASURES.width]
    analysis = np.zeros((MEASURES.features, MEASURES.width), np.float32)
    analysis[:, : len(vectors)] = vectors.T
    weights = blank()
    weights.codebooks[0, : len(frames)] = (frames - mean) @ analysis
    weights.synthesis[MEASURES.past_taps] = analysis.T
    return BandCodec(MEASURES, weights._replace(mean=mean, analysis=analysis))


def blank() -> BandCodecWeights:
    """Weights that are all 0."""
    return jax.tree.map(
        lambda shape: np.zeros(shape, np.float32),
        weight_shapes(MEASURES),
        is_leaf=lambda node: isinstance(node[0], int),
    )


def chord(frames: int) -> np.ndarray:
    """A chord that lies to the left, under a soft attack; float32 [sample, channel]."""
    at_s = np.arange(frames * MEASURES.frame_samples) / RATE_HZ
    sound = sum(np.sin(2 * np.pi * hertz * at_s) for hertz in (220.0, 277.2, 329.6, 880.0))
    sound = 0.1 * sound * np.minimum(at_s / 0.1, 1)
    return np.stack([sound, 0.25 * sound], axis=1).astype(np.float32)
