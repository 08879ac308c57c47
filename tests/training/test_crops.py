"""Random crops of audio files."""

import numpy as np
import pytest
import soundfile

from soundstage.training.crops import CropError, Crops

RATE = 48_000


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Files whose sample values give their position: ramps above 0 and below 0."""
    folder = tmp_path_factory.mktemp("audio")
    files = []
    for number, (samples, sign) in enumerate([(30_000, 1), (10_000, -1), (50, 1)]):
        ramp = sign * np.arange(1, samples + 1, dtype=np.float32) / 2**16
        files.append(folder / f"{number}.flac")
        soundfile.write(files[-1], np.stack([ramp, -ramp], axis=1), RATE, subtype="PCM_24")
    return files


def test_crop_is_a_stretch_of_a_file(paths):
    crops = Crops(paths, 400, seed=0)
    for row in range(20):
        crop = crops.crop(3, row)
        assert crop.shape == (400, 2)
        assert crop.dtype == np.float32
        np.testing.assert_allclose(np.abs(np.diff(crop[:, 0])), 1 / 2**16, atol=1e-7)


def test_same_seed_step_and_row_give_the_same_crop(paths):
    crops, others = Crops(paths, 400, seed=0), Crops(paths, 400, seed=0)
    first = crops.batch(5, 4)
    others.batch(7, 2)
    np.testing.assert_array_equal(others.batch(5, 4), first)
    np.testing.assert_array_equal(others.crop(5, 2), first[2])
    assert not np.array_equal(crops.batch(6, 4), first)
    assert not np.array_equal(Crops(paths, 400, seed=1).batch(5, 4), first)


def test_crops_are_spread_evenly_over_all_samples(paths):
    crops = Crops(paths, 400, seed=0)
    starts = np.array([crops.crop(0, row)[0, 0] for row in range(300)])
    shorter = (starts < 0).mean()
    assert 0.25 * 0.6 < shorter < 0.25 * 1.5  # its share of all starts
    assert starts.max() > 0.9 * 29_600 / 2**16


def test_short_files_and_other_formats_are_refused(paths, tmp_path):
    with pytest.raises(CropError, match="none of 1 audio files has 400 samples"):
        Crops(paths[2:], 400, seed=0)
    soundfile.write(tmp_path / "mono.flac", np.zeros(500), RATE)
    with pytest.raises(CropError, match="has 1 channels at 48000 Hz; crops need 2"):
        Crops([tmp_path / "mono.flac"], 400, seed=0)
