"""The style quantizer: nearest codes level by level, and unusable codebooks refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from soundstage.graph.format import Format
from soundstage.stages.style.stage import Embed, Quantize
from soundstage.stages.weights.array_source import WeightsError

FORMAT = Format(style_dim=64, codebook_size=32, style_levels=4, prompt_style_levels=3)


def build(stage: type, format: Format = FORMAT, weights: str = "random:0"):
    return stage(stage.Params(weights), format, None)


def write_codebooks(path: Path, name: str = "codebooks", seed: int = 0, **arrays) -> np.ndarray:
    shape = (FORMAT.style_levels, FORMAT.codebook_size, FORMAT.style_dim)
    codes = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    save_file({name: codes, **arrays}, path)
    return codes


def nearest_codes(embeddings: np.ndarray, codebooks: np.ndarray) -> np.ndarray:
    """The rule of the reference: the nearest code to the residual, the first on ties."""
    residual, tokens = embeddings.astype(np.float64), []
    for codes in codebooks.astype(np.float64):
        distance = np.linalg.norm(residual[:, None] - codes, axis=-1)  # [row, code]
        tokens.append(distance.argmin(axis=-1))
        residual = residual - codes[tokens[-1]]
    return np.stack(tokens, axis=-1)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_tokens_are_the_nearest_codes_of_the_residual(tmp_path_factory, seed):
    path = tmp_path_factory.mktemp("style") / "style.safetensors"
    codebooks = write_codebooks(path, seed=seed)
    quantize = build(Quantize, weights=str(path))
    embeddings = np.random.default_rng(seed + 1).standard_normal((3, FORMAT.style_dim))
    embeddings = (3 * embeddings).astype(np.float32)
    tokens = quantize(embeddings)["tokens"]
    assert tokens.dtype == np.int32
    np.testing.assert_array_equal(tokens, nearest_codes(embeddings, codebooks))


def test_first_of_two_equal_codes_is_picked(tmp_path):
    codebooks = write_codebooks(tmp_path / "style.safetensors")
    codebooks[:, 20] = codebooks[:, 4]
    save_file({"embedding": codebooks}, tmp_path / "style.safetensors")
    tokens = build(Quantize, weights=str(tmp_path / "style.safetensors"))(codebooks[0, 4:5])
    assert tokens["tokens"][0, 0] == 4


def test_random_codebooks_use_every_level_and_shorten_residuals():
    format = Format()
    quantize, embed = build(Quantize, format), build(Embed, format)
    texts = [f"prompt number {n}, {word}" for n, word in enumerate(["jazz", "techno", "pads"] * 8)]
    none = [np.zeros(0, np.float32)] * len(texts)
    clips = [np.zeros((0, format.dims["clip_sample"]), np.float32)] * len(texts)
    ones = [np.ones(1, np.float32)] * len(texts)
    embeddings = embed([[text] for text in texts], ones, clips, none)["embedding"]
    tokens = quantize(embeddings)["tokens"]
    assert tokens.shape == (24, 12)
    assert all(len(np.unique(tokens[:, level])) > 6 for level in range(12))
    codebooks = quantize.nearest_codes.codebooks
    norms = np.linalg.norm(embeddings - codebooks[np.arange(12), tokens].sum(axis=1), axis=1)
    assert np.all(norms < 0.97)


def write_factored(path: Path, rank: int = 5, dtype=np.float32, **changed) -> np.ndarray:
    random = np.random.default_rng(3)
    codes = random.standard_normal((FORMAT.style_levels, FORMAT.codebook_size, rank)).astype(dtype)
    basis = np.linalg.qr(random.standard_normal((FORMAT.style_dim, rank)))[0].T.astype(dtype)
    save_file({"codes": codes, "basis": basis.copy()} | changed, path)
    return codes.astype(np.float64) @ basis.astype(np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_factored_codebooks_equal_their_product(tmp_path, dtype):
    factored, whole = tmp_path / "factored.safetensors", tmp_path / "whole.safetensors"
    product = write_factored(factored, dtype=dtype).astype(np.float32)
    save_file({"codebooks": product}, whole)
    first, second = (build(Quantize, weights=str(path)) for path in (factored, whole))
    np.testing.assert_array_equal(first.nearest_codes.codebooks, product)
    embeddings = np.random.default_rng(1).standard_normal((7, FORMAT.style_dim)).astype(np.float32)
    np.testing.assert_array_equal(first(embeddings)["tokens"], second(embeddings)["tokens"])
    assert first.weights_digest != second.weights_digest
    assert first.weights_note == "factored.safetensors"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"codes": np.zeros((4, 31, 5), np.float32)}, "31"),
        ({"codes": np.zeros((4, 32), np.float32)}, "codes"),
        ({"basis": np.zeros((6, 64), np.float32)}, "basis"),
        ({"basis": np.zeros((5, 63), np.float32)}, "63"),
        ({"basis": np.full((5, 64), np.inf, np.float32)}, "basis holds NaN"),
    ],
)
def test_unfit_factored_codebooks_are_refused(tmp_path, changed, reason):
    path = tmp_path / "style.safetensors"
    write_factored(path, **changed)
    with pytest.raises(WeightsError, match=reason):
        build(Quantize, weights=str(path))


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"other": np.zeros((4, 32, 64), np.float32)}, "embedding or codebooks"),
        ({"codebooks": np.zeros((4, 32, 63), np.float32)}, "63"),
        ({"codebooks": np.full((4, 32, 64), np.nan, np.float32)}, "NaN"),
        ({"codebooks": np.zeros((4, 32, 64), np.int32)}, "int32"),
        (
            {name: np.zeros((4, 32, 64), np.float32) for name in ("codebooks", "embedding")},
            "one array",
        ),
    ],
)
def test_unfit_codebooks_are_refused(tmp_path, arrays, reason):
    path = tmp_path / "style.safetensors"
    save_file(arrays, path)
    with pytest.raises(WeightsError, match=reason):
        build(Quantize, weights=str(path))


def test_missing_or_broken_file_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        build(Quantize, weights=str(tmp_path / "none.safetensors"))
    (tmp_path / "broken.safetensors").write_bytes(b"{")
    with pytest.raises(WeightsError, match=r"broken\.safetensors"):
        build(Quantize, weights=str(tmp_path / "broken.safetensors"))
