"""What the codec learns, learned from little music."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundstage.stages.bandcodec.codec import BandCodec, BandCodecWeights
from soundstage.stages.bandcodec.measures import Measures
from soundstage.training.bandcodec.codebooks import fit_codebooks, nearest
from soundstage.training.bandcodec.fitting import fit
from soundstage.training.bandcodec.frame_features import hear, unfitted

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
def heard(folder) -> np.ndarray:
    return hear(sorted(folder.glob("*.wav")), SMALL, FRAMES)


@pytest.fixture(scope="module")
def fitted(heard) -> dict[str, np.ndarray]:
    return fit(heard, SMALL)


def test_pieces_are_heard_as_the_codec_hears_them(heard):
    assert heard.shape == (6, FRAMES, SMALL.features)
    alone = unfitted(SMALL).features(melody(2)[None])[0]
    np.testing.assert_allclose(heard[2], alone, atol=1e-4)


def test_short_pieces_are_filled_up_with_silence(folder, heard):
    longer = hear([folder / "0.wav"], SMALL, FRAMES + 5)[0]
    np.testing.assert_allclose(longer[FRAMES + 1 :, :5], np.log(SMALL.floor), atol=1e-4)


def test_music_it_never_heard_comes_back_nearer_with_every_level(fitted):
    codec = BandCodec(SMALL, BandCodecWeights(*fitted.values()))
    audio = melody(77)[None]
    wanted, codes = codec.features(audio), codec.encode(audio)
    errors = [
        np.abs(codec.features(codec.render(codes[..., :levels])) - wanted)[:, 2:-2].mean()
        for levels in (1, 2, 4)
    ]
    spread = np.abs(wanted - wanted.mean(axis=1, keepdims=True)).mean()
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.5 * spread


def test_the_rendering_errs_less_than_the_analysis_turned_round(heard, fitted):
    mean, analysis, books, synthesis = fitted.values()
    embeddings = (heard - mean) @ analysis
    left = embeddings.reshape(-1, SMALL.width).copy()
    for book in books:
        left -= book[nearest(left, book)]
    quantized = embeddings - left.reshape(embeddings.shape)
    wanted = (heard - mean)[:, 1:-1]
    count = wanted.shape[1]
    rendered = sum(quantized[:, tap : tap + count] @ synthesis[tap] for tap in range(3))
    turned = quantized[:, 1:-1] @ analysis.T
    assert np.square(rendered - wanted).mean() < np.square(turned - wanted).mean()


def test_the_same_seed_gives_the_same_weights(heard, fitted):
    again = fit(heard, SMALL)
    for name in BandCodecWeights.names():
        np.testing.assert_array_equal(again[name], fitted[name])


def test_codes_of_deep_levels_are_used_by_many_although_a_few_vectors_are_long():
    random = np.random.default_rng(0)
    vectors = random.standard_normal((3000, 8)).astype(np.float32)
    vectors[:60] *= 30
    books = fit_codebooks(vectors, 3, 32)
    left = vectors.copy()
    for level, book in enumerate(books):
        chosen = nearest(left, book)
        if level:
            usual = np.bincount(chosen[60:], minlength=32) / (len(vectors) - 60)
            entropy = -(usual[usual > 0] * np.log(usual[usual > 0])).sum()
            assert np.exp(entropy) > 10
        left -= book[chosen]


def test_fewer_vectors_than_codes_are_each_a_code():
    vectors = np.eye(4, dtype=np.float32)
    book = fit_codebooks(vectors, 1, 8)[0]
    np.testing.assert_allclose(book[nearest(vectors, book)], vectors)
