"""Seeds as a command line writes them: "7", "0-7" or "1,4,10-19"."""

import re

from soundstage.errors import InputError

_RANGE = re.compile(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", re.ASCII)


def parse_seeds(argument: str, most: int) -> tuple[int, ...]:
    """Reads seeds and ranges of seeds, both ends included, in the order given.

    Args:
        argument: as a person writes it.
        most: how many there may be.

    Raises:
        InputError: it is not written so, names a seed twice, or there are too many.
    """
    seeds: dict[int, None] = {}
    for part in argument.split(","):
        first, last = _ends(argument, part)
        if last - first + 1 + len(seeds) > most:
            raise InputError(f"seeds {argument!r}: more than {most}; make them in several folders")
        for seed in range(first, last + 1):
            if seed in seeds:
                raise InputError(f"seeds {argument!r}: {seed} is there twice")
            seeds[seed] = None
    return tuple(seeds)


def _ends(argument: str, part: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(part)
    # More digits than any seed has: Python refuses to read thousands of them.
    if match is None or len(part) > 50:
        raise InputError(f"seeds {argument[:60]!r}: write numbers and ranges, like 7 or 0-3,8")
    first = int(match[1])
    last = first if match[2] is None else int(match[2])
    if last < first:
        raise InputError(f"seeds {argument!r}: {first}-{last} runs backwards; write {last}-{first}")
    return first, last
