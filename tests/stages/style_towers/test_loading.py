"""Loading of the style towers: sizes from the file, the digest, and refusals."""

from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from soundstage.stages.style_towers.config import TINY, TowersConfig, config_of
from soundstage.stages.style_towers.loading import BASIS, VOCABULARY, load_towers
from soundstage.stages.style_towers.network import StyleTowers
from soundstage.stages.style_towers.text import SentencePieces
from soundstage.stages.weights.array_source import WeightsError
from soundstage.training.style.export import export_towers, make_basis
from soundstage.training.style.model import Model
from soundstage.training.style.vocabulary import learn_vocabulary

DIM = 48
TEXTS = ("warm pads with slow piano", "fast techno with a hard kick drum", "jazz trio, brushes")


@pytest.fixture(scope="module")
def towers() -> StyleTowers:
    model = Model(config_for(learn_vocabulary(TEXTS, 80)))
    return model.module(model.initial(0).towers)


def config_for(vocabulary: bytes) -> TowersConfig:
    size = SentencePieces(vocabulary).size
    return TowersConfig(
        pieces=size, buckets=90, text_width=6, audio_width=7, blocks=2, heads=3, hidden=10, rank=5
    )


def write_file(path: Path, towers: StyleTowers, **changes: np.ndarray | None) -> str:
    file = path / "style.safetensors"
    export_towers(towers, learn_vocabulary(TEXTS, 80), make_basis(5, DIM), file, {})
    arrays = load_file(file) | changes
    save_file({name: array for name, array in arrays.items() if array is not None}, file)
    return str(file)


def load(weights: str, style_dim: int = DIM):
    return load_towers(weights, style_dim, jax.devices("cpu")[0])


def test_sizes_follow_from_the_file(tmp_path, towers):
    loaded = load(write_file(tmp_path, towers))
    assert loaded.basis.shape == (5, DIM)
    assert loaded.config.buckets == 90
    assert loaded.note == "style.safetensors"
    np.testing.assert_allclose(loaded.basis @ loaded.basis.T, np.eye(5), atol=1e-3)


def test_digest_covers_weights_basis_and_vocabulary(tmp_path, towers):
    first = load(write_file(tmp_path, towers)).digest
    assert load(write_file(tmp_path, towers)).digest == first
    other = learn_vocabulary(("zzz brass", *TEXTS), 80)
    changes = [{BASIS: 2 * make_basis(5, DIM)}, {"text/head/out/bias": np.ones(5, np.float16)}]
    digests = {load(write_file(tmp_path, towers, **change)).digest for change in changes}
    if config_for(other).pieces == config_for(learn_vocabulary(TEXTS, 80)).pieces:
        change = {VOCABULARY: np.frombuffer(other, np.uint8)}
        digests.add(load(write_file(tmp_path, towers, **change)).digest)
    assert first not in digests
    assert len(digests) >= 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({VOCABULARY: None}, "no array called text/vocabulary"),
        ({VOCABULARY: np.zeros(9, np.float16)}, "not bytes"),
        ({VOCABULARY: np.frombuffer(b"no model", np.uint8)}, "not a SentencePiece model"),
        ({BASIS: None}, BASIS),
        ({BASIS: np.full((5, DIM), np.nan, np.float16)}, "NaN"),
        ({"text/pool/kernel": None}, "text/pool/kernel should have 2 axes, but is missing"),
        ({"text/pieces/embedding": np.zeros((7, 6), np.float16)}, "rows for 7"),
        ({"audio/head/out/bias": None}, "lacks 1 array"),
        ({"audio/head/more/bias": np.zeros(5, np.float16)}, "does not know"),
        ({"audio/head/out/bias": np.full(5, np.inf, np.float16)}, "NaN or infinity"),
    ],
)
def test_unfit_files_are_refused(tmp_path, towers, changes, reason):
    with pytest.raises(WeightsError, match=reason):
        load(write_file(tmp_path, towers, **changes))


def test_basis_of_another_width_than_the_format_is_refused(tmp_path, towers):
    with pytest.raises(WeightsError, match="basis/kernel has shape"):
        load(write_file(tmp_path, towers), DIM + 1)


def test_random_towers_fit_any_width():
    assert load("random:0", 3).basis.shape == (3, 3)
    assert load("random:0", 768).basis.shape == (TINY.rank, 768)


def test_file_of_another_model_is_refused():
    with pytest.raises(WeightsError, match=r"x\.safetensors: no style towers"):
        config_of("x.safetensors", {"codebooks": (12, 1024, 768)})
