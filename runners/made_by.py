"""What made a file: versions of programs and the processor, kept in its header.

The same graph, weights and seeds give the same bytes on one machine with one version of JAX. With
another version or another processor, sums are made in another order, and the last bits differ.
"""

import json
import platform
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

from soundstage.documents import DocumentError, read_json
from soundstage.errors import SoundstageWarning
from soundstage.version import version

# Libraries whose versions may change a byte.
LIBRARIES = ("jax", "jaxlib", "numpy")
PROCESSOR = "processor"
_LONGEST = 200


class MadeElsewhere(SoundstageWarning):
    """A file was made with other versions or on another processor: bytes may differ."""


@dataclass(frozen=True)
class MadeBy:
    """What made a file.

    Attributes:
        facts: by name, the version of soundstage, Python and each of `LIBRARIES`, and the
            processor's name; empty for files of versions that kept none.
    """

    facts: Mapping[str, str]

    @classmethod
    def here(cls) -> "MadeBy":
        """What would make a file in this process."""
        return cls(_facts())

    @classmethod
    def from_json(cls, text: bytes | None) -> "MadeBy":
        """Reads what `to_json` wrote; None = nothing is known.

        Raises:
            ValueError: the text is something else.
        """
        if text is None:
            return cls({})
        try:
            facts = read_json(text)
        except DocumentError as error:
            raise ValueError(f"what made it cannot be read: {error}") from error
        if not isinstance(facts, dict) or not all(isinstance(v, str) for v in facts.values()):
            raise ValueError("what made it is not a table of texts")
        return cls({name: text[:_LONGEST] for name, text in facts.items()})

    def to_json(self) -> bytes:
        """Returns the facts as JSON."""
        return json.dumps(dict(self.facts)).encode()

    def __str__(self) -> str:
        return ", ".join(f"{name} {fact}" for name, fact in self.facts.items())

    def difference(self) -> str:
        """Returns what differs here, in one line; "" = nothing, or nothing is known."""
        here = _facts()
        names = [name for name in here if self.facts.get(name, here[name]) != here[name]]
        if not names:
            return ""
        then = ", ".join(f"{name} {self.facts[name]}" for name in names)
        now = ", ".join(f"{name} {here[name]}" for name in names)
        return f"made with {then}; here is {now}: the audio may differ in its last bits"

    def warn(self, path: Path) -> None:
        """Warns, in one line, that a file was made with something else than what is here.

        Args:
            path: the file, quoted in the warning.
        """
        difference = self.difference()
        if difference:
            warnings.warn(f"{path}: {difference}", MadeElsewhere, stacklevel=3)


def processor_name() -> str:
    """Returns the name of this machine's processor, such as "AMD EPYC 7B13"."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@cache
def _facts() -> Mapping[str, str]:
    facts = {"soundstage": version(), "Python": platform.python_version()}
    for name in LIBRARIES:
        try:
            facts[name] = installed_version(name)
        except PackageNotFoundError:
            continue
    return facts | {PROCESSOR: processor_name()}
