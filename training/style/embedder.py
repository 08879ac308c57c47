"""Embeddings of the texts and clips of pieces by a trained model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from flax import nnx

from soundstage.stages.style_towers.text import SentencePieces, text_ids
from soundstage.training.style.prompts import Prompter
from soundstage.training.style.run_folder import Prepared, SplitSounds
from soundstage.training.style.spectrograms import padded_clip, random_clip

TEXT_ROWS = 256


@dataclass(frozen=True)
class Embedded:
    """Embedded texts or clips, with their pieces and genres.

    Attributes:
        vectors: float32 [item, rank], rows of length 1.
        piece: int [item], the number of each item's piece.
        genre: str [item].
    """

    vectors: np.ndarray
    piece: np.ndarray
    genre: np.ndarray


class Samples(NamedTuple):
    """Vectors to fit the quantizer to.

    Attributes:
        prompts: float32 [vector, rank], texts and as many clips, rows of length 1.
        kinds: int [vector], the number of each prompt's genre.
        blends: float32 [vector, rank], weighted means of two prompts.
    """

    prompts: np.ndarray
    kinds: np.ndarray
    blends: np.ndarray


# Texts with the numbers of their pieces.
Texts: TypeAlias = Sequence[tuple[int, str]]


class Embedder:
    """Embeds texts and clips with given weights.

    Args:
        prepared: the model, its vocabulary and the length of clips.
        towers: the weights.
    """

    def __init__(self, prepared: Prepared, towers: nnx.State) -> None:
        self.prepared, self.towers = prepared, towers
        self.vocabulary = SentencePieces(prepared.vocabulary)

    def texts(self, part: SplitSounds, texts: Texts) -> Embedded:
        """Embeds texts of a part's pieces."""
        model, vectors = self.prepared.model, []
        for first in range(0, len(texts), TEXT_ROWS):
            some = [text for _, text in texts[first : first + TEXT_ROWS]]
            padded = some + [""] * (TEXT_ROWS - len(some))
            ids = text_ids(padded, self.vocabulary, model.config.buckets)
            vectors.append(model.embed_texts(self.towers, *ids)[: len(some)])
        return _embedded(part, np.concatenate(vectors), [piece for piece, _ in texts])

    def clips(self, part: SplitSounds, hop_share: float = 1.0) -> Embedded:
        """Embeds successive clips of a part's pieces.

        Args:
            part: the pieces.
            hop_share: distance between the starts of two clips, as a share of a clip.
        """
        windows, clips, pieces = self.prepared.windows, [], []
        hop = max(1, round(hop_share * windows))
        for number, log_mel in enumerate(part.log_mels):
            starts = range(0, max(1, len(log_mel) - windows + 1), hop)
            clips += [padded_clip(log_mel[start : start + windows], windows) for start in starts]
            pieces += [number] * len(starts)
        vectors = self.prepared.model.embed_clips(self.towers, np.stack(clips))
        return _embedded(part, vectors, pieces)

    def samples(self, part: SplitSounds, each: int, random: np.random.Generator) -> Samples:
        """Draws prompts and embeds them.

        Args:
            part: the pieces.
            each: number of clips, and of texts, of every piece.
            random: draws texts, clips and blends.
        """
        prompter = Prompter(part.pieces)
        numbers = [number for number in range(len(part.pieces)) for _ in range(each)]
        texts = [(number, prompter(random, number).text) for number in numbers]
        clips = np.stack(
            [random_clip(random, part.log_mels[n], self.prepared.windows) for n in numbers]
        )
        clip_vectors = self.prepared.model.embed_clips(self.towers, clips)
        prompts = np.concatenate([self.texts(part, texts).vectors, clip_vectors])
        pairs = random.integers(len(prompts), size=(len(numbers), 2))
        shares = random.uniform(0, 1, (len(numbers), 1)).astype(np.float32)
        blends = shares * prompts[pairs[:, 0]] + (1 - shares) * prompts[pairs[:, 1]]
        genres = np.unique([piece.genre for piece in part.pieces], return_inverse=True)[1]
        return Samples(prompts, np.tile(genres[numbers], 2), blends)


def _embedded(part: SplitSounds, vectors: np.ndarray, pieces: Sequence[int]) -> Embedded:
    genres = np.array([part.pieces[piece].genre for piece in pieces])
    return Embedded(vectors, np.array(pieces), genres)
