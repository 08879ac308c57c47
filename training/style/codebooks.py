"""Learns the style quantizer: level by level, k-means on what the levels before left over."""

from collections.abc import Sequence

import numpy as np

ROUNDS = 15
SEEDING = 4096  # vectors that the first centres are chosen among, at most
# Where codes go that a level does not use: no residual of a unit vector comes near.
OUT_OF_REACH = 8.0


def level_codes(kinds: int, levels: int, codes: int) -> tuple[int, ...]:
    """How many codes each level uses: at first one a kind of music, then twice as many a level.

    So a text and the clips it describes, or two clips of one piece, meet in the same first codes,
    and a small model sees every code often; the later levels refine.

    Args:
        kinds: of music.
        levels: of the quantizer.
        codes: of a level, at most.
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
    """Learns residual codebooks.

    Args:
        prompts: float32 [vector, rank], single texts and clips; they alone decide the first level,
            as blends lie between kinds of music.
        kinds: int [vector], in [0, used[0]), the kind of music of each: the first level starts
            from the means of the kinds.
        blends: float32 [vector, rank], mixed prompts.
        used: how many codes each level uses, at most.
        codes: rows of each codebook.
        random: for the first centres.

    Returns:
        float32 [level, code, rank].
    """
    books = np.full((len(used), codes, prompts.shape[1]), OUT_OF_REACH, np.float32)
    residual = prompts.astype(np.float32)
    for level, wanted in enumerate(used):
        if level == 0:
            first = np.stack([residual[kinds == kind].mean(axis=0) for kind in np.unique(kinds)])
        else:
            distinct = len(np.unique(residual, axis=0))
            first = _first_centres(residual, min(wanted, codes, distinct), random)
        centres = _means(residual, first)
        books[level, : len(centres)] = centres
        if level == 0:
            residual = np.concatenate([residual, blends.astype(np.float32)])
        residual = residual - centres[nearest(residual, centres)]
    return books


def nearest(vectors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The nearest centre of every vector, int64 [vector]."""
    return np.argmin(np.square(centres).sum(axis=1) - 2 * vectors @ centres.T, axis=1)


def tokens(vectors: np.ndarray, books: np.ndarray) -> np.ndarray:
    """The codes of vectors, int64 [vector, level]; the rule of `stages.rvq.encode`."""
    residual, found = vectors.astype(np.float32), []
    for centres in books:
        found.append(nearest(residual, centres))
        residual = residual - centres[found[-1]]
    return np.stack(found, axis=1)


def _means(vectors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Moves centres to the means of the vectors nearest to them, again and again."""
    count = len(centres)
    for _ in range(ROUNDS):
        chosen = nearest(vectors, centres)
        members = np.bincount(chosen, minlength=count)  # [code]
        order = np.argsort(chosen, kind="stable")
        starts = np.concatenate([[0], np.cumsum(members)[:-1]])
        kept = members > 0
        sums = np.add.reduceat(vectors[order], starts[kept], axis=0)
        centres = centres.copy()
        centres[kept] = sums / members[kept, None]
        # A centre that nobody is nearest to starts again at the vectors worst served.
        lost = np.square(vectors - centres[chosen]).sum(axis=1)
        centres[~kept] = vectors[np.argsort(-lost, kind="stable")[: int((~kept).sum())]]
    return centres


def _first_centres(vectors: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Vectors far from each other: each drawn by its squared distance to those before."""
    some = vectors[random.permutation(len(vectors))[: max(SEEDING, count)]]
    chosen = [some[0]]
    lost = np.full(len(some), np.inf)
    for _ in range(count - 1):
        lost = np.minimum(lost, np.square(some - chosen[-1]).sum(axis=1))
        total = lost.sum()
        at = random.choice(len(some), p=lost / total) if total > 0 else random.integers(len(some))
        chosen.append(some[at])
    return np.stack(chosen)
