"""Texts as ids: subwords of a learned vocabulary, and hashed words and letter groups."""

import unicodedata
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple, Protocol
from zlib import crc32

import numpy as np
import sentencepiece

from soundstage.stages.style.features import grams
from soundstage.stages.weights.array_source import WeightsError

# The longest texts; the rest of a longer one is ignored.
MOST_PIECES = 128
MOST_GRAMS = 512


class TextIds(NamedTuple):
    """The ids that the text tower reads.

    Attributes:
        pieces: int32 [text, MOST_PIECES], subwords; -1 = unused.
        grams: int32 [text, MOST_GRAMS], buckets of words and letter groups; -1 = unused.
    """

    pieces: np.ndarray
    grams: np.ndarray


class Vocabulary(Protocol):
    """A vocabulary that splits texts into subwords."""

    def pieces(self, text: str) -> list[int]:
        """Returns the subwords of a normalised text; the empty text may have none."""
        ...


class SentencePieces:
    """A learned vocabulary of subwords.

    Args:
        model: a serialised SentencePiece model.

    Raises:
        WeightsError: the bytes are not such a model.
    """

    def __init__(self, model: bytes) -> None:
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError as error:
            raise WeightsError(f"the vocabulary is not a SentencePiece model ({error})") from error
        self.size = self._processor.GetPieceSize()

    def pieces(self, text: str) -> list[int]:
        """Returns the subwords of a normalised text, in [0, size)."""
        return self._processor.EncodeAsIds(text)


class HashedWords:
    """A stand-in for a learned vocabulary: every word is one subword, numbered by its hash.

    Args:
        size: the number of subwords.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def pieces(self, text: str) -> list[int]:
        """Returns a number in [0, size) for every word."""
        return [crc32(word.encode()) % self.size for word in text.split()]


def normal_text(text: str) -> str:
    """Normalises letter case, blanks and the forms of characters (NFKC).

    Lone surrogates, which UTF-8 cannot encode, become question marks.
    """
    encodable = text.encode("utf-8", "replace").decode()
    return " ".join(unicodedata.normalize("NFKC", encodable).lower().split())


def text_ids(texts: Sequence[str], vocabulary: Vocabulary, buckets: int) -> TextIds:
    """Turns texts into the ids that the text tower reads.

    Args:
        texts: any strings; each may be empty.
        vocabulary: splits them into subwords.
        buckets: rows of the table that words and letter groups share.
    """
    pieces = np.full((len(texts), MOST_PIECES), -1, np.int32)
    hashed = np.full((len(texts), MOST_GRAMS), -1, np.int32)
    for row, text in enumerate(map(normal_text, texts)):
        subwords = vocabulary.pieces(text)[:MOST_PIECES]
        pieces[row, : len(subwords)] = subwords
        # Never empty: `grams` yields `START` first.
        groups = [crc32(gram.encode()) % buckets for gram in islice(grams(text), MOST_GRAMS)]
        hashed[row, : len(groups)] = groups
    return TextIds(pieces, hashed)
