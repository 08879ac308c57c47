"""Texts as MusicCoCa reads them: ids of subwords, and which positions are used."""

from typing import NamedTuple

import numpy as np

from soundstage.stages.style_towers.text import SentencePieces
from soundstage.stages.weights.array_source import WeightsError

# Positions of a text, including the start id; the rest of a longer text is ignored.
TEXT_IDS = 128
START, PAD = 1, 0
USED, UNUSED = 0.0, 1.0


class TextIds(NamedTuple):
    """The ids of one text.

    Attributes:
        ids: int32 [TEXT_IDS]: `START`, subwords, then `PAD`.
        paddings: float32 [TEXT_IDS]: `USED` for the start and subwords, then `UNUSED`.
    """

    ids: np.ndarray
    paddings: np.ndarray


def load_vocabulary(name: str, model: bytes) -> SentencePieces:
    """Reads the vocabulary.

    Args:
        name: the file's name, for errors.
        model: its bytes.

    Raises:
        WeightsError: the bytes are not a SentencePiece model.
    """
    try:
        return SentencePieces(model)
    except WeightsError as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{name}: {reason}; fetch it again") from error


def normal_text(text: str) -> str:
    """Returns the text in lower case; the vocabulary's own rules do the rest.

    Lone surrogates, which UTF-8 cannot encode, become question marks.
    """
    return text.encode("utf-8", "replace").decode().lower()


def text_ids(text: str, vocabulary: SentencePieces) -> TextIds:
    """Turns a text into the ids that the text encoder reads.

    Args:
        text: as `normal_text` returns it; may be empty.
        vocabulary: splits it into subwords.

    Source: "Text -> embedding" in the MusicCoCa spec, steps 1 to 3.
    """
    used_ids = [START, *vocabulary.pieces(text)[: TEXT_IDS - 1]]
    ids = np.full(TEXT_IDS, PAD, np.int32)
    ids[: len(used_ids)] = used_ids
    paddings = np.full(TEXT_IDS, UNUSED, np.float32)
    paddings[: len(used_ids)] = USED
    return TextIds(ids, paddings)
