"""Shows a performance as lines: one for each chunk or each second, and one for each underrun."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator

from soundstage.apps.player.performance import Performance, Watch
from soundstage.apps.player.performer import ChunkReport
from soundstage.runners.sessions.not_understood import WordReports

LOOK_S = 0.1
# Chunks shorter than this do not get a line each, but one for each second of music.
SHORT_S, SECOND_S = 0.2, 1.0


def watch_lines(say: Callable[[str], None]) -> Watch:
    """Returns a function that shows a performance as lines.

    Args:
        say: prints one line.
    """

    def watch(performance: Performance) -> None:
        warnings = Warnings(performance)
        untold_s = SECOND_S
        while not performance.over:
            if performance.interrupted.is_set():
                raise KeyboardInterrupt
            try:
                report = performance.performer.reports.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            for line in warnings.about(report):
                say(line)
            untold_s += report.chunk_s
            if report.chunk_s >= SHORT_S or untold_s > SECOND_S or report.ran_out:
                say(chunk_line(report))
                untold_s = 0.0

    return watch


class Warnings:
    """The warnings of every display: a slow machine, underruns, and words not understood."""

    def __init__(self, performance: Performance) -> None:
        self._performance = performance
        self._warned = False
        self._words = WordReports()

    def about(self, report: ChunkReport) -> Iterator[str]:
        """Returns the warnings that follow from one chunk, mostly none."""
        verdict = self._performance.performer.verdict
        if verdict is not None and not self._warned:
            self._warned = True
            if verdict.word != "plays":
                name = self._performance.graph.name
                yield f"{name}: {verdict}; `soundstage doctor` says what helps"
        if report.ran_out:
            silence = f"{report.silent_s:.2f} s of silence"
            yield f"underrun before chunk {report.chunk}, {silence}: {underrun_cause(report)}"
        yield from self._words.lines(report.not_understood)


def underrun_cause(report: ChunkReport) -> str:
    """Returns the cause of the underrun before a chunk, in words."""
    if report.late is None:
        return "no stage was slow: the process was kept waiting"
    return str(report.late)


def chunk_line(report: ChunkReport) -> str:
    """Returns a chunk's report as one line."""
    slack = "" if report.slack_s is None else f"slack {report.slack_s:.2f} s, "
    key = report.key_to_sound_s
    return (
        f"chunk {report.chunk}: made in {report.wall_s:.2f} s, {1 / report.rtf:.2f} x real time; "
        f"{slack}buffered {report.buffered_s:.2f} s, underruns {report.underruns}"
        f"{'' if key is None else f', key to sound {key:.2f} s'}"
    )
