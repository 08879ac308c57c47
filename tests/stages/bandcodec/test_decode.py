"""The decoder with an overlap: a function of a chunk and of the frames before it."""

import jax
import numpy as np
import pytest
from bandcodec_without_loss import chord, lossless

from soundstage.graph.format import Format
from soundstage.stages.bandcodec import Decode
from soundstage.stages.bandcodec.codec import RUN_IN_FRAMES
from soundstage.stages.bandcodec.measures import MEASURES
from soundstage.stages.bandcodec.stage import BandCodecParams

FORMAT = Format(chunk_s=0.24, context_s=0.48)
CPU = jax.devices("cpu")[0]
PARAMS = BandCodecParams("random:0")
HOP = MEASURES.frame_samples


@pytest.fixture(scope="module")
def decode() -> Decode:
    return Decode(PARAMS, FORMAT, CPU)


def some_codes(frames: int, rows: int = 1) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 1024, (rows, frames, 16)).astype(np.int32)


def loudness_db(audio: np.ndarray) -> np.ndarray:
    """The loudness of frames, float64 [frame]."""
    power = np.square(audio.astype(np.float64)).mean(axis=1).reshape(-1, HOP).mean(axis=1)
    return 10 * np.log10(power + 1e-12)


def test_chunk_has_the_overlap_in_front(decode):
    codes = some_codes(18)
    audio = decode(tokens=codes[:, 12:], context=codes[:, :12])["audio"]
    assert audio.shape == (1, 7 * HOP, 2)
    assert audio.dtype == np.float32


def test_only_the_last_frames_of_the_context_count(decode):
    codes = some_codes(18)
    other = codes.copy()
    other[:, : 12 - RUN_IN_FRAMES] = 7
    there, here = (
        decode(tokens=part[:, 12:], context=part[:, :12])["audio"] for part in (codes, other)
    )
    np.testing.assert_array_equal(there, here)
    other[:, 12 - RUN_IN_FRAMES] = 7
    assert (decode(tokens=codes[:, 12:], context=other[:, :12])["audio"] != here).any()


def test_loudness_in_a_chunk_and_its_overlap_is_that_of_the_whole():
    audio = chord(18)
    codec = lossless(audio)
    codes = codec.encode(audio[None])
    after = codec.decode_after(codes[:, 6 - RUN_IN_FRAMES : 6], codes[:, 6:12])[0]
    difference = loudness_db(after) - loudness_db(audio[5 * HOP : 12 * HOP])
    assert np.abs(difference).max() < 1.5


def test_first_chunk_begins_with_silence(decode):
    nothing = np.full((1, 12, 16), -1, np.int32)
    audio = decode(tokens=some_codes(6), context=nothing)["audio"][0]
    # The first window of the chunk reaches back by less than a frame.
    assert np.abs(audio[: HOP // 4]).max() < 1e-4
    assert np.abs(audio[HOP:]).max() > 1e-2


def test_rows_do_not_depend_on_each_other(decode):
    codes = some_codes(18, rows=3)
    together = decode(tokens=codes[:, 12:], context=codes[:, :12])["audio"]
    alone = decode(tokens=codes[1:2, 12:], context=codes[1:2, :12])["audio"]
    np.testing.assert_array_equal(together[1:2], alone)


def test_token_out_of_range_is_refused(decode):
    codes = some_codes(18)
    codes[0, 14, 3] = 1024
    with pytest.raises(ValueError, match=r"1024 at \[0, 2, 3\]"):
        decode(tokens=codes[:, 12:], context=codes[:, :12])


def test_fade_of_another_length_is_refused():
    with pytest.raises(ValueError, match="frames in fade_s is 2"):
        Decode(PARAMS, Format(chunk_s=0.24, context_s=0.48, fade_s=0.08), CPU)
