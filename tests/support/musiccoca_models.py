"""The tiny model of MusicCoCa's form, the stand-ins of the reference, and how to ask a stage."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from soundstage.graph.format import Format
from soundstage.stages.musiccoca import Embed, Quantize

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "golden" / "musiccoca"
TINY_FORMAT = Format(style_dim=32, clip_s=0.5)
# Files with the published signatures, and what the reference makes of them.
REFERENCE = ROOT.parent / "shared" / "reference" / "musiccoca"
ABSENT = "the reference's stand-ins for MusicCoCa are not beside this repository"

ONE, NONE = np.ones(1, np.float32), np.zeros(0, np.float32)


def recorded(folder: Path = TINY) -> Mapping[str, np.ndarray]:
    """What the files of `folder` should give, by name."""
    return np.load(folder / ("recorded.npz" if folder == TINY else "expected.npz"))


def tiny_texts() -> list[str]:
    return json.loads((TINY / "texts.json").read_text("utf-8"))


def build(stage: type, folder: Path | str = TINY, format: Format = TINY_FORMAT, **settings: Any):
    return stage(stage.Params(str(folder), **settings), format, jax.devices("cpu")[0])


def embed_rows(
    embed: Embed, rows: Sequence[tuple[Sequence[str], Sequence[np.ndarray]]]
) -> np.ndarray:
    """One embedding a row of (texts, clips); every prompt weighs the same."""
    return embed(
        [list(texts) for texts, _ in rows],
        [np.ones(len(texts), np.float32) for texts, _ in rows],
        [np.stack(clips) if len(clips) else np.zeros((0, 1), np.float32) for _, clips in rows],
        [np.ones(len(clips), np.float32) for _, clips in rows],
    )["embedding"]


def embed_texts(embed: Embed, texts: Sequence[str]) -> np.ndarray:
    """One embedding a text."""
    return embed_rows(embed, [([text], []) for text in texts])


def embed_clips(embed: Embed, clips: Sequence[np.ndarray]) -> np.ndarray:
    """One embedding a clip."""
    return embed_rows(embed, [([], [clip]) for clip in clips])


def tokens_of(quantize: Quantize, embeddings: np.ndarray) -> np.ndarray:
    return quantize(np.ascontiguousarray(embeddings, np.float32))["tokens"]


def copied(folder: Path, source: Path = TINY) -> Path:
    """A copy of a model, to be spoilt."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.suffix in (".tflite", ".model"):
            shutil.copyfile(path, folder / path.name)
    return folder
