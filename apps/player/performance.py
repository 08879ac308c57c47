"""The performance: everything that a display of live music shows and steers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from soundstage.apps.player.performer import Performer
from soundstage.apps.player.prompt_mix import PromptMix
from soundstage.apps.player.ring import Ring
from soundstage.apps.player.sink import Sink
from soundstage.audio.standard_output import ReaderGone
from soundstage.graph.plan import Graph
from soundstage.runners.sessions.notes import HeldNotes

# Seconds that a sink has to end after the music.
PATIENCE_S = 5.0


@dataclass(frozen=True)
class Performance:
    """Music that is being played.

    Attributes:
        graph: the graph that makes it.
        performer: makes the chunks.
        ring: holds the chunks until they are heard.
        sink: plays the ring.
        prompts: the prompts at the start; None if the pipeline takes none.
        save: the session file from the command line; None = none was given.
        keys: the keys that are held, of an instrument or of the display; None = there are none.
        interrupted: set when a signal has arrived that ends the music.
    """

    graph: Graph
    performer: Performer
    ring: Ring
    sink: Sink
    prompts: PromptMix | None
    save: Path | None
    keys: HeldNotes | None = None
    interrupted: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        """Whether the music has ended, or an error ended it."""
        return self.performer.error is not None or self.sink.over or self.sink.error is not None

    def stop(self) -> None:
        """Ends the music with a fade; waits at most 5 s until the fade was heard."""
        self.performer.stop()
        self.ring.stop()
        deadline = time.monotonic() + PATIENCE_S
        while not self.sink.over and time.monotonic() < deadline:
            time.sleep(0.01)

    def raise_error(self) -> None:
        """Raises the error that ended the music early, if there is one.

        Raises:
            Exception: the error of a stage or of the sink. A reader that leaves is none.
        """
        error = self.performer.error or self.sink.error
        if error is not None and not isinstance(error, ReaderGone):
            raise error


# Shows a performance until it is over or the user quits. Raises KeyboardInterrupt if a signal, or
# Ctrl-C as a key, ended it.
Watch = Callable[[Performance], None]
