"""The compact form of a weights file: without the rows and columns of unused ids.

A vocabulary has ids that are never used: a gap, style levels that no prompt shows, padding. They
would be a third of a small network's file. The compact form holds two arrays in place of the
embedding and the head, whose other rows and columns are read as zeros:

    token_embedder/used/embedding      [PAD, MASK, all codec ids, style ids shown; D]
    decoder/logits_dense/used/kernel   [D, all codec ids]
"""

from collections.abc import Mapping

import numpy as np

from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.depthformer.vocabulary import CODEC_OFFSET, UNUSED, Vocabulary
from soundstage.stages.weights.array_source import (
    ArraySource,
    WeightsError,
    aligned_zeros,
    check_shape,
)

EMBEDDING = "token_embedder/embedding"
HEAD = "decoder/logits_dense/kernel"
USED_EMBEDDING = "token_embedder/used/embedding"
USED_HEAD = "decoder/logits_dense/used/kernel"


def compacted(arrays: Mapping[str, np.ndarray], vocabulary: Vocabulary) -> dict[str, np.ndarray]:
    """Removes the rows and columns of ids that no prompt and no step uses.

    Args:
        arrays: the arrays of a Depthformer by published name.
        vocabulary: the vocabulary of the music format.

    Returns:
        The arrays, with the two of the compact form in place of the embedding and the head.
    """
    last = CODEC_OFFSET + vocabulary.codec_levels * vocabulary.codebook_size
    first = vocabulary.style_offset
    style = slice(first, first + vocabulary.prompt_style_levels * vocabulary.codebook_size)
    compact = {name: array for name, array in arrays.items() if name not in (EMBEDDING, HEAD)}
    rows = arrays[EMBEDDING]
    compact[USED_EMBEDDING] = np.concatenate([rows[:last], rows[style]])
    compact[USED_HEAD] = np.ascontiguousarray(arrays[HEAD][:, CODEC_OFFSET:last])
    return compact


class Unfolded:
    """A source in the compact form, read as whole arrays.

    Args:
        source: has the arrays of the compact form; `close` closes it.
        config: the sizes of the whole arrays.
    """

    def __init__(self, source: ArraySource, config: DepthformerConfig) -> None:
        self.note = source.note
        self._source = source
        self._config = config
        self._last = CODEC_OFFSET + config.num_levels * config.codebook_size

    def names(self) -> Mapping[str, tuple[int, ...]]:
        """Returns the shapes of the whole arrays."""
        names = dict(self._source.names() or {})
        for used in (USED_EMBEDDING, USED_HEAD):
            names.pop(used, None)
        rows, width = self._config.vocab_size, self._config.embed_dim
        return names | {EMBEDDING: (rows, width), HEAD: (width, rows)}

    def read(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Reads one array, whole; see `ArraySource.read`."""
        if name == EMBEDDING:
            return self._embedding(shape)
        if name == HEAD:
            head = aligned_zeros(shape)
            codec = slice(CODEC_OFFSET, self._last)
            head[:, codec] = self._source.read(USED_HEAD, head[:, codec].shape)
            return head
        return self._source.read(name, shape)

    def _embedding(self, shape: tuple[int, ...]) -> np.ndarray:
        stored_shape = (self._source.names() or {}).get(USED_EMBEDDING, ())
        if (
            len(stored_shape) != 2
            or stored_shape[0] < self._last
            or stored_shape[0] + UNUSED > shape[0]
        ):
            most = shape[0] - UNUSED
            raise WeightsError(
                f"{self.note}: {USED_EMBEDDING} has shape {stored_shape}, but this network needs "
                f"{self._last} to {most} rows; use the weights that belong to the size and the "
                "music format chosen"
            )
        check_shape(self.note, USED_EMBEDDING, stored_shape, (stored_shape[0], shape[1]))
        used = self._source.read(USED_EMBEDDING, stored_shape)
        rows = aligned_zeros(shape)
        rows[: self._last] = used[: self._last]
        rows[self._last + UNUSED : stored_shape[0] + UNUSED] = used[self._last :]
        return rows

    def close(self) -> None:
        """Closes the source."""
        self._source.close()


def unfolded(source: ArraySource, config: DepthformerConfig) -> ArraySource:
    """Returns the source itself or, if it is in the compact form, a view of its whole arrays."""
    names = source.names() or {}
    return Unfolded(source, config) if {USED_EMBEDDING, USED_HEAD} & set(names) else source
