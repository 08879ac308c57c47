"""The features of a corpus's frames, which the band codec is fitted to."""

from collections.abc import Callable, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from soundstage.audio.clips import read_audio
from soundstage.stages.bandcodec.codec import BandCodec, BandCodecWeights
from soundstage.stages.bandcodec.measures import Measures

# All pieces are read in windows of one length, so that one program is compiled.
WINDOW_FRAMES = 1000
LONGEST_S = 3600.0


def unfitted(measures: Measures) -> BandCodec:
    """Makes a codec with weights 0; its `features` do not depend on weights."""
    return BandCodec(
        measures,
        BandCodecWeights(*(jnp.zeros(shape) for shape in BandCodecWeights.shapes(measures))),
    )


def read_features(
    paths: Sequence[Path],
    measures: Measures,
    window_frames: int = WINDOW_FRAMES,
    on_piece: Callable[[int], None] = lambda done: None,
) -> np.ndarray:
    """Reads the features of the first frames of every piece; short pieces are padded with silence.

    Args:
        paths: audio files.
        measures: the codec's sizes.
        window_frames: frames of a piece.
        on_piece: called with the number of finished pieces.

    Returns:
        float32 [piece, frame, feature].

    Raises:
        InputError: a file cannot be read as audio.
    """
    codec = unfitted(measures)
    samples = window_frames * measures.frame_samples
    features = np.empty((len(paths), window_frames, measures.features), np.float32)
    for number, path in enumerate(paths):
        audio = read_audio(path, measures.sample_rate_hz, measures.channels, LONGEST_S)[:samples]
        padded = np.zeros((1, samples, measures.channels), np.float32)
        padded[0, : len(audio)] = audio
        features[number] = codec.features(padded)[0]
        on_piece(number + 1)
    return features
