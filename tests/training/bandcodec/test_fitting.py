"""The band codec, fitted to a little music."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundstage.stages.bandcodec.codec import BandCodec
from soundstage.stages.bandcodec.features import FrameFeatures
from soundstage.stages.bandcodec.measures import Measures
from soundstage.stages.bandcodec.weights import BandCodecWeights, named_arrays
from soundstage.training.bandcodec.codebooks import fit_codebooks
from soundstage.training.bandcodec.fitting import fit
from soundstage.training.bandcodec.frame_features import read_features
from soundstage.training.residual_codebooks import encode, nearest

SMALL = Measures(width=16, levels=4, codes=32, hidden=16, hop_hidden=8)
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
def fitted(features) -> BandCodecWeights:
    return fit(features, SMALL)


def test_read_features_are_those_of_the_codec(features):
    assert features.shape == (6, FRAMES, SMALL.features)
    alone = FrameFeatures(SMALL)(melody(2))
    np.testing.assert_allclose(features[2], alone, atol=1e-4)


def test_short_pieces_are_padded_with_silence(folder):
    longer = read_features([folder / "0.wav"], SMALL, FRAMES + 5)[0]
    np.testing.assert_allclose(longer[FRAMES + 1 :, :5], np.log(SMALL.floor), atol=1e-4)


def test_every_level_lowers_the_error_of_unseen_music(fitted):
    codec = BandCodec(SMALL, fitted)
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
    mean, analysis, books, synthesis = (np.asarray(array) for array in fitted[:4])
    embeddings = (features - mean) @ analysis
    residual = encode(embeddings.reshape(-1, SMALL.width), books)[1]
    quantized = embeddings - residual.reshape(embeddings.shape)
    target = (features - mean)[:, 2:-1]
    count = target.shape[1]
    rendered = sum(quantized[:, tap : tap + count] @ synthesis[tap] for tap in range(SMALL.taps))
    transposed = quantized[:, 2:-1] @ analysis.T
    assert np.square(rendered - target).mean() < np.square(transposed - target).mean()


def test_same_seed_gives_the_same_weights(features, fitted):
    again, once = named_arrays(fit(features, SMALL)), named_arrays(fitted)
    for name, array in once.items():
        np.testing.assert_array_equal(again[name], array)


def test_coarse_levels_quantize_the_principal_dimensions():
    random = np.random.default_rng(0)
    vectors = random.standard_normal((3000, 8)).astype(np.float32) * 2.0 ** -np.arange(8)
    books = fit_codebooks(vectors.astype(np.float32), 3, 32, coarse=(2,))
    energies = np.square(books).sum(axis=1)
    assert energies[0, :2].sum() > 0.99 * energies[0].sum()
    # The two others share out what is left: each axis belongs to one of them.
    products = books[1] @ books[2].T
    lengths = np.linalg.norm(books[1], axis=1)[:, None] * np.linalg.norm(books[2], axis=1)
    assert np.abs(products / np.maximum(lengths, 1e-9)).max() < 0.01


def test_subspaces_fit_unseen_vectors_better_than_all_dimensions():
    random = np.random.default_rng(1)
    spread = 1.2 ** -np.arange(24)
    seen, unseen = ((random.standard_normal((1500, 24)) * spread).astype(np.float32) for _ in "ab")
    errors = [
        np.square(encode(unseen, fit_codebooks(seen, 6, 128, coarse=coarse))[1]).sum()
        for coarse in ((6, 6), (24,) * 6)
    ]
    assert errors[0] < 0.8 * errors[1]


def test_each_of_fewer_vectors_than_codes_is_a_code():
    vectors = np.eye(4, dtype=np.float32)
    book = fit_codebooks(vectors, 1, 8)[0]
    np.testing.assert_allclose(book[nearest(vectors, book)], vectors)
