"""A performance as lines: one a chunk, and one more for every time music ran out."""

from __future__ import annotations

import queue
from collections.abc import Callable

from runners.player.performer import Made
from runners.playing import Performance, Watch

LOOK_S = 0.1


def watch_lines(say: Callable[[str], None]) -> Watch:
    """Shows a performance as lines.

    Args:
        say: prints one.
    """

    def watch(performance: Performance) -> None:
        while not performance.over:
            try:
                tell(say, performance.performer.made.get(timeout=LOOK_S))
            except queue.Empty:
                continue

    return watch


def watch_silently(performance: Performance) -> None:
    """Shows nothing, and waits until it is over."""
    watch_lines(lambda line: None)(performance)


def tell(say: Callable[[str], None], made: Made) -> None:
    """Prints what there is to say about one chunk."""
    if made.ran_out:
        say(underrun(made))
    slack = "" if made.slack_s is None else f"slack {made.slack_s:.2f} s, "
    say(
        f"chunk {made.chunk}: made in {made.wall_s:.2f} s, {1 / made.rtf:.2f} x real time; {slack}"
        f"in stock {made.buffered_s:.2f} s, underruns {made.underruns}"
    )


def underrun(made: Made) -> str:
    """Why music ran out before a chunk came."""
    why = "no stage was slow: the process was kept waiting" if made.late is None else str(made.late)
    return f"underrun before chunk {made.chunk}, {made.silent_s:.2f} s of silence: {why}"
