"""The measurement before an engine is ready makes every chunk, and remembers none."""

import soundstage
from soundstage.runners.engine.warmup import _measure
from soundstage.runners.local import LocalRunner


class RecordingRunner(LocalRunner):
    """Records the indices of the chunks it makes."""

    made: list[tuple[int, ...]] = []

    def stream(self, ticks, state=None):
        ticks = list(ticks)
        self.made.extend(tick.chunks for tick in ticks)
        return super().stream(ticks, state)


def test_measurement_makes_no_chunk_index_twice():
    RecordingRunner.made = []
    graph = soundstage.load("toy", settings=["format.chunk_s=0.2", "format.context_s=0.4"])
    with RecordingRunner(graph) as runner:
        cost_s = _measure(runner, 4, 1, 2)
    assert set(cost_s) == {1, 2, 4}
    assert len(RecordingRunner.made) == len(set(RecordingRunner.made)) >= 7
