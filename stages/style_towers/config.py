"""The sizes of the towers: chosen, or read from a weights file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from soundstage.stages.weights.array_source import WeightsError


@dataclass(frozen=True)
class TowersConfig:
    """The sizes of both towers.

    Attributes:
        pieces: subwords of the vocabulary.
        buckets: rows of the table that hashed words and letter groups share.
        text_width: width of the embedding of a subword or letter group.
        audio_width: channels of the convolutions.
        blocks: convolution blocks; each halves the number of windows.
        heads: weighted means that each tower takes, over the text or over time.
        hidden: width of the layer behind the means, in each tower.
        rank: width of each tower's output.
    """

    pieces: int = 1024
    buckets: int = 4096
    text_width: int = 96
    audio_width: int = 128
    blocks: int = 3
    heads: int = 4
    hidden: int = 256
    rank: int = 64


# The sizes of random towers, for tests.
TINY = TowersConfig(
    pieces=64, buckets=128, text_width=8, audio_width=8, blocks=2, hidden=16, rank=8
)


def config_of(note: str, shapes: Mapping[str, tuple[int, ...]]) -> TowersConfig:
    """Derives the sizes from the shapes of a weights file's arrays.

    Args:
        note: the file's name, for errors.
        shapes: the shape of every array by name.

    Raises:
        WeightsError: an array that a size is derived from is missing or has another number of axes.
    """

    def size(name: str, axis: int, axes: int) -> int:
        shape = shapes.get(name, ())
        if len(shape) != axes:
            raise WeightsError(
                f"{note}: no style towers: {name} should have {axes} axes, but "
                f"{f'has shape {shape}' if name in shapes else 'is missing'}; use a file that "
                "`python -m soundstage.training.style export` wrote"
            )
        return shape[axis]

    blocks = {match[1] for name in shapes if (match := re.match(r"audio/blocks/(\d+)/", name))}
    return TowersConfig(
        pieces=size("text/pieces/embedding", 0, 2),
        buckets=size("text/grams/embedding", 0, 2),
        text_width=size("text/pieces/embedding", 1, 2),
        audio_width=size("audio/stem/kernel", 2, 3),
        blocks=len(blocks),
        heads=size("text/pool/kernel", 1, 2),
        hidden=size("text/head/hidden/kernel", 1, 2),
        rank=size("text/head/out/kernel", 1, 2),
    )
