"""Texts and clips of pieces as vectors of a trained model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from flax import nnx

from soundstage.stages.style_towers.text import SentencePieces, text_ids
from soundstage.training.style.prompts import Prompter
from soundstage.training.style.run_folder import Prepared, SplitSounds
from soundstage.training.style.spectrograms import crop

TEXT_ROWS = 256


@dataclass(frozen=True)
class Embedded:
    """Vectors of texts or clips, and where they come from.

    Attributes:
        vectors: float32 [item, rank], rows of length 1.
        piece: int [item], the piece each belongs to.
        genre: str [item].
    """

    vectors: np.ndarray
    piece: np.ndarray
    genre: np.ndarray


class Samples(NamedTuple):
    """Vectors as the quantizer may meet them.

    Attributes:
        prompts: float32 [vector, rank], texts and clips, as many of each, rows of length 1.
        kinds: int [vector], the number of each one's genre.
        blends: float32 [vector, rank], of two of these each, length 1 at most.
    """

    prompts: np.ndarray
    kinds: np.ndarray
    blends: np.ndarray


# A text with the number of its piece.
Texts: TypeAlias = Sequence[tuple[int, str]]


class Embedder:
    """Embeds with given weights.

    Args:
        prepared: the model, its vocabulary and the length of clips.
        towers: the weights.
    """

    def __init__(self, prepared: Prepared, towers: nnx.State) -> None:
        self.prepared, self.towers = prepared, towers
        self.vocabulary = SentencePieces(prepared.vocabulary)

    def texts(self, part: SplitSounds, texts: Texts) -> Embedded:
        """Embeds texts of a part's pieces."""
        model, found = self.prepared.model, []
        for first in range(0, len(texts), TEXT_ROWS):
            some = [text for _, text in texts[first : first + TEXT_ROWS]]
            filled = some + [""] * (TEXT_ROWS - len(some))
            ids = text_ids(filled, self.vocabulary, model.config.buckets)
            found.append(model.embed_texts(self.towers, *ids)[: len(some)])
        return _embedded(part, np.concatenate(found), [piece for piece, _ in texts])

    def clips(self, part: SplitSounds, hop_share: float = 1.0) -> Embedded:
        """Embeds the clips of a part's pieces, whole ones, one after another.

        Args:
            part: the pieces.
            hop_share: from a clip's start to the next one's, in clips.
        """
        windows, found, pieces = self.prepared.windows, [], []
        hop = max(1, round(hop_share * windows))
        for number, log_mel in enumerate(part.log_mels):
            starts = range(0, max(1, len(log_mel) - windows + 1), hop)
            found += [_clip(log_mel, start, windows) for start in starts]
            pieces += [number] * len(starts)
        vectors = self.prepared.model.embed_clips(self.towers, np.stack(found))
        return _embedded(part, vectors, pieces)

    def samples(self, part: SplitSounds, each: int, random: np.random.Generator) -> Samples:
        """Draws prompts and embeds them.

        Args:
            part: the pieces.
            each: clips, and texts, of every piece; as many blends.
            random: for all of it.

        """
        prompter = Prompter(part.pieces)
        numbers = [number for number in range(len(part.pieces)) for _ in range(each)]
        texts = [(number, prompter(random, number).text) for number in numbers]
        clips = np.stack([crop(random, part.log_mels[n], self.prepared.windows) for n in numbers])
        sounds = self.prepared.model.embed_clips(self.towers, clips)
        singles = np.concatenate([self.texts(part, texts).vectors, sounds])
        pairs = random.integers(len(singles), size=(len(numbers), 2))
        shares = random.uniform(0, 1, (len(numbers), 1)).astype(np.float32)
        blends = shares * singles[pairs[:, 0]] + (1 - shares) * singles[pairs[:, 1]]
        genres = np.unique([piece.genre for piece in part.pieces], return_inverse=True)[1]
        return Samples(singles, np.tile(genres[numbers], 2), blends)


def _clip(log_mel: np.ndarray, start: int, windows: int) -> np.ndarray:
    found = np.zeros((windows, log_mel.shape[1]), np.float32)
    part = log_mel[start : start + windows]
    found[: len(part)] = part
    return found


def _embedded(part: SplitSounds, vectors: np.ndarray, pieces: Sequence[int]) -> Embedded:
    genres = np.array([part.pieces[piece].genre for piece in pieces])
    return Embedded(vectors, np.array(pieces), genres)
