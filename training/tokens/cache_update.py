"""Encodes the pieces that a file of tokens lacks; an interrupted call keeps the finished pieces."""

import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from soundstage.training.tokens.cache import OldCache, TokenCache, write_cache
from soundstage.training.tokens.encoders import Encoders
from soundstage.training.tokens.pieces import MusicSource
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
    pieces: Sequence[MusicSource],
    encoders: Encoders,
    output: Path,
    clips: int,
    on_piece: Callable[[int], None] = lambda done: None,
    *,
    jobs: int = 1,
    append: bool = False,
) -> EncodingSummary:
    """Encodes the pieces that `output` lacks, and replaces it if there were any.

    A piece is identified by its audio, its texts, its facts and the encoders' weights. Each
    finished piece is kept in a folder beside the file until all are finished, so an interrupted
    call loses only the pieces that it was encoding.

    Args:
        pieces: the pieces of the new file, in this order.
        encoders: make the tokens.
        output: the file; its folder must exist.
        clips: most clips of a piece whose styles are encoded.
        on_piece: called with the number of finished pieces.
        jobs: pieces whose audio is read or rendered at a time, while another is encoded.
        append: keep the pieces of the file that have other names, in front of the new ones.

    Raises:
        InputError: a piece cannot be decoded.
        CacheError: `output` exists and is no file of tokens.
        OSError: a piece cannot be read, or the folder cannot be written.
        OutputError: the file cannot be written.
    """
    keys = [encoders.key(piece, clips) for piece in pieces]
    known = _known(output, encoders.facts)
    names = {piece.name for piece in pieces}
    first = [key for key, old in known.items() if append and old.name not in names]
    if list(known) == first + keys:
        return EncodingSummary(0, len(keys))
    folder = output.with_name(f"{output.name}.parts")
    folder.mkdir(exist_ok=True)
    parts = {key: folder / f"{key}.arrow" for key in keys if key not in known}
    missing = [
        (piece, parts[key])
        for piece, key in zip(pieces, keys, strict=True)
        if key in parts and not parts[key].exists()
    ]
    done = len(keys) - len(missing)
    if done:
        on_piece(done)
    for (piece, part), audio in zip(missing, _audio(missing, encoders, jobs), strict=True):
        write_cache(part, encoders.facts, [encoders.encode(piece, clips, audio)])
        done += 1
        on_piece(done)
    write_cache(output, encoders.facts, _joined(first + keys, output, known, folder))
    shutil.rmtree(folder)
    return EncodingSummary(len(missing), len(keys) - len(missing))


def _audio(
    pieces: Sequence[tuple[MusicSource, Path]], encoders: Encoders, jobs: int
) -> Iterator[np.ndarray]:
    """Yields the audio of each piece, while the next `jobs` are being read or rendered."""
    format = encoders.format
    pool = ThreadPoolExecutor(jobs)
    waiting: deque[Future[np.ndarray]] = deque()
    todo = iter(pieces)
    try:
        while True:
            for piece, _ in islice(todo, jobs + 1 - len(waiting)):
                waiting.append(pool.submit(piece.audio, format.sample_rate_hz, format.channels))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _KnownPiece:
    """The name of a piece of a file and its number there."""

    name: str
    number: int


def _known(path: Path, facts: TokenFacts) -> dict[str, _KnownPiece]:
    """Numbers the pieces of a file by key; empty if it is missing, old or of other encoders."""
    if not path.exists():
        return {}
    try:
        cache = TokenCache(path)
    except OldCache:
        return {}
    if cache.facts != facts:
        return {}
    return {piece.key: _KnownPiece(piece.name, number) for number, piece in enumerate(cache)}


def _joined(
    keys: Sequence[str], path: Path, known: dict[str, _KnownPiece], folder: Path
) -> Iterator[PieceTokens]:
    cache = TokenCache(path) if known else None
    for key in keys:
        if cache is not None and key in known:
            yield cache.piece(known[key].number)
        else:
            yield TokenCache(folder / f"{key}.arrow").piece(0)
