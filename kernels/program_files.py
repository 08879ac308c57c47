"""The folder of programs in the user's cache: files that are found by name, or made again."""

from __future__ import annotations

import hashlib
import logging
import os
import zlib
from itertools import accumulate
from pathlib import Path

from soundstage.errors import OutputError
from soundstage.files import replacing
from soundstage.user_folders import user_cache_folder

LOGGER = logging.getLogger("soundstage")
# Bytes of programs that are kept in the folder.
KEPT_BYTES = 512 << 20
# A file is the SHA-256 of the rest, which is the content, compressed.
DIGEST_BYTES = hashlib.sha256().digest_size
# The quickest: a program is a fifth of its size then.
LEVEL = 1


def programs_folder() -> Path:
    """Returns the folder of programs."""
    return user_cache_folder() / "programs"


def read(name: str) -> bytes | None:
    """Returns the content of a file; None = there is none, or it is damaged or old."""
    file = programs_folder() / name
    try:
        stored = file.read_bytes()
        os.utime(file)  # used now; see `keep`
    except OSError:
        return None
    digest, rest = stored[:DIGEST_BYTES], stored[DIGEST_BYTES:]
    if hashlib.sha256(rest).digest() != digest:
        return None
    try:
        return zlib.decompress(rest)
    except zlib.error:
        return None


def keep(name: str, content: bytes) -> None:
    """Writes a file, and deletes those that were not used for longest.

    Their bytes are what counts: a set of tests has many hundreds of small ones.

    Without a folder that can be written everything works, and is made at every start.
    """
    file = programs_folder() / name
    rest = zlib.compress(content, LEVEL)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as stream:
            stream.write(hashlib.sha256(rest).digest() + rest)
        facts = {path: path.stat() for path in file.parent.iterdir()}
        newest = sorted(facts, key=lambda path: facts[path].st_mtime_ns, reverse=True)
        sizes = accumulate(facts[path].st_size for path in newest)
        for path, size in zip(newest, sizes, strict=True):
            if size > KEPT_BYTES and path != file:
                path.unlink()
    except (OSError, OutputError) as error:
        LOGGER.debug("%s is not kept: %s", file, error)
