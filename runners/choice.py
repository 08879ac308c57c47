"""The choice of a runner: this process, or a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from soundstage.errors import UsageError

RunnerKind: TypeAlias = Literal["local", "ray"]
MOST_ENGINES = 1024


@dataclass(frozen=True)
class RunnerChoice:
    """The kind of runner and its settings, none of which changes a byte of the audio.

    Attributes:
        kind: "local" = this process; "ray" = actors (needs the extra `ray`).
        address: a running Ray cluster, "auto" or "host:port"; None starts one on this machine.
        window: ticks in flight at once, for runs whose controls are known beforehand; None = the
            runner's default. In a fleet, the most chunks of one stream in flight: 1, or 2 if more.
        remembered: in this process, the number of recent outputs that a stage keeps for reuse if
            only controls feed it. Should be at least the number of streams made in turn.
        validate: in this process, whether every stage is called twice and its outputs compared, to
            find stages that break the contract of stages (see `Host`).

    Raises:
        UsageError: an address without Ray, validation with Ray, or a number below 1.
    """

    kind: RunnerKind = "local"
    address: str | None = None
    window: int | None = None
    remembered: int | None = None
    validate: bool = False

    def __post_init__(self) -> None:
        if self.address is not None and self.kind != "ray":
            raise UsageError(f"--ray-address {self.address} needs --runner ray")
        if self.validate and self.kind != "local":
            raise UsageError("--validate needs --runner local")
        if self.window is not None and self.window < 1:
            raise UsageError(f"--window {self.window}: must be at least 1")
        if self.remembered is not None and self.remembered < 1:
            raise UsageError(f"remembered {self.remembered}: must be at least 1")


@dataclass(frozen=True)
class EngineRange:
    """The least and the most engines of a fleet.

    Raises:
        UsageError: the least is below 1 or above the most, or the most above `MOST_ENGINES`.
    """

    least: int = 1
    most: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most <= MOST_ENGINES:
            raise UsageError(
                f"--engines {self}: give a number from 1 to {MOST_ENGINES}, or two such as 2..8"
            )

    def __str__(self) -> str:
        return f"{self.least}" if self.least == self.most else f"{self.least}..{self.most}"

    @classmethod
    def read(cls, text: str) -> EngineRange:
        """Reads "4" or "2..8".

        Raises:
            UsageError: it is neither.
        """
        least, dots, most = text.partition("..")
        if not (least.isdecimal() and (most if dots else least).isdecimal()):
            raise UsageError(f"--engines {text}: give a number such as 4, or two such as 2..8")
        return cls(int(least), int(most if dots else least))
