"""Export of a trained style model to the files that the stages read."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from soundstage.stages.style.codebooks import BASIS as CODE_BASIS
from soundstage.stages.style.codebooks import CODES
from soundstage.stages.style_towers.loading import BASIS, VOCABULARY
from soundstage.stages.style_towers.network import StyleTowers
from soundstage.stages.weights.modules import parameter_arrays
from soundstage.stages.weights.safetensors_files import write_safetensors
from soundstage.training.half_precision import as_float16

MODEL_FILE = "demo-style.safetensors"
CODEBOOKS_FILE = "demo-style-codebooks.safetensors"
BASIS_SEED = 768


def make_basis(rank: int, style_dim: int) -> np.ndarray:
    """Makes orthogonal rows of length 1, float32 [rank, style_dim]; always the same."""
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
    """Writes the towers as float16, for `stages.style_towers`.

    Args:
        module: the trained towers.
        vocabulary: a serialised SentencePiece model.
        basis: float32 [rank, style_dim].
        path: a .safetensors file.
        metadata: for the file's header.

    Raises:
        ExportError: a weight is too large for float16.
        OSError: the folder cannot be written to.
    """
    arrays = as_float16({**parameter_arrays(module, lambda name: name), BASIS: basis})
    words = np.frombuffer(vocabulary, np.uint8)
    write_safetensors({**arrays, VOCABULARY: words}, path, metadata)


def export_codebooks(
    books: np.ndarray, basis: np.ndarray, path: Path, metadata: Mapping[str, str]
) -> None:
    """Writes codebooks as float16 in two factors, for `stages.style:Quantize`.

    Args:
        books: float32 [level, code, rank].
        basis: float32 [rank, style_dim].
        path: a .safetensors file.
        metadata: for the file's header.

    Raises:
        ExportError: a number is too large for float16.
        OSError: the folder cannot be written to.
    """
    write_safetensors(as_float16({CODES: books, CODE_BASIS: basis}), path, metadata)
