"""Samples as bytes: their values, and how little memory is needed beside them."""

import tracemalloc

import numpy as np
import pytest

from soundstage.apps.server.protocols.frames import BLOCK, samples_bytes

HEADER = b"header"


@pytest.fixture(scope="module")
def audio():
    """Three blocks and a part of one; beyond full scale, too."""
    return np.linspace(-1.5, 1.5, 3 * BLOCK + 10, dtype=np.float32).reshape(-1, 2)


def test_samples_are_rounded_and_clipped_at_full_scale(audio):
    data = samples_bytes(audio, "int16", HEADER)
    expected = np.rint(np.clip(audio, -1, 1) * np.float32(32767)).astype("<i2")
    assert data == HEADER + expected.tobytes()
    assert (expected.min(), expected.max()) == (-32767, 32767)
    assert samples_bytes(audio[:0], "int16") == b""


def test_float_samples_are_as_they_are(audio):
    assert samples_bytes(audio, "float32") == audio.astype("<f4").tobytes()


def test_conversion_takes_little_memory_beside_its_result(audio):
    audio = np.tile(audio, (4, 1))
    tracemalloc.start()
    data = samples_bytes(audio, "int16", HEADER)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - len(data) < 3 * 4 * BLOCK < audio.nbytes
