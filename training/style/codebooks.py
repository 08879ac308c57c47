"""Codebooks of the style quantizer: residual k-means, with few codes at the first levels."""

from collections.abc import Sequence

import numpy as np

from soundstage.training.residual_codebooks import nearest, sums_by_code

ROUNDS = 15
SEEDING = 4096  # most vectors that the first centres are chosen among
# The value of unused codes: no residual of a unit vector is near them.
OUT_OF_REACH = 8.0


def level_codes(kinds: int, levels: int, codes: int) -> tuple[int, ...]:
    """Returns how many codes each level uses: one a genre at first, then twice as many a level.

    So a text and the clips it describes, or two clips of one piece, share their first codes,
    and a small model sees every code often; later levels refine.

    Args:
        kinds: number of genres.
        levels: the number of levels of the quantizer.
        codes: most codes of a level.
    """
    return tuple(min(codes, kinds << level) for level in range(levels))


def learn_codebooks(
    prompts: np.ndarray,
    kinds: np.ndarray,
    blends: np.ndarray,
    used: Sequence[int],
    codes: int,
    random: np.random.Generator,
) -> np.ndarray:
    """Fits residual codebooks.

    Args:
        prompts: float32 [vector, rank], single texts and clips; the first level is fitted to them
            alone, because blends lie between genres.
        kinds: int [vector], in [0, used[0]), the number of each one's genre: the first level
            starts from the means of genres.
        blends: float32 [vector, rank], mixed prompts.
        used: most codes that each level uses.
        codes: rows of each codebook.
        random: draws the first centres.

    Returns:
        float32 [level, code, rank].
    """
    books = np.full((len(used), codes, prompts.shape[1]), OUT_OF_REACH, np.float32)
    residual = prompts.astype(np.float32)
    for level, most in enumerate(used):
        if level == 0:
            first = np.stack([residual[kinds == kind].mean(axis=0) for kind in np.unique(kinds)])
        else:
            distinct = len(np.unique(residual, axis=0))
            first = _first_centres(residual, min(most, codes, distinct), random)
        centres = _refined(residual, first)
        books[level, : len(centres)] = centres
        if level == 0:
            residual = np.concatenate([residual, blends.astype(np.float32)])
        residual = residual - centres[nearest(residual, centres)]
    return books


def _refined(vectors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Moves centres to the means of their nearest vectors, `ROUNDS` times."""
    count = len(centres)
    for _ in range(ROUNDS):
        chosen = nearest(vectors, centres)
        members, sums = sums_by_code(vectors, chosen, count)
        used = members > 0
        centres = centres.copy()
        centres[used] = sums / members[used, None]
        # Centres without vectors move to the vectors of the largest error.
        errors = np.square(vectors - centres[chosen]).sum(axis=1)
        centres[~used] = vectors[np.argsort(-errors, kind="stable")[: int((~used).sum())]]
    return centres


def _first_centres(vectors: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Draws vectors far from each other, by their squared distance to those drawn before."""
    some = vectors[random.permutation(len(vectors))[: max(SEEDING, count)]]
    chosen = [some[0]]
    distances = np.full(len(some), np.inf)
    for _ in range(count - 1):
        distances = np.minimum(distances, np.square(some - chosen[-1]).sum(axis=1))
        total = distances.sum()
        index = (
            random.choice(len(some), p=distances / total)
            if total > 0
            else random.integers(len(some))
        )
        chosen.append(some[index])
    return np.stack(chosen)
