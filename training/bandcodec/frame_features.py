"""What the frames of a corpus sound like."""

from collections.abc import Callable, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from soundstage.audio.clips import read_audio
from soundstage.stages.bandcodec.codec import BandCodec, BandCodecWeights
from soundstage.stages.bandcodec.measures import Measures

# Pieces are heard in windows of one length, so that one program is compiled.
WINDOW_FRAMES = 1000
LONGEST_S = 3600.0


def unfitted(measures: Measures) -> BandCodec:
    """A codec that has learned nothing yet: what frames sound like, it knows already."""
    return BandCodec(
        measures,
        BandCodecWeights(*(jnp.zeros(shape) for shape in BandCodecWeights.shapes(measures))),
    )


def hear(
    paths: Sequence[Path],
    measures: Measures,
    window_frames: int = WINDOW_FRAMES,
    on_piece: Callable[[int], None] = lambda done: None,
) -> np.ndarray:
    """The features of the first frames of every piece; shorter ones are filled up with silence.

    Args:
        paths: audio files.
        measures: of the codec.
        window_frames: frames of a piece.
        on_piece: told how many pieces are done.

    Returns:
        float32 [piece, frame, feature].

    Raises:
        InputError: a file cannot be read as audio.
    """
    codec = unfitted(measures)
    samples = window_frames * measures.frame_samples
    heard = np.empty((len(paths), window_frames, measures.features), np.float32)
    for number, path in enumerate(paths):
        audio = read_audio(path, measures.sample_rate_hz, measures.channels, LONGEST_S)[:samples]
        whole = np.zeros((1, samples, measures.channels), np.float32)
        whole[0, : len(audio)] = audio
        heard[number] = codec.features(whole)[0]
        on_piece(number + 1)
    return heard
