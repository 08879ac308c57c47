"""The vocabulary: residual codes to the ids that the transformer reads, and back."""

from dataclasses import dataclass

import numpy as np

from soundstage.graph.format import Format

PAD = 0
BOS = 0
MASK = 1
CODEC_OFFSET = 2
NOTHING = -1

# Number of unused ids between the codec's and the style's in the published vocabulary.
UNUSED = 1024
# The number of rows of the published embedding is a multiple of this.
ROW_MULTIPLE = 128


def rvq_to_llm(
    codes: np.ndarray, codebook_size: int, offset: int, *, nothing_id: int | None = None
) -> np.ndarray:
    """Turns residual codes into vocabulary ids: offset + codebook_size * level + code.

    Args:
        codes: integers [..., level], each in [0, codebook_size), or -1 where `nothing_id` is given.
        codebook_size: codes per level.
        offset: id of level 0, code 0.
        nothing_id: id for -1 (nothing yet); None = -1 is refused.

    Returns:
        int32 [..., level].

    Raises:
        TypeError: `codes` are not integers with a level axis.
        ValueError: a code is out of range; names the value, its level and its index.
    """
    codes = _integers("codes", codes)
    blank = codes == NOTHING if nothing_id is not None else np.zeros(codes.shape, bool)
    wrong = ((codes < 0) | (codes >= codebook_size)) & ~blank
    if wrong.any():
        index = _first(wrong)
        also = "" if nothing_id is None else ", or -1 for nothing yet"
        raise ValueError(
            f"code {codes[index]} of level {index[-1]} at index {index} is outside "
            f"[0, {codebook_size}){also}"
        )
    ids = codes.astype(np.int32) + _level_starts(codes.shape[-1], codebook_size, offset)
    return np.where(blank, np.int32(nothing_id or 0), ids)


def llm_to_rvq(
    ids: np.ndarray, codebook_size: int, offset: int, *, nothing_id: int | None = None
) -> np.ndarray:
    """Turns vocabulary ids back into residual codes; the inverse of `rvq_to_llm`.

    Args:
        ids: integers [..., level], each an id of its own level, or `nothing_id` where given.
        codebook_size: codes per level.
        offset: id of level 0, code 0.
        nothing_id: id that becomes -1; None = no such id.

    Returns:
        int32 [..., level], in [0, codebook_size), -1 for `nothing_id`.

    Raises:
        TypeError: `ids` are not integers with a level axis.
        ValueError: an id is no code of its level; names the value, its level and its index.
    """
    ids = _integers("ids", ids)
    starts = _level_starts(ids.shape[-1], codebook_size, offset)
    blank = ids == nothing_id if nothing_id is not None else np.zeros(ids.shape, bool)
    codes = ids.astype(np.int64) - starts
    wrong = ((codes < 0) | (codes >= codebook_size)) & ~blank
    if wrong.any():
        index = _first(wrong)
        start = starts[index[-1]]
        raise ValueError(
            f"id {ids[index]} at index {index} is outside level {index[-1]}, whose ids are "
            f"[{start}, {start + codebook_size})"
        )
    return np.where(blank, NOTHING, codes).astype(np.int32)


def _integers(name: str, array: np.ndarray) -> np.ndarray:
    array = np.asarray(array)
    if array.ndim == 0 or array.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be integers [..., level], got {array.dtype} of shape {array.shape}"
        )
    return array


def _first(wrong: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def _level_starts(levels: int, codebook_size: int, offset: int) -> np.ndarray:
    return np.arange(levels, dtype=np.int32) * np.int32(codebook_size) + np.int32(offset)


@dataclass(frozen=True)
class Vocabulary:
    """The ids of the transformer: PAD/BOS, MASK, codec codes, a gap, style codes.

    Source: the Depthformer spec, "Sizes", except that style ids start right after the gap.

    Attributes:
        codec_levels: RVQ levels of the codec.
        codebook_size: codes per level, of codec and style.
        style_levels: RVQ levels of a quantized style.
        context_levels: codec levels shown to the encoder.
        prompt_style_levels: style levels shown to the encoder.
    """

    codec_levels: int = 16
    codebook_size: int = 1024
    style_levels: int = 12
    context_levels: int = 4
    prompt_style_levels: int = 6

    @classmethod
    def of(cls, format: Format) -> "Vocabulary":
        """Returns the vocabulary of a music format."""
        return cls(
            format.codec_levels,
            format.codebook_size,
            format.style_levels,
            format.context_levels,
            format.prompt_style_levels,
        )

    @property
    def style_offset(self) -> int:
        """Id of style level 0, code 0."""
        return CODEC_OFFSET + self.codec_levels * self.codebook_size + UNUSED

    @property
    def size(self) -> int:
        """Number of ids in use or reserved, without the padding of the embedding."""
        return self.style_offset + self.style_levels * self.codebook_size

    @property
    def padded_size(self) -> int:
        """Rows of the embedding: `size` rounded up as in the published weights."""
        return -(-self.size // ROW_MULTIPLE) * ROW_MULTIPLE

    def codec_ids(self, codes: np.ndarray) -> np.ndarray:
        """Turns codec codes into ids.

        Args:
            codes: integers [..., level], in [0, codebook_size); -1 = nothing yet, which becomes
                MASK.

        Returns:
            int32 [..., level].

        Raises:
            ValueError: a code is out of range, or there are more levels than the codec has.
        """
        self._check_levels(codes, self.codec_levels)
        return rvq_to_llm(codes, self.codebook_size, CODEC_OFFSET, nothing_id=MASK)

    def codec_codes(self, ids: np.ndarray) -> np.ndarray:
        """Turns ids back into codec codes, MASK into -1; the inverse of `codec_ids`.

        Args:
            ids: integers [..., level].

        Returns:
            int32 [..., level].

        Raises:
            ValueError: an id is no code of its level, or there are more levels than the codec has.
        """
        self._check_levels(ids, self.codec_levels)
        return llm_to_rvq(ids, self.codebook_size, CODEC_OFFSET, nothing_id=MASK)

    def style_ids(self, codes: np.ndarray) -> np.ndarray:
        """Turns style codes into ids.

        Args:
            codes: integers [..., level], in [0, codebook_size).

        Returns:
            int32 [..., level].

        Raises:
            ValueError: a code is out of range, or there are more levels than a style has.
        """
        self._check_levels(codes, self.style_levels)
        return rvq_to_llm(codes, self.codebook_size, self.style_offset)

    def pack(self, context: np.ndarray, style: np.ndarray) -> np.ndarray:
        """Packs a prompt: the coarse levels of the past, frame by frame, then the style.

        Source: the Depthformer spec, "Encoder".

        Args:
            context: int32 [..., context_frame, level], in [0, codebook_size), -1 = nothing yet.
            style: int32 [..., style_level], in [0, codebook_size); the first levels
                are used, as many as the music format names.

        Returns:
            int32 [..., prompt_token].

        Raises:
            ValueError: a code is out of range, or there are fewer levels than the encoder reads.
        """
        context, style = np.asarray(context), np.asarray(style)
        for name, array, needed in (
            ("context", context, self.context_levels),
            ("style", style, self.prompt_style_levels),
        ):
            if array.shape[-1] < needed:
                raise ValueError(
                    f"{name} has {array.shape[-1]} levels, but the encoder reads {needed}"
                )
        past = self.codec_ids(context[..., : self.context_levels])
        past = past.reshape(*past.shape[:-2], -1)  # [..., context_frame * context_level]
        return np.concatenate([past, self.style_ids(style[..., : self.prompt_style_levels])], -1)

    def unprompted(self, prompt: np.ndarray) -> np.ndarray:
        """Masks the style of a prompt: guidance steers away from the result.

        Args:
            prompt: int32 [..., prompt_token], as `pack` returns it.

        Returns:
            int32 [..., prompt_token].
        """
        masked = np.array(prompt, np.int32)
        masked[..., masked.shape[-1] - self.prompt_style_levels :] = MASK
        return masked

    def hide_nothing(self, prompt: np.ndarray) -> np.ndarray:
        """Hides frames that do not exist yet: their MASK becomes PAD, which the encoder ignores.

        Args:
            prompt: int32 [..., prompt_token], as `pack` or `unprompted` returns it.

        Returns:
            int32 [..., prompt_token].
        """
        known = np.array(prompt, np.int32)
        past = known[..., : known.shape[-1] - self.prompt_style_levels]
        past[past == MASK] = PAD
        return known

    def _check_levels(self, array: np.ndarray, levels: int) -> None:
        if np.shape(array)[-1:] > (levels,):
            raise ValueError(f"got {np.shape(array)[-1]} levels, but the vocabulary has {levels}")
