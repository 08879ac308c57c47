"""Parses the seeds of a command line: "7", "0-7" or "1,4,10-19"."""

import re

from soundstage.errors import InputError

_RANGE = re.compile(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", re.ASCII)


def parse_seeds(argument: str, most: int) -> tuple[int, ...]:
    """Parses seeds and ranges of seeds, both ends included; returns them in the order given.

    Args:
        argument: numbers and ranges, separated by commas.
        most: the largest number of seeds.

    Raises:
        InputError: the argument has another form, names a seed twice, or names more than `most`.
    """
    seeds: dict[int, None] = {}
    for part in argument.split(","):
        first, last = _ends(argument, part)
        if last - first + 1 + len(seeds) > most:
            raise InputError(f"seeds {argument!r}: more than {most}; make them in several folders")
        for seed in range(first, last + 1):
            if seed in seeds:
                raise InputError(f"seeds {argument!r}: {seed} is given twice")
            seeds[seed] = None
    return tuple(seeds)


def _ends(argument: str, part: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(part)
    # No seed has so many digits, and Python refuses to convert thousands of them.
    if match is None or len(part) > 50:
        raise InputError(f"seeds {argument[:60]!r}: write numbers and ranges, like 7 or 0-3,8")
    first = int(match[1])
    last = first if match[2] is None else int(match[2])
    if last < first:
        raise InputError(f"seeds {argument!r}: {first}-{last} runs backwards; write {last}-{first}")
    return first, last
