"""Encodes the pieces that a file of tokens lacks; an interrupted call keeps the finished pieces."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from soundstage.training.tokens.cache import OldCache, TokenCache, write_cache
from soundstage.training.tokens.encoders import Encoders
from soundstage.training.tokens.pieces import SourcePiece
from soundstage.training.tokens.record import PieceTokens, TokenFacts


@dataclass(frozen=True)
class EncodingSummary:
    """How many pieces a call of `update_cache` encoded.

    Attributes:
        encoded: pieces encoded by the call.
        kept: pieces encoded before.
    """

    encoded: int
    kept: int


def update_cache(
    pieces: Sequence[SourcePiece],
    encoders: Encoders,
    output: Path,
    clips: int,
    on_piece: Callable[[int], None] = lambda done: None,
) -> EncodingSummary:
    """Encodes the pieces that `output` lacks, and replaces it if there were any.

    A piece is identified by its bytes, its texts and the encoders' weights. Each finished piece is
    kept in a folder beside the file until all are finished, so an interrupted call loses only the
    piece it was encoding.

    Args:
        pieces: the pieces of the new file, in this order.
        encoders: make the tokens.
        output: the file; its folder must exist.
        clips: most clips of a piece whose styles are encoded.
        on_piece: called with the number of finished pieces.

    Raises:
        InputError: a piece cannot be decoded.
        CacheError: `output` exists and is no file of tokens.
        OSError: a piece cannot be read, or the folder cannot be written.
        OutputError: the file cannot be written.
    """
    keys = [encoders.key(piece, clips) for piece in pieces]
    known = _known(output, encoders.facts)
    if list(known) == keys:
        return EncodingSummary(0, len(keys))
    folder = output.with_name(f"{output.name}.parts")
    folder.mkdir(exist_ok=True)
    encoded = 0
    for number, (piece, key) in enumerate(zip(pieces, keys, strict=True), 1):
        part = folder / f"{key}.arrow"
        if key not in known and not part.exists():
            write_cache(part, encoders.facts, [encoders.encode(piece, clips)])
            encoded += 1
        on_piece(number)
    write_cache(output, encoders.facts, _joined(keys, output, known, folder))
    shutil.rmtree(folder)
    return EncodingSummary(encoded, len(keys) - encoded)


def _known(path: Path, facts: TokenFacts) -> dict[str, int]:
    """Numbers the pieces of a file by key; empty if it is missing, old or of other encoders."""
    if not path.exists():
        return {}
    try:
        cache = TokenCache(path)
    except OldCache:
        return {}
    if cache.facts != facts:
        return {}
    return {piece.key: number for number, piece in enumerate(cache)}


def _joined(
    keys: Sequence[str], path: Path, known: dict[str, int], folder: Path
) -> Iterator[PieceTokens]:
    cache = TokenCache(path) if known else None
    for key in keys:
        if cache is not None and key in known:
            yield cache.piece(known[key])
        else:
            yield TokenCache(folder / f"{key}.arrow").piece(0)
