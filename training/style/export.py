"""Writes a trained style model as the stages read it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from soundstage.stages.style.codebooks import BASIS as CODE_BASIS
from soundstage.stages.style.codebooks import CODES
from soundstage.stages.style_towers.loading import BASIS, VOCABULARY
from soundstage.stages.style_towers.network import StyleTowers
from soundstage.stages.weights.modules import parameter_arrays
from soundstage.stages.weights.safetensors_files import write_safetensors

MODEL_FILE = "demo-style.safetensors"
CODEBOOKS_FILE = "demo-style-codebooks.safetensors"
BASIS_SEED = 768


def make_basis(rank: int, style_dim: int) -> np.ndarray:
    """Orthogonal rows of length 1, float32 [rank, style_dim]."""
    random = np.random.default_rng(BASIS_SEED)
    square = np.linalg.qr(random.standard_normal((style_dim, rank)))[0]
    return np.ascontiguousarray(square.T, np.float32)


def export_towers(
    module: StyleTowers,
    vocabulary: bytes,
    basis: np.ndarray,
    path: Path,
    metadata: Mapping[str, str],
) -> None:
    """Writes what `stages.style_towers` reads, numbers as float16.

    Args:
        module: the trained towers.
        vocabulary: a serialised SentencePiece model.
        basis: float32 [rank, style_dim].
        path: a .safetensors file.
        metadata: kept in the file's header.

    Raises:
        OSError: the folder cannot be written to.
    """
    arrays = {**parameter_arrays(module, lambda name: name), BASIS: basis}
    halves = {name: array.astype(np.float16) for name, array in arrays.items()}
    words = np.frombuffer(vocabulary, np.uint8)
    write_safetensors({**halves, VOCABULARY: words}, path, metadata)


def export_codebooks(
    books: np.ndarray, basis: np.ndarray, path: Path, metadata: Mapping[str, str]
) -> None:
    """Writes what `stages.style:Quantize` reads, factored, as float16.

    Args:
        books: float32 [level, code, rank].
        basis: float32 [rank, style_dim].
        path: a .safetensors file.
        metadata: kept in the file's header.

    Raises:
        OSError: the folder cannot be written to.
    """
    arrays = {CODES: books.astype(np.float16), CODE_BASIS: basis.astype(np.float16)}
    write_safetensors(arrays, path, metadata)
