"""What runs a graph: this process, or a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from soundstage.errors import UsageError

RunnerKind: TypeAlias = Literal["local", "ray"]


@dataclass(frozen=True)
class RunnerChoice:
    """What every command and `runners.api.open_runner` may say about the runner.

    Attributes:
        kind: "local" = this process; "ray" = actors (needs the extra `ray`).
        address: a running Ray cluster, "auto" or "host:port"; None starts one on this machine.
        window: ticks that may be under way at once where nobody steers; None = the runner's own
            idea. It changes no byte.
        remembered: in this process, the last answers kept by a stage that controls alone feed:
            as many as streams are made in turn, or it computes anew for each. It changes no byte.

    Raises:
        UsageError: an address without Ray, or a number below 1.
    """

    kind: RunnerKind = "local"
    address: str | None = None
    window: int | None = None
    remembered: int | None = None

    def __post_init__(self) -> None:
        if self.address is not None and self.kind != "ray":
            raise UsageError(f"--ray-address {self.address} needs --runner ray")
        if self.window is not None and self.window < 1:
            raise UsageError(f"--window {self.window}: must be at least 1")
        if self.remembered is not None and self.remembered < 1:
            raise UsageError(f"remembered {self.remembered}: must be at least 1")
