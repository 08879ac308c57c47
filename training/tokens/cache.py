"""Files of tokens: Arrow, one record batch a piece, mapped into memory without copies."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa

from soundstage.errors import InputError
from soundstage.files import growing
from soundstage.training.tokens.record import PieceStyles, PieceTokens, TokenFacts

FACTS = b"soundstage.tokens"
SCHEMA = pa.schema(
    [
        ("name", pa.utf8()),
        ("split", pa.utf8()),
        ("key", pa.utf8()),
        ("tokens", pa.large_list(pa.int16())),
        ("clip_starts_s", pa.list_(pa.float64())),
        ("clip_tokens", pa.list_(pa.int16())),
        ("clip_embeddings", pa.list_(pa.float32())),
        ("texts", pa.list_(pa.utf8())),
        ("text_tokens", pa.list_(pa.int16())),
        ("text_embeddings", pa.list_(pa.float32())),
        ("tempo_bpm", pa.float64()),
        ("beats_per_bar", pa.int64()),
        ("density", pa.float64()),
        ("brightness", pa.float64()),
        ("onsets", pa.list_(pa.uint8())),
        ("drums", pa.list_(pa.int8())),
        ("chords", pa.list_(pa.int8())),
    ]
)


class CacheError(InputError):
    """A file of tokens cannot be used; the message says why."""


class OldCache(CacheError):
    """A file of tokens has the columns of another version."""


def write_cache(path: Path, facts: TokenFacts, pieces: Iterable[PieceTokens]) -> None:
    """Writes a file of tokens, complete or not at all.

    Args:
        path: the file; its folder must exist.
        facts: the format and the encoders of the numbers.
        pieces: consumed one at a time.

    Raises:
        OutputError: the file cannot be written.
    """
    schema = SCHEMA.with_metadata({FACTS: json.dumps(asdict(facts)).encode()})
    with growing(path) as file, pa.ipc.new_file(file, schema) as writer:
        for piece in pieces:
            writer.write_batch(_batch(piece, schema))


def _batch(piece: PieceTokens, schema: pa.Schema) -> pa.RecordBatch:
    values = (
        piece.name,
        piece.split,
        piece.key,
        piece.tokens.reshape(-1),
        list(piece.clip_starts_s),
        piece.clips.tokens.reshape(-1),
        piece.clips.embeddings.reshape(-1),
        list(piece.texts),
        piece.text_styles.tokens.reshape(-1),
        piece.text_styles.embeddings.reshape(-1),
        piece.tempo_bpm,
        piece.beats_per_bar,
        piece.density,
        piece.brightness,
        piece.onsets,
        piece.drums,
        piece.chords,
    )
    columns = [pa.array([value], field.type) for value, field in zip(values, schema, strict=True)]
    return pa.record_batch(columns, schema=schema)


class TokenCache:
    """The pieces of a file of tokens; arrays are read-only views of the file.

    Args:
        path: as `write_cache` wrote it.

    Raises:
        OldCache: the file has the columns of another version.
        CacheError: the file is missing, damaged or no file of tokens.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = pa.ipc.open_file(pa.memory_map(str(path)))
            facts = (self._file.schema.metadata or {})[FACTS]
            if not self._file.schema.equals(SCHEMA):
                raise OldCache(
                    f"{path}: a file of tokens of another version, with other columns; make it "
                    "again with `python -m soundstage.training.tokens`"
                )
            self.facts = TokenFacts(**json.loads(facts))
        except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
            raise CacheError(
                f"{path}: not a complete file of tokens ({error}); make one with "
                "`python -m soundstage.training.tokens`"
            ) from error

    def __len__(self) -> int:
        return self._file.num_record_batches

    def piece(self, number: int) -> PieceTokens:
        """Returns the piece of a number in [0, len)."""
        batch = self._file.get_batch(number)
        facts = self.facts
        return PieceTokens(
            name=batch["name"][0].as_py(),
            split=batch["split"][0].as_py(),
            key=batch["key"][0].as_py(),
            tokens=_numbers(batch, "tokens", facts.codec_levels),
            clips=PieceStyles(
                _numbers(batch, "clip_tokens", facts.style_levels),
                _numbers(batch, "clip_embeddings", facts.style_dim),
            ),
            clip_starts_s=tuple(batch["clip_starts_s"][0].as_py()),
            texts=tuple(batch["texts"][0].as_py()),
            text_styles=PieceStyles(
                _numbers(batch, "text_tokens", facts.style_levels),
                _numbers(batch, "text_embeddings", facts.style_dim),
            ),
            tempo_bpm=batch["tempo_bpm"][0].as_py(),
            beats_per_bar=batch["beats_per_bar"][0].as_py(),
            density=batch["density"][0].as_py(),
            brightness=batch["brightness"][0].as_py(),
            onsets=_numbers(batch, "onsets", 1)[:, 0],
            drums=_numbers(batch, "drums", 1)[:, 0],
            chords=_numbers(batch, "chords", 1)[:, 0],
        )

    def __iter__(self) -> Iterator[PieceTokens]:
        return (self.piece(number) for number in range(len(self)))


def _numbers(batch: pa.RecordBatch, name: str, width: int) -> np.ndarray:
    return batch[name].flatten().to_numpy(zero_copy_only=True).reshape(-1, width)
