"""Pieces of tokens that follow a simple rule of their style."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from soundstage.graph.format import Format
from soundstage.training.tokens.record import PieceStyles, PieceTokens, TokenFacts

SMALL_FORMAT = Format(
    chunk_s=0.16,
    context_s=0.32,
    codec_levels=3,
    context_levels=2,
    codebook_size=16,
    style_dim=8,
    style_levels=3,
    prompt_style_levels=2,
)


def synthetic_facts(format: Format) -> TokenFacts:
    """Returns the facts of a file of synthetic pieces."""
    return TokenFacts.of(format, "synthetic")


def rule(style: int, frames: int, levels: int, period: int) -> np.ndarray:
    """Returns the codes of a style, which repeat every `period` frames; each level is shifted by 1.

    Args:
        style: >= 0.
        frames: number of frames.
        levels: number of levels.
        period: frames after which the codes repeat.

    Returns:
        int16 [frame, level], in [period * style, period * (style + 1)).
    """
    steps = np.arange(frames)[:, None] + np.arange(levels)
    return (period * style + steps % period).astype(np.int16)


def beat(frames: int, period: int) -> dict[str, Any]:
    """Returns the facts of a piece with a kick every `period` frames, the first at its start."""
    onsets = np.zeros(frames, np.uint8)
    onsets[::period] = 200
    return {
        "tempo_bpm": 60.0 * SMALL_FORMAT.frame_rate_hz / period,
        "beats_per_bar": 4,
        "density": 0.5,
        "brightness": 0.5,
        "onsets": onsets,
        "drums": np.ones(frames, np.int8),
        "chords": np.full(frames, -1, np.int8),
    }


def synthetic_pieces(
    format: Format, styles: Sequence[int], frames: int, period: int
) -> list[PieceTokens]:
    """Makes pieces that follow `rule`, two of each style: one to train on, one held out.

    The held-out piece starts half a period later.

    Args:
        format: the music format; its codebooks hold period * (largest style + 1) codes or more.
        styles: one pair of pieces each; a style's token is the style's number at every level.
        frames: length of a piece.
        period: of the rule.
    """
    pieces = []
    for style in styles:
        for split, start in (("train", 0), ("heldout", period // 2)):
            tokens = rule(style, start + frames, format.codec_levels, period)[start:]
            prompt = PieceStyles(
                np.full((1, format.style_levels), style, np.int16),
                np.full((1, format.style_dim), 1 / np.sqrt(format.style_dim), np.float32),
            )
            name = f"{split}-{style}"
            text = (f"style {style}",)
            pieces.append(
                PieceTokens(
                    name, split, name, tokens, prompt, (0.0,), text, prompt, **beat(frames, period)
                )
            )
    return pieces
