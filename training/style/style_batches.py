"""Batches of texts and clips, with the distance of every text from every clip."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from soundstage.stages.style_towers.text import Vocabulary, text_ids
from soundstage.training.corpus.manifest import Piece
from soundstage.training.style.contrasts import contrast
from soundstage.training.style.loss import steepest
from soundstage.training.style.prompts import Prompter
from soundstage.training.style.spectrograms import random_clip

# The share of batches whose pieces are of few genres, and of how many: only among pieces of one
# genre does a text's tempo, density or brightness tell them apart.
NARROW, NARROW_GENRES = 0.5, 6


class StyleBatch(NamedTuple):
    """The examples of one step; each row has a text and a clip of the same piece.

    Attributes:
        pieces: int32 [row, MOST_PIECES], the texts' subwords, -1 = none.
        grams: int32 [row, MOST_GRAMS], the texts' words and letter groups, -1 = none.
        log_mels: float32 [row, window, band].
        distances: float32 [text, clip], >= 0; 0 = the text fits the clip's piece.
        augmentation: uint32 scalar, the seed of `spectrograms.augmented`.
        contrast_pieces: int32 [2 * row, MOST_PIECES]; subwords of a true text for each clip's
            piece, and then of one that contradicts the piece in one fact.
        contrast_grams: int32 [2 * row, MOST_GRAMS], likewise.
        steepest: float32 scalar, see `loss.losses`.
    """

    pieces: np.ndarray
    grams: np.ndarray
    log_mels: np.ndarray
    distances: np.ndarray
    augmentation: np.ndarray
    contrast_pieces: np.ndarray
    contrast_grams: np.ndarray
    steepest: np.ndarray


class Batcher:
    """Draws batches from pieces; a batch depends on the seed and the step alone.

    Args:
        pieces: at least one.
        log_mels: float [window, band] of each piece.
        windows: the number of windows of a clip.
        vocabulary: splits texts into subwords.
        buckets: embedding rows that words and letter groups are hashed to.
        rows: examples a batch.
        seed: the seed of all batches.
        steps: steps of the run.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        log_mels: Sequence[np.ndarray],
        windows: int,
        vocabulary: Vocabulary,
        buckets: int,
        rows: int,
        seed: int,
        steps: int,
    ) -> None:
        self.pieces, self.steps = pieces, steps
        self.prompter = Prompter(pieces)
        self.genres = np.array([piece.genre for piece in pieces])
        self.log_mels, self.windows = log_mels, windows
        self.vocabulary, self.buckets = vocabulary, buckets
        self.rows, self.seed = rows, seed

    def __call__(self, step: int) -> StyleBatch:
        """Draws the batch of a step; pieces repeat if there are fewer than rows."""
        random = np.random.default_rng([self.seed, step])
        chosen = self._choose(random)
        prompts = [self.prompter(random, int(piece)) for piece in chosen]
        ids = text_ids([prompt.text for prompt in prompts], self.vocabulary, self.buckets)
        clips = [random_clip(random, self.log_mels[piece], self.windows) for piece in chosen]
        distances = np.stack([prompt.distances[chosen] for prompt in prompts])
        augmentation = np.asarray(np.uint32(random.integers(2**32)))
        pairs = [contrast(random, self.pieces[piece]) for piece in chosen]
        texts = [pair.true for pair in pairs] + [pair.false for pair in pairs]
        contrasts = text_ids(texts, self.vocabulary, self.buckets)
        bound = np.asarray(steepest(step / self.steps), np.float32)
        return StyleBatch(*ids, np.stack(clips), distances, augmentation, *contrasts, bound)

    def _choose(self, random: np.random.Generator) -> np.ndarray:
        """Draws the numbers of a batch's pieces, int [row]."""
        numbers, genres = np.arange(len(self.pieces)), np.unique(self.genres)
        if random.random() < NARROW:
            few = random.permutation(genres)[:NARROW_GENRES]
            numbers = np.flatnonzero(np.isin(self.genres, few))
        repeats = -(-self.rows // len(numbers))
        return np.concatenate([random.permutation(numbers) for _ in range(repeats)])[: self.rows]
