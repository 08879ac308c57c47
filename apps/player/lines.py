"""A performance as lines: one a chunk, and one more for every time music ran out."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator

from soundstage.apps.player.performance import Performance, Watch
from soundstage.apps.player.performer import ChunkReport

LOOK_S = 0.1


def watch_lines(say: Callable[[str], None]) -> Watch:
    """Shows a performance as lines.

    Args:
        say: prints one.
    """

    def watch(performance: Performance) -> None:
        news = News(performance)
        while not performance.over:
            try:
                made = performance.performer.made.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            for line in news.about(made):
                say(line)
            say(chunk_line(made))

    return watch


class News:
    """What is worth a line whoever watches: that music ran out, and that it will."""

    def __init__(self, performance: Performance) -> None:
        self._performance = performance
        self._warned = False

    def about(self, made: ChunkReport) -> Iterator[str]:
        """The lines about one chunk, mostly none."""
        verdict = self._performance.performer.verdict
        if verdict is not None and not self._warned:
            self._warned = True
            if verdict.word != "plays":
                name = self._performance.graph.name
                yield f"{name}: {verdict}; `soundstage doctor` says what helps"
        if made.ran_out:
            silence = f"{made.silent_s:.2f} s of silence"
            yield f"underrun before chunk {made.chunk}, {silence}: {blamed(made)}"


def blamed(made: ChunkReport) -> str:
    """Why music ran out before a chunk came."""
    return (
        "no stage was slow: the process was kept waiting" if made.late is None else str(made.late)
    )


def chunk_line(made: ChunkReport) -> str:
    """One chunk in a line."""
    slack = "" if made.slack_s is None else f"slack {made.slack_s:.2f} s, "
    return (
        f"chunk {made.chunk}: made in {made.wall_s:.2f} s, {1 / made.rtf:.2f} x real time; {slack}"
        f"in stock {made.buffered_s:.2f} s, underruns {made.underruns}"
    )
