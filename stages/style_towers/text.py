"""Texts as numbers: subwords of a learned vocabulary, and hashed words and letter groups."""

import unicodedata
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple, Protocol
from zlib import crc32

import numpy as np
import sentencepiece

from soundstage.stages.style.features import grams
from soundstage.stages.weights.array_source import WeightsError

# What is read of a text; what stands behind that makes no difference.
MOST_PIECES = 128
MOST_GRAMS = 512


class TextIds(NamedTuple):
    """Texts as the text tower reads them.

    Attributes:
        pieces: int32 [text, MOST_PIECES], subwords, -1 = none.
        grams: int32 [text, MOST_GRAMS], buckets of words and letter groups, -1 = none.
    """

    pieces: np.ndarray
    grams: np.ndarray


class Vocabulary(Protocol):
    """Cuts texts into subwords."""

    def pieces(self, text: str) -> list[int]:
        """The subwords of a normalised text; the empty text may have none."""
        ...


class SentencePieces:
    """A learned vocabulary of subwords.

    Args:
        model: a serialised SentencePiece model.

    Raises:
        WeightsError: the bytes are no such model.
    """

    def __init__(self, model: bytes) -> None:
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError as error:
            raise WeightsError(f"the vocabulary is no SentencePiece model ({error})") from error
        self.size = self._processor.GetPieceSize()

    def pieces(self, text: str) -> list[int]:
        """The subwords of a normalised text, in [0, size)."""
        return self._processor.EncodeAsIds(text)


class HashedWords:
    """Stands in for a vocabulary where none has been learned: a whole word is a subword.

    Args:
        size: how many there are.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def pieces(self, text: str) -> list[int]:
        """A number in [0, size) for every word."""
        return [crc32(word.encode()) % self.size for word in text.split()]


def normal_text(text: str) -> str:
    """A text without what makes no difference: letter case, blanks, forms of one character.

    What UTF-8 cannot write (halves of surrogate pairs) becomes a question mark.
    """
    writable = text.encode("utf-8", "replace").decode()
    return " ".join(unicodedata.normalize("NFKC", writable).lower().split())


def text_ids(texts: Sequence[str], vocabulary: Vocabulary, buckets: int) -> TextIds:
    """Writes texts as the text tower reads them.

    Args:
        texts: any strings; the empty one too.
        vocabulary: cuts them into subwords.
        buckets: rows that words and letter groups share.
    """
    pieces = np.full((len(texts), MOST_PIECES), -1, np.int32)
    hashed = np.full((len(texts), MOST_GRAMS), -1, np.int32)
    for row, text in enumerate(map(normal_text, texts)):
        found = vocabulary.pieces(text)[:MOST_PIECES]
        pieces[row, : len(found)] = found
        # Every text has at least one: `grams` starts with a mark of the start.
        groups = [crc32(gram.encode()) % buckets for gram in islice(grams(text), MOST_GRAMS)]
        hashed[row, : len(groups)] = groups
    return TextIds(pieces, hashed)
