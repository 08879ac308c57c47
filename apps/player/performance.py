"""Music that is being played: what whoever shows and steers it gets to see."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from soundstage.apps.player.performer import Performer
from soundstage.apps.player.prompt_mix import PromptMix
from soundstage.apps.player.ring import Ring
from soundstage.apps.player.sink import Sink
from soundstage.audio.standard_output import ReaderGone
from soundstage.graph.plan import Graph

# How long a sink may take to end, once the music has.
PATIENCE_S = 5.0


@dataclass(frozen=True)
class Performance:
    """Music that is being played, for whoever shows and steers it.

    Attributes:
        graph: what makes it.
        performer: makes chunks.
        ring: holds them.
        sink: what they are heard through.
        mix: the prompts at the beginning; None if the pipeline takes none.
        save: where to save the session; None = nobody has said.
    """

    graph: Graph
    performer: Performer
    ring: Ring
    sink: Sink
    mix: PromptMix | None
    save: Path | None

    @property
    def over(self) -> bool:
        """Whether there is nothing more to show."""
        return self.performer.fault is not None or self.sink.over or self.sink.fault is not None

    def stop(self) -> None:
        """Ends with a fade, and waits until that has been heard."""
        self.performer.stop()
        self.ring.stop()
        deadline = time.monotonic() + PATIENCE_S
        while not self.sink.over and time.monotonic() < deadline:
            time.sleep(0.01)

    def refuse_fault(self) -> None:
        """Raises what ended the music before its time, if anything did.

        Raises:
            Exception: what a stage or the sink raised. A listener that leaves is no fault.
        """
        fault = self.performer.fault or self.sink.fault
        if fault is not None and not isinstance(fault, ReaderGone):
            raise fault


# Shows a performance until it is over or somebody wants no more.
Watch = Callable[[Performance], None]
