"""Texts as MusicCoCa reads them: ids of subwords, and which places are used."""

from typing import NamedTuple

import numpy as np

from soundstage.stages.style_towers.text import SentencePieces
from soundstage.stages.weights.array_source import WeightsError

# Ids of a text, the start among them; what stands behind them makes no difference.
TEXT_IDS = 128
START, PAD = 1, 0
USED, UNUSED = 0.0, 1.0


class TextIds(NamedTuple):
    """One text.

    Attributes:
        ids: int32 [TEXT_IDS]: `START`, subwords, then `PAD`.
        paddings: float32 [TEXT_IDS]: `USED` where ids stands for something, then `UNUSED`.
    """

    ids: np.ndarray
    paddings: np.ndarray


def load_vocabulary(name: str, model: bytes) -> SentencePieces:
    """Reads the vocabulary.

    Args:
        name: the file's name, for errors.
        model: its bytes.

    Raises:
        WeightsError: they are no SentencePiece model.
    """
    try:
        return SentencePieces(model)
    except WeightsError as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{name}: {reason}; fetch it again") from error


def normal_text(text: str) -> str:
    """The text in lower case; the vocabulary's own rules do the rest.

    What UTF-8 cannot write (halves of surrogate pairs) becomes a question mark.
    """
    return text.encode("utf-8", "replace").decode().lower()


def text_ids(text: str, vocabulary: SentencePieces) -> TextIds:
    """Writes a text as the text encoder reads it.

    Args:
        text: as `normal_text` makes it; may be empty.
        vocabulary: cuts it into subwords.

    Source: "Text -> embedding" in the MusicCoCa spec, steps 1 to 3.
    """
    found = [START, *vocabulary.pieces(text)[: TEXT_IDS - 1]]
    ids = np.full(TEXT_IDS, PAD, np.int32)
    ids[: len(found)] = found
    paddings = np.full(TEXT_IDS, UNUSED, np.float32)
    paddings[: len(found)] = USED
    return TextIds(ids, paddings)
