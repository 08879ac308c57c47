"""Batches: texts with the clips they describe, and how well each fits each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from soundstage.stages.style_towers.text import Vocabulary, text_ids
from soundstage.training.corpus.manifest import Piece
from soundstage.training.style.prompts import Prompter
from soundstage.training.style.spectrograms import crop


class StyleBatch(NamedTuple):
    """One step's examples; row by row a text and a clip of the piece that it was made for.

    Attributes:
        pieces: int32 [row, MOST_PIECES], the texts' subwords, -1 = none.
        grams: int32 [row, MOST_GRAMS], the texts' words and letter groups, -1 = none.
        log_mels: float32 [row, window, band].
        distances: float32 [text, clip], >= 0: how little each text fits each clip.
        wear: uint32 scalar: how the clips are worn (see `sounds.wear_sounds`).
    """

    pieces: np.ndarray
    grams: np.ndarray
    log_mels: np.ndarray
    distances: np.ndarray
    wear: np.ndarray


class Batcher:
    """Draws batches from pieces; a batch follows from the seed and the step alone.

    Args:
        pieces: at least one.
        log_mels: float [window, band] of each.
        windows: of a clip.
        vocabulary: cuts texts into subwords.
        buckets: rows that words and letter groups share.
        rows: examples a batch.
        seed: of all batches.
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
    ) -> None:
        self.prompter = Prompter(pieces)
        self.log_mels, self.windows = log_mels, windows
        self.vocabulary, self.buckets = vocabulary, buckets
        self.rows, self.seed = rows, seed

    def __call__(self, step: int) -> StyleBatch:
        """Draws a step's batch; a corpus of fewer pieces than rows gives each several times."""
        random = np.random.default_rng([self.seed, step])
        count = len(self.log_mels)
        turns = -(-self.rows // count)
        chosen = np.concatenate([random.permutation(count) for _ in range(turns)])[: self.rows]
        prompts = [self.prompter(random, int(piece)) for piece in chosen]
        ids = text_ids([prompt.text for prompt in prompts], self.vocabulary, self.buckets)
        clips = [crop(random, self.log_mels[piece], self.windows) for piece in chosen]
        distances = np.stack([prompt.distances[chosen] for prompt in prompts])
        wear = np.uint32(random.integers(2**32))
        return StyleBatch(ids.pieces, ids.grams, np.stack(clips), distances, np.asarray(wear))
