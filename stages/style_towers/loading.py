"""Loading of the style towers from a file or a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import jax
import numpy as np

from soundstage.stages.style_towers.config import TINY, TowersConfig, config_of
from soundstage.stages.style_towers.text import HashedWords, SentencePieces, Vocabulary
from soundstage.stages.weights.array_source import ArraySource, WeightsError, arrays_digest
from soundstage.stages.weights.networks import Blueprint, Network, load_network
from soundstage.stages.weights.random_weights import RandomSource
from soundstage.stages.weights.safetensors_files import SafetensorsSource
from soundstage.stages.weights.sources import closing_source

if TYPE_CHECKING:
    from flax import nnx

    from soundstage.stages.style_towers.network import StyleTowers

BASIS = "basis/kernel"
VOCABULARY = "text/vocabulary"


@dataclass(frozen=True)
class Towers:
    """A loaded style model.

    Attributes:
        network: both towers.
        vocabulary: splits texts into subwords.
        config: the sizes of the towers.
        basis: float32 [rank, style_dim], orthogonal rows of length 1 unless random.
        digest: SHA-256, as hex digits, over all weights, the basis and the vocabulary.
        note: the source, in words for a report.
    """

    network: Network[StyleTowers]
    vocabulary: Vocabulary
    config: TowersConfig
    basis: np.ndarray
    digest: str
    note: str


def load_towers(weights: str, style_dim: int, device: jax.Device) -> Towers:
    """Loads a style model, or makes a random one; the sizes follow from the file.

    Args:
        weights: "random:SEED", a safetensors file, or a model's name, see
            `stages.weights.sources.open_source`. A file holds the arrays of `StyleTowers` by path,
            the basis, and the vocabulary's bytes as uint8.
        style_dim: width of a style embedding in the music format.
        device: where the towers run.

    Raises:
        WeightsError: the file does not exist, or an array is missing, unknown, of another shape or
            type, or holds NaN or infinity.
    """
    with closing_source(weights) as source:
        shapes = source.names()
        config = TINY if shapes is None else config_of(source.note, shapes)
        if shapes is None:
            config = replace(config, rank=min(config.rank, style_dim))
        model, vocabulary = _vocabulary(source, config.pieces)
        basis = source.read(BASIS, (config.rank, style_dim))
        if not np.isfinite(basis.sum(dtype=np.float64)):
            raise WeightsError(f"{source.note}: {BASIS} holds NaN or infinity")
        place = "soundstage.stages.style_towers.network"
        loaded = load_network(
            Blueprint(partial(towers_maker, config), config, place),
            source,
            lambda path: path,
            device,
            elsewhere=(BASIS, VOCABULARY),
        )
    parts = (bytes.fromhex(loaded.digest), bytes.fromhex(arrays_digest({BASIS: basis})), model)
    digest = hashlib.sha256(b"".join(parts)).hexdigest()
    return Towers(loaded.network, vocabulary, config, basis, digest, loaded.note)


@lru_cache(maxsize=8)
def towers_maker(config: TowersConfig) -> Callable[[nnx.Rngs], StyleTowers]:
    """Returns what builds style towers: one object for equal sizes, see `structure`."""
    from soundstage.stages.style_towers.network import StyleTowers  # Flax: late

    return lambda rngs: StyleTowers(config, rngs)


def _vocabulary(source: ArraySource, pieces: int) -> tuple[bytes, Vocabulary]:
    if isinstance(source, RandomSource):
        return b"", HashedWords(pieces)
    if not isinstance(source, SafetensorsSource):
        raise WeightsError(f"{source.note}: style towers are read only from a .safetensors file")
    model = source.read_bytes(VOCABULARY)
    vocabulary = SentencePieces(model)
    if vocabulary.size != pieces:
        raise WeightsError(
            f"{source.note}: {VOCABULARY} has {vocabulary.size} subwords, but the network has rows "
            f"for {pieces}; export both together"
        )
    return model, vocabulary
