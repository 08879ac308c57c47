"""Memory that a server gives back to the system as soon as it is free."""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's mallopt.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MOST_ARENAS = -1, -3, -8
# Smaller than the samples of a chunk, of an upload or of a saved session.
LARGE_BYTES = 1 << 18
# Heaps that threads share. By default there are eight for each core, and each keeps its own gaps.
ARENAS = 2


def give_back_large_blocks() -> bool:
    """Makes the allocator of the process give blocks of 256 kB and more back when they are freed.

    Otherwise glibc keeps blocks of up to 32 MB, once one was freed, for later ones of that size;
    each of a server's many threads keeps its own, and smaller blocks between them hold them.
    Threads share `ARENAS` heaps for smaller blocks.

    Returns:
        Whether it does: other systems than Linux with glibc are left as they are.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = {_MMAP_THRESHOLD: LARGE_BYTES, _TRIM_THRESHOLD: LARGE_BYTES, _MOST_ARENAS: ARENAS}
    return all(mallopt(name, value) for name, value in settings.items())
