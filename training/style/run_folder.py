"""The folder of a run: the corpus's spectrograms, the vocabulary, the model's sizes."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from soundstage.documents import read_json
from soundstage.files import replacing
from soundstage.graph.format import Format
from soundstage.stages.style.features import ClipFeatures
from soundstage.stages.style_towers.config import TowersConfig
from soundstage.stages.style_towers.text import SentencePieces
from soundstage.training.corpus.manifest import ManifestError, Piece, read_manifest
from soundstage.training.style.contrasts import WITH_DRUMS, WITHOUT_DRUMS
from soundstage.training.style.model import Model
from soundstage.training.style.spectrograms import cached_log_mels
from soundstage.training.style.vocabulary import learn_vocabulary

SIZES_FILE, VOCABULARY_FILE, CACHE = "sizes.json", "vocabulary.model", "log_mel"


@dataclass(frozen=True)
class SplitSounds:
    """The pieces of one split and their spectrograms.

    Attributes:
        pieces: from the manifest.
        log_mels: float16 [window, band] of each.
    """

    pieces: Sequence[Piece]
    log_mels: Sequence[np.ndarray]


@dataclass(frozen=True)
class Prepared:
    """The corpus and the model, as training and evaluation read them.

    Attributes:
        train: the training pieces.
        heldout: the held-out pieces; empty if the corpus has none.
        windows: log-mel windows of a clip.
        model: the towers.
        vocabulary: the SentencePiece model, serialised.
    """

    train: SplitSounds
    heldout: SplitSounds
    windows: int
    model: Model
    vocabulary: bytes


def prepare(corpora: Sequence[Path], run: Path, format: Format, config: TowersConfig) -> Prepared:
    """Reads corpora into a run folder; files made by an earlier call are kept.

    Args:
        corpora: folders with manifests.
        run: the run's folder; made if missing.
        format: length and rate of clips.
        config: sizes of a new run; a small corpus gives fewer subwords.

    Raises:
        ManifestError: a folder holds no corpus, or no training piece.
        OSError: a file cannot be read or written.
    """
    pieces = [piece for corpus in corpora for piece in read_manifest(corpus)]
    if not any(piece.split == "train" for piece in pieces):
        raise ManifestError(f"{', '.join(map(str, corpora))}: holds no training piece")
    features = ClipFeatures(format.clip_rate_hz)
    parts = []
    for split in ("train", "heldout"):
        chosen = [piece for piece in pieces if piece.split == split]
        parts.append(SplitSounds(chosen, cached_log_mels(chosen, run / CACHE, features)))
    path = run / VOCABULARY_FILE
    if not path.exists():
        texts = [text for piece in parts[0].pieces for text in piece.texts]
        vocabulary = learn_vocabulary([*texts, *WITH_DRUMS, *WITHOUT_DRUMS], config.pieces)
        with replacing(path) as file:
            file.write(vocabulary)
        sizes = replace(config, pieces=SentencePieces(vocabulary).size)
        with replacing(run / SIZES_FILE) as file:
            file.write(json.dumps(asdict(sizes), indent=1).encode())
    model, vocabulary = read_model(run)
    more_samples = max(0, format.dims["clip_sample"] - features.window_samples)
    windows = 1 + more_samples // features.hop_samples
    return Prepared(parts[0], parts[1], windows, model, vocabulary)


def read_model(run: Path) -> tuple[Model, bytes]:
    """Reads the model and the vocabulary of a prepared run folder.

    Raises:
        OSError: the folder is not prepared.
    """
    sizes = TowersConfig(**read_json((run / SIZES_FILE).read_text()))
    return Model(sizes), (run / VOCABULARY_FILE).read_bytes()
