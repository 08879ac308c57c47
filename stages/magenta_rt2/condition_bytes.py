"""The numbers that condition a frame, packed bit by bit: what `Step` keeps of earlier frames."""

from __future__ import annotations

import numpy as np

from soundstage.stages.magenta_rt2.config import MagentaRt2Config
from soundstage.stages.magenta_rt2.numbers import MASKED


class ConditionBytes:
    """Packs the numbers of a frame in as few bits as their ranges need; 0 = masked.

    The strengths of `Notes` are never masked, so no frame for which something was asked is all 0.

    Args:
        config: the sizes.

    Attributes:
        size: bytes of a packed frame; 67 with the known sizes of the model.
    """

    def __init__(self, config: MagentaRt2Config) -> None:
        raw = (
            *(config.style_codes,) * config.style_levels,
            *(config.note_states,) * config.pitches,
            config.drum_states,
            *config.scale_bins,
        )
        self._most = np.array(raw, np.int32)
        # 0 to `raw`, as 1 is added: that many bits a number, the lowest first.
        bits = np.array([most.bit_length() for most in raw])
        self._starts = np.cumsum(bits) - bits
        self._number = np.repeat(np.arange(len(bits)), bits)
        self._shift = (np.arange(len(self._number)) - self._starts[self._number]).astype(np.int32)
        self.size = -(-len(self._number) // 8)

    def pack(self, numbers: np.ndarray) -> np.ndarray:
        """Packs int32 [..., number], -1 = masked, as uint8 [..., size].

        Raises:
            ValueError: a number is outside its range.
        """
        above = numbers - MASKED
        outside = np.argwhere((above < 0) | (above > self._most))
        if len(outside):
            place = int(outside[0, -1])
            raise ValueError(
                f"number {place} of a conditioning is {numbers[tuple(outside[0])]}, but must be "
                f"in [-1, {self._most[place]})"
            )
        bits = above[..., self._number] >> self._shift & 1
        return np.packbits(bits.astype(np.uint8), axis=-1)

    def unpack(self, packed: np.ndarray) -> np.ndarray:
        """Unpacks what `pack` returns; other bytes become numbers in their ranges, too."""
        bits = np.unpackbits(packed, axis=-1, count=len(self._number)).astype(np.int32)
        above = np.add.reduceat(bits << self._shift, self._starts, axis=-1)
        return np.minimum(above, self._most) + MASKED
