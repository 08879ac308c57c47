"""The features of a corpus's frames, which the band codec is fitted to."""

from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from soundstage.audio.clips import read_audio
from soundstage.stages.bandcodec.features import FrameFeatures
from soundstage.stages.bandcodec.measures import Measures

# All pieces are read in windows of one length, so that one program is compiled.
WINDOW_FRAMES = 1000
LONGEST_S = 3600.0


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
    compute = jax.jit(FrameFeatures(measures))
    samples = window_frames * measures.frame_samples
    features = np.empty((len(paths), window_frames, measures.features), np.float32)
    for number, path in enumerate(paths):
        audio = read_audio(path, measures.sample_rate_hz, measures.channels, LONGEST_S)[:samples]
        padded = np.zeros((samples, measures.channels), np.float32)
        padded[: len(audio)] = audio
        features[number] = compute(padded)
        on_piece(number + 1)
    return features
