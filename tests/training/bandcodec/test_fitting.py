"""The band codec, fitted to a little music."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundstage.stages.bandcodec.codec import BandCodec, BandCodecWeights
from soundstage.stages.bandcodec.measures import Measures
from soundstage.training.bandcodec.codebooks import fit_codebooks
from soundstage.training.bandcodec.fitting import fit
from soundstage.training.bandcodec.frame_features import read_features, unfitted
from soundstage.training.residual_codebooks import encode, nearest

SMALL = Measures(width=16, levels=4, codes=32)
RATE_HZ, FRAMES = SMALL.sample_rate_hz, 40


def melody(seed: int) -> np.ndarray:
    """Notes of a scale, one every five frames; float32 [sample, channel]."""
    random = np.random.default_rng(seed)
    at_s = np.arange(5 * SMALL.frame_samples) / RATE_HZ
    notes = [
        0.3 * np.exp(-5 * at_s) * np.sin(2 * np.pi * 220 * 2 ** (step / 12) * at_s)
        for step in random.choice([0, 2, 4, 5, 7, 9, 11, 12], FRAMES // 5)
    ]
    return np.repeat(np.concatenate(notes)[:, None], 2, axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for seed in range(6):
        soundfile.write(folder / f"{seed}.wav", melody(seed), RATE_HZ, subtype="FLOAT")
    return folder


@pytest.fixture(scope="module")
def features(folder) -> np.ndarray:
    return read_features(sorted(folder.glob("*.wav")), SMALL, FRAMES)


@pytest.fixture(scope="module")
def fitted(features) -> dict[str, np.ndarray]:
    return fit(features, SMALL)


def test_read_features_are_those_of_the_codec(features):
    assert features.shape == (6, FRAMES, SMALL.features)
    alone = unfitted(SMALL).features(melody(2)[None])[0]
    np.testing.assert_allclose(features[2], alone, atol=1e-4)


def test_short_pieces_are_padded_with_silence(folder):
    longer = read_features([folder / "0.wav"], SMALL, FRAMES + 5)[0]
    np.testing.assert_allclose(longer[FRAMES + 1 :, :5], np.log(SMALL.floor), atol=1e-4)


def test_every_level_lowers_the_error_of_unseen_music(fitted):
    codec = BandCodec(SMALL, BandCodecWeights(*fitted.values()))
    audio = melody(77)[None]
    target, codes = codec.features(audio), codec.encode(audio)
    errors = [
        np.abs(codec.features(codec.render(codes[..., :levels])) - target)[:, 2:-2].mean()
        for levels in (1, 2, 4)
    ]
    spread = np.abs(target - target.mean(axis=1, keepdims=True)).mean()
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.5 * spread


def test_rendering_errs_less_than_the_transposed_analysis(features, fitted):
    mean, analysis, books, synthesis = fitted.values()
    embeddings = (features - mean) @ analysis
    residual = encode(embeddings.reshape(-1, SMALL.width), books)[1]
    quantized = embeddings - residual.reshape(embeddings.shape)
    target = (features - mean)[:, 1:-1]
    count = target.shape[1]
    rendered = sum(quantized[:, tap : tap + count] @ synthesis[tap] for tap in range(3))
    transposed = quantized[:, 1:-1] @ analysis.T
    assert np.square(rendered - target).mean() < np.square(transposed - target).mean()


def test_same_seed_gives_the_same_weights(features, fitted):
    again = fit(features, SMALL)
    for name in BandCodecWeights.names():
        np.testing.assert_array_equal(again[name], fitted[name])


def test_few_long_vectors_do_not_take_most_codes_of_deep_levels():
    random = np.random.default_rng(0)
    vectors = random.standard_normal((3000, 8)).astype(np.float32)
    vectors[:60] *= 30
    books = fit_codebooks(vectors, 3, 32)
    for chosen in encode(vectors, books)[0].T[1:]:
        shares = np.bincount(chosen[60:], minlength=32) / (len(vectors) - 60)
        entropy = -(shares[shares > 0] * np.log(shares[shares > 0])).sum()
        assert np.exp(entropy) > 10


def test_each_of_fewer_vectors_than_codes_is_a_code():
    vectors = np.eye(4, dtype=np.float32)
    book = fit_codebooks(vectors, 1, 8)[0]
    np.testing.assert_allclose(book[nearest(vectors, book)], vectors)
