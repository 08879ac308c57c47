"""Makes a file of tokens, piece by piece; what is made stays made, however often it is stopped."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from soundstage.training.tokens.cache import TokenCache, write_cache
from soundstage.training.tokens.encoders import Encoders
from soundstage.training.tokens.pieces import SourcePiece
from soundstage.training.tokens.record import PieceTokens, TokenFacts

# Told how many pieces are done, and the name of the one that is done last.
OnPiece = Callable[[int, str], None]


@dataclass(frozen=True)
class EncodingSummary:
    """What happened.

    Attributes:
        encoded: pieces encoded now.
        kept: pieces that were there already.
    """

    encoded: int
    kept: int


def make_cache(
    pieces: Sequence[SourcePiece],
    encoders: Encoders,
    output: Path,
    clips: int,
    on_piece: OnPiece,
) -> EncodingSummary:
    """Encodes the pieces that `output` does not hold yet, and writes it anew if there were any.

    A piece is known by its bytes, texts and encoders: none of them can change unnoticed. Pieces
    done are kept in a folder beside the file until all are, so an interrupted call loses one.

    Args:
        pieces: what the file shall hold, in this order.
        encoders: make the tokens.
        output: the file; its folder must exist.
        clips: clips a piece whose style is kept.
        on_piece: told of every piece.

    Raises:
        InputError: a piece cannot be read.
        CacheError: `output` is there and is no file of tokens.
        OSError: likewise, or the folder cannot be written.
        OutputError: the file cannot be written.
    """
    keys = [encoders.key(piece, clips) for piece in pieces]
    held = _held(output, encoders.facts)
    if list(held) == keys:
        return EncodingSummary(0, len(keys))
    folder = output.with_name(f"{output.name}.parts")
    folder.mkdir(exist_ok=True)
    encoded = 0
    for number, (piece, key) in enumerate(zip(pieces, keys, strict=True), 1):
        part = folder / f"{key}.arrow"
        if key not in held and not part.exists():
            write_cache(part, encoders.facts, [encoders.encode(piece, clips)])
            encoded += 1
        on_piece(number, piece.name)
    write_cache(output, encoders.facts, _joined(keys, output, held, folder))
    shutil.rmtree(folder)
    return EncodingSummary(encoded, len(keys) - encoded)


def _held(path: Path, facts: TokenFacts) -> dict[str, int]:
    """The numbers of the pieces in a file by key; none if it is not there or of other encoders."""
    if not path.exists():
        return {}
    cache = TokenCache(path)
    if cache.facts != facts:
        return {}
    return {piece.key: number for number, piece in enumerate(cache)}


def _joined(
    keys: Sequence[str], path: Path, held: dict[str, int], folder: Path
) -> Iterator[PieceTokens]:
    before = TokenCache(path) if held else None
    for key in keys:
        if before is not None and key in held:
            yield before.piece(held[key])
        else:
            yield TokenCache(folder / f"{key}.arrow").piece(0)
