"""Memory that a server gives back to the system when it is free, or uses again for chunks."""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's mallopt.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MOST_ARENAS = -1, -3, -8
# Blocks of so many bytes, such as a chunk's samples that wait to be sent, an upload or a saved
# session, are given back when they are freed. Smaller ones are used again: the message of a chunk
# in 16 bits lives for a moment, and new memory, which the system maps page by page, would take
# longer than the rest of its making.
LARGE_BYTES = 1 << 19
# Free memory at the end of a heap is given back from so many bytes on.
FREE_BYTES = 16 << 20
# Heaps that threads share. By default there are eight for each core, and each keeps its own gaps.
ARENAS = 2


def give_back_large_blocks() -> bool:
    """Makes the allocator of the process give blocks of 512 kB and more back when they are freed.

    Otherwise glibc keeps blocks of up to 32 MB, once one was freed, for later ones of that size;
    each of a server's many threads keeps its own, and smaller blocks between them hold them.
    Threads share `ARENAS` heaps for smaller blocks, at the end of which `FREE_BYTES` may be free.

    Returns:
        Whether it does: other systems than Linux with glibc are left as they are.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = {_MMAP_THRESHOLD: LARGE_BYTES, _TRIM_THRESHOLD: FREE_BYTES, _MOST_ARENAS: ARENAS}
    return all(mallopt(name, value) for name, value in settings.items())
