"""Lists the tests that did not run, and fails if one of them could have run here.

python3 .ci/skips.py report.xml

The argument is a report of `pytest --junit-xml`. A test may be skipped for want of another user,
another system or the recordings that lie beside the repository, but not for want of a program, a
library or a package that can be installed.
"""

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter

# What no package brings. A reason that contains one of these is accepted.
NOT_INSTALLABLE = (
    "root writes anywhere",
    "root reads anything",
    "this system",
    "as Linux does",
    "beside the repository",
    "reference",
)


def skipped(path: str) -> Counter[str]:
    """Counts the skipped tests of a report by file and reason."""
    counts: Counter[str] = Counter()
    for case in ElementTree.parse(path).iter("testcase"):
        for skip in case.iter("skipped"):
            name = case.get("classname") or case.get("name") or "?"
            counts[f"{name}: {skip.get('message') or skip.text}"] += 1
    return counts


def main(path: str) -> int:
    """Prints the skips of a report; returns 1 if one could have run, else 0."""
    counts = skipped(path)
    print(f"{sum(counts.values())} tests were skipped.")
    wanting = 0
    for reason, count in sorted(counts.items()):
        accepted = any(text in reason for text in NOT_INSTALLABLE)
        wanting += 0 if accepted else count
        print(f"  {count} x {reason}{'' if accepted else '   <- can be installed'}")
    if wanting:
        print(
            f"{wanting} of them lack something that can be installed: `.ci/run` has to install it"
        )
    return 1 if wanting else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
