"""A tiny model with MusicCoCa's layout, the reference's files, and calls of the stages."""

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
# Files with the published signatures, and the reference's outputs for them.
REFERENCE = ROOT.parent / "shared" / "reference" / "musiccoca"
ABSENT = "the reference's stand-ins for MusicCoCa are not beside this repository"

ONE, NONE = np.ones(1, np.float32), np.zeros(0, np.float32)


def recorded(folder: Path = TINY) -> Mapping[str, np.ndarray]:
    """Returns the expected outputs of the model in `folder`, by name."""
    return np.load(folder / ("recorded.npz" if folder == TINY else "expected.npz"))


def tiny_texts() -> list[str]:
    return json.loads((TINY / "texts.json").read_text("utf-8"))


def build(stage: type, folder: Path | str = TINY, format: Format = TINY_FORMAT, **settings: Any):
    return stage(stage.Params(str(folder), **settings), format, jax.devices("cpu")[0])


def embed_rows(
    embed: Embed, rows: Sequence[tuple[Sequence[str], Sequence[np.ndarray]]]
) -> np.ndarray:
    """Returns one embedding for each row of (texts, clips); all prompts weigh the same."""
    return embed(
        [list(texts) for texts, _ in rows],
        [np.ones(len(texts), np.float32) for texts, _ in rows],
        [np.stack(clips) if len(clips) else np.zeros((0, 1), np.float32) for _, clips in rows],
        [np.ones(len(clips), np.float32) for _, clips in rows],
    )["embedding"]


def embed_texts(embed: Embed, texts: Sequence[str]) -> np.ndarray:
    """Returns one embedding for each text."""
    return embed_rows(embed, [([text], []) for text in texts])


def embed_clips(embed: Embed, clips: Sequence[np.ndarray]) -> np.ndarray:
    """Returns one embedding for each clip."""
    return embed_rows(embed, [([], [clip]) for clip in clips])


def tokens_of(quantize: Quantize, embeddings: np.ndarray) -> np.ndarray:
    return quantize(np.ascontiguousarray(embeddings, np.float32))["tokens"]


def copied(folder: Path, source: Path = TINY) -> Path:
    """Copies a model's files, for a test that damages them."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.suffix in (".tflite", ".model"):
            shutil.copyfile(path, folder / path.name)
    return folder
