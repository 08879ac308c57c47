"""Measuring what fits: every chunk of it is really made."""

import soundstage
from soundstage.runners.engine.warmup import _measure
from soundstage.runners.local import LocalRunner


class Noting(LocalRunner):
    """Notes which chunks it was asked for."""

    asked: list[tuple[int, ...]] = []

    def stream(self, ticks, state=None):
        ticks = list(ticks)
        self.asked.extend(tick.chunks for tick in ticks)
        return super().stream(ticks, state)


def test_no_chunk_is_asked_for_twice_for_its_answer_would_be_remembered():
    Noting.asked = []
    graph = soundstage.load("toy", settings=["format.chunk_s=0.2", "format.context_s=0.4"])
    with Noting(graph) as runner:
        cost_s = _measure(runner, 4, 1, 2)
    assert set(cost_s) == {1, 2, 4}
    assert len(Noting.asked) == len(set(Noting.asked)) >= 7
